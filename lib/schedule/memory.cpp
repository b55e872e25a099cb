#include <planaria/schedule/memory.hpp>

#include <algorithm>

#include <planaria/base/check.hpp>

namespace planaria {
namespace {

/// What an action adds at its start and gives back at its end.
struct Change {
  std::int64_t at_start = 0;
  std::int64_t at_end = 0;
};

Change change_of(ActionKind kind, bool recomputed, const StageMemory& memory) {
  const std::int64_t kept =
      memory.activation_bytes + (recomputed ? memory.boundary_bytes : std::int64_t{0});
  switch (kind) {
    case ActionKind::forward:
      return {recomputed ? memory.boundary_bytes : memory.activation_bytes, 0};
    case ActionKind::recompute:
      return {memory.activation_bytes, 0};
    case ActionKind::backward_input:
      return {0, memory.weight_gradient_bytes - kept};
    case ActionKind::backward_weight:
      return {0, -memory.weight_gradient_bytes};
    case ActionKind::backward:
      return {0, -kept};
  }
  check_failed("an action of no known kind", "");
}

}  // namespace

std::vector<RankMemory> memory_of(const Schedule& schedule,
                                  const std::vector<StageMemory>& memory) {
  check_equal(memory.size(), static_cast<std::size_t>(schedule.stages()), "a memory a stage");
  const auto micro_batches = static_cast<std::size_t>(schedule.micro_batches);
  std::vector<RankMemory> ranks(schedule.ranks.size());
  std::vector<bool> recomputed;
  for (std::size_t rank = 0; rank < ranks.size(); ++rank) {
    const auto& actions = schedule.ranks[rank];
    const auto cell = [&](const Action& action) {
      return (static_cast<std::size_t>(action.chunk) * micro_batches) +
             static_cast<std::size_t>(action.micro_batch);
    };
    recomputed.assign(static_cast<std::size_t>(schedule.chunks) * micro_batches, false);
    for (const Action& action : actions) {
      if (action.kind == ActionKind::recompute) recomputed[cell(action)] = true;
    }
    std::int64_t held = 0;
    for (std::size_t at = 0; at < actions.size(); at += parts_at(actions, at)) {
      std::int64_t at_end = 0;
      for (std::size_t part = at; part < at + parts_at(actions, at); ++part) {
        const int stage = schedule.stage_of(static_cast<int>(rank), actions[part].chunk);
        const Change change = change_of(actions[part].kind, recomputed[cell(actions[part])],
                                        memory[static_cast<std::size_t>(stage)]);
        held += change.at_start;
        at_end += change.at_end;
      }
      ranks[rank].during_bytes.resize(at + parts_at(actions, at), held);
      ranks[rank].peak_bytes = std::max(ranks[rank].peak_bytes, held);
      held += at_end;
      ranks[rank].after_bytes.resize(at + parts_at(actions, at), held);
      // What W still needs may be more than what B gave back.
      ranks[rank].peak_bytes = std::max(ranks[rank].peak_bytes, held);
    }
  }
  return ranks;
}

}  // namespace planaria
