#include "schedule/work_table.hpp"

#include <algorithm>

#include <fmt/format.h>

#include <planaria/base/check.hpp>

namespace planaria {
namespace {

// A file may name chunk 999999 of micro-batch 999999 and nothing else: the table would not fit.
std::string first_without_actions(const Schedule& schedule, const StageTable& stages) {
  std::vector<std::pair<int, int>> there;  // (stage, micro-batch)
  for (std::size_t rank = 0; rank < schedule.ranks.size(); ++rank) {
    for (const Action& action : schedule.ranks[rank]) {
      there.emplace_back(stages.stage(static_cast<int>(rank), action.chunk), action.micro_batch);
    }
  }
  std::sort(there.begin(), there.end());
  there.erase(std::unique(there.begin(), there.end()), there.end());
  std::pair<int, int> expected{0, 0};
  for (const auto& found : there) {
    if (found != expected) break;
    expected.second++;
    if (expected.second == schedule.micro_batches) expected = {expected.first + 1, 0};
  }
  const int chunk = expected.first / schedule.depth();
  const std::string name = name_in(schedule, ActionKind::forward, chunk, expected.second);
  return schedule.width == 1
             ? fmt::format("rank {} misses {}", stages.rank_of(expected.first), name)
             : fmt::format("no rank of stage {} has {}", expected.first, name);
}

}  // namespace

StageTable::StageTable(const Schedule& schedule)
    : depth_(schedule.depth()),
      chunks_(static_cast<std::size_t>(schedule.chunks)),
      micro_batches_(static_cast<std::size_t>(std::max(schedule.micro_batches, 0))),
      stage_(static_cast<std::size_t>(schedule.stages())),
      rank_of_(stage_.size()) {
  for (int rank = 0; rank < depth_; ++rank) {
    for (int chunk = 0; chunk < schedule.chunks; ++chunk) {
      const int of = schedule.stage_of(rank, chunk);
      stage_[(static_cast<std::size_t>(rank) * chunks_) + static_cast<std::size_t>(chunk)] = of;
      rank_of_[static_cast<std::size_t>(of)] = rank;
    }
  }
}

std::int32_t& Work::at(ActionKind kind) {
  switch (kind) {
    case ActionKind::forward:
      return forward;
    case ActionKind::recompute:
      return recompute;
    case ActionKind::backward_input:
      return backward_input;
    case ActionKind::backward_weight:
      return backward_weight;
    case ActionKind::backward:
      return backward;
  }
  check_failed("an action of no known kind", "");
}

std::string name_in(const Schedule& schedule, ActionKind kind, int chunk, int micro_batch) {
  const std::string number = schedule.chunks > 1 ? fmt::format("{}", chunk) : "";
  return fmt::format("{}{}{}", number, static_cast<char>(kind), micro_batch);
}

Result<std::vector<Work>> work_table(const Schedule& schedule, const StageTable& stages) {
  std::size_t actions = 0;
  for (std::size_t rank = 0; rank < schedule.ranks.size(); ++rank) {
    for (const Action& action : schedule.ranks[rank]) {
      const std::string misfit = misfit_of(schedule, action);
      if (!misfit.empty()) return Fault::infeasible(fmt::format("rank {} {}", rank, misfit));
    }
    actions += schedule.ranks[rank].size();
  }
  if (stages.cells() > actions) {
    return Fault::infeasible(first_without_actions(schedule, stages));
  }
  std::vector<Work> table(stages.cells());
  for (std::size_t rank = 0; rank < schedule.ranks.size(); ++rank) {
    const auto& list = schedule.ranks[rank];
    for (std::size_t at = 0; at < list.size(); ++at) {
      const Action& action = list[at];
      const auto self = static_cast<std::int32_t>(rank);
      const int stage = stages.stage(self, action.chunk);
      Work& work = table[stages.cell(stage, action.micro_batch)];
      const auto named = [&] {
        return name_in(schedule, action.kind, action.chunk, action.micro_batch);
      };
      if (work.rank != Work::none && work.rank != self) {
        return Fault::infeasible(
            fmt::format("rank {} has {}, and rank {} computes micro-batch {} of stage {} already",
                        rank, named(), work.rank, action.micro_batch, stage));
      }
      work.rank = self;
      if (work.at(action.kind) != Work::none) {
        return Fault::infeasible(fmt::format("rank {} has {} twice", rank, named()));
      }
      work.at(action.kind) = static_cast<std::int32_t>(at);
    }
  }
  return table;
}

}  // namespace planaria
