#include <planaria/schedule/validate.hpp>

#include <fmt/format.h>

#include "schedule/firing_order.hpp"
#include "schedule/work_table.hpp"

namespace planaria {
namespace {

Result<void> check_shape(const Schedule& schedule, const ValidationOptions& options) {
  if (options.sends_in_flight < 0 || options.sends_in_flight > 1'000'000) {
    return Fault::invalid_input(
        fmt::format("sends_in_flight: {}, must be 0 to 1000000", options.sends_in_flight));
  }
  if (options.lane_size < 1) {
    return Fault::invalid_input(
        fmt::format("lane_size: {}, must be at least 1", options.lane_size));
  }
  const bool fits = schedule.placement == Placement::single ? schedule.chunks == 1
                    : schedule.placement == Placement::v    ? schedule.chunks == 2
                                                            : schedule.chunks >= 1;
  if (!fits) {
    return Fault::invalid_input(fmt::format("chunks: {}, must be {} with placement {}",
                                            schedule.chunks,
                                            schedule.placement == Placement::single ? "1"
                                            : schedule.placement == Placement::v    ? "2"
                                                                                    : "at least 1",
                                            name_of(schedule.placement)));
  }
  if (schedule.width < 1 || schedule.ranks.size() % static_cast<std::size_t>(schedule.width) != 0) {
    return Fault::invalid_input(fmt::format("width: {}, must divide the number of ranks, {}",
                                            schedule.width, schedule.ranks.size()));
  }
  if (schedule.ranks.empty()) return Fault::infeasible("the schedule has no ranks");
  if (schedule.micro_batches < 1) return Fault::infeasible("the schedule has no actions");
  for (std::size_t rank = 0; rank < schedule.ranks.size(); ++rank) {
    const auto& actions = schedule.ranks[rank];
    for (std::size_t at = 0; at < actions.size(); ++at) {
      if (!actions[at].overlaps_next) continue;
      if (at + 1 < actions.size() && !actions[at + 1].overlaps_next) continue;
      return Fault::infeasible(fmt::format("rank {} overlaps {} with {}, must be with one action",
                                           rank, text_of(actions[at]),
                                           at + 1 < actions.size() ? "two others" : "nothing"));
    }
  }
  return {};
}

/// Judges each (stage, micro-batch) by itself.
class CellJudge {
 public:
  CellJudge(const Schedule& schedule, const StageTable& stages, const std::vector<Work>& table)
      : schedule_(schedule), stages_(stages), table_(table) {}

  /// Everything there, and in order.
  Result<void> check_all() const {
    for (int rank = 0; rank < schedule_.depth(); ++rank) {
      for (int chunk = 0; chunk < schedule_.chunks; ++chunk) {
        for (int i = 0; i < schedule_.micro_batches; ++i) {
          PLANARIA_TRY_VOID(check_cell(rank, chunk, i));
        }
      }
    }
    return {};
  }

  /// Within a lane gradients are added in index order, by one rank: float addition is not
  /// associative.
  Result<void> check_lanes(int lane_size) const {
    if (lane_size == 1) return {};
    for (int rank = 0; rank < schedule_.depth(); ++rank) {
      for (int chunk = 0; chunk < schedule_.chunks; ++chunk) {
        for (int i = 1; i < schedule_.micro_batches; ++i) {
          if (i % lane_size == 0) continue;
          PLANARIA_TRY_VOID(check_follows(stages_.stage(rank, chunk), chunk, i, lane_size));
        }
      }
    }
    return {};
  }

 private:
  [[nodiscard]] std::string named(ActionKind kind, int chunk, int i) const {
    return name_in(schedule_, kind, chunk, i);
  }

  Result<void> check_cell(int rank, int chunk, int i) const {
    const int stage = stages_.stage(rank, chunk);
    const Work& work = table_[stages_.cell(stage, i)];
    if (work.rank == Work::none && schedule_.width > 1) {
      return Fault::infeasible(
          fmt::format("no rank of stage {} has {}", stage, named(ActionKind::forward, chunk, i)));
    }
    const int at = work.rank == Work::none ? rank : work.rank;
    const auto misses = [&](ActionKind kind) {
      return Fault::infeasible(fmt::format("rank {} misses {}", at, named(kind, chunk, i)));
    };
    const bool input = work.backward_input != Work::none;
    const bool weight = work.backward_weight != Work::none;
    if (work.forward == Work::none) return misses(ActionKind::forward);
    if (work.is_fused() && (input || weight)) {
      const ActionKind other = input ? ActionKind::backward_input : ActionKind::backward_weight;
      return Fault::infeasible(fmt::format("rank {} has both {} and {}", at,
                                           named(ActionKind::backward, chunk, i),
                                           named(other, chunk, i)));
    }
    if (!work.is_fused() && !input && !weight) return misses(ActionKind::backward);
    if (!work.is_fused() && !input) return misses(ActionKind::backward_input);
    if (!work.is_fused() && !weight) return misses(ActionKind::backward_weight);

    const ActionKind back = work.is_fused() ? ActionKind::backward : ActionKind::backward_input;
    PLANARIA_TRY_VOID(check_order(work, ActionKind::forward, back, chunk, i));
    PLANARIA_TRY_VOID(check_order(work, ActionKind::forward, ActionKind::recompute, chunk, i));
    PLANARIA_TRY_VOID(check_order(work, ActionKind::recompute, back, chunk, i));
    return check_order(work, ActionKind::backward_input, ActionKind::backward_weight, chunk, i);
  }

  Result<void> check_order(Work work, ActionKind first, ActionKind then, int chunk, int i) const {
    const int first_at = work.at(first);
    const int then_at = work.at(then);
    if (first_at == Work::none || then_at == Work::none) return {};
    if (then_at < first_at) {
      return Fault::infeasible(fmt::format("rank {} runs {} before {}", work.rank,
                                           named(then, chunk, i), named(first, chunk, i)));
    }
    const auto& actions = schedule_.ranks[static_cast<std::size_t>(work.rank)];
    if (!actions[static_cast<std::size_t>(first_at)].overlaps_next || then_at != first_at + 1) {
      return {};
    }
    return Fault::infeasible(fmt::format("rank {} overlaps {} with {}, which needs its end",
                                         work.rank, named(first, chunk, i), named(then, chunk, i)));
  }

  Result<void> check_follows(int stage, int chunk, int i, int lane_size) const {
    Work before = table_[stages_.cell(stage, i - 1)];
    Work work = table_[stages_.cell(stage, i)];
    if (before.rank != work.rank) {
      return Fault::infeasible(fmt::format(
          "rank {} computes micro-batch {} of stage {} and rank {} micro-batch {}, must be one "
          "rank: they are of one lane of {}",
          before.rank, i - 1, stage, work.rank, i, lane_size));
    }
    const auto weight_of = [](const Work& of) {
      return of.is_fused() ? ActionKind::backward : ActionKind::backward_weight;
    };
    if (before.at(weight_of(before)) < work.at(weight_of(work))) return {};
    return Fault::infeasible(fmt::format(
        "rank {} runs {} before {}: weight gradients of a lane of {} go in index order", work.rank,
        named(weight_of(work), chunk, i), named(weight_of(before), chunk, i - 1), lane_size));
  }

  const Schedule& schedule_;
  const StageTable& stages_;
  const std::vector<Work>& table_;
};

}  // namespace

Result<std::vector<Firing>> validate(const Schedule& schedule, const ValidationOptions& options) {
  PLANARIA_TRY_VOID(check_shape(schedule, options));
  const StageTable stages(schedule);
  PLANARIA_TRY(table, work_table(schedule, stages));
  const CellJudge judge(schedule, stages, table);
  PLANARIA_TRY_VOID(judge.check_all());
  PLANARIA_TRY_VOID(judge.check_lanes(options.lane_size));
  return firing_order(schedule, stages, table, options.sends_in_flight);
}

}  // namespace planaria
