#include "planner/schedule_shelf.hpp"

#include <algorithm>
#include <utility>

#include <planaria/schedule/builders.hpp>

namespace planaria {

HeldMost held_most(const std::vector<Action>& actions) {
  std::vector<int> most_by_activations;  // weight gradients; -1: never so many activations
  int activations = 0;
  int weight_gradients = 0;
  const auto note = [&] {
    const auto at = static_cast<std::size_t>(activations);
    if (most_by_activations.size() <= at) most_by_activations.resize(at + 1, -1);
    most_by_activations[at] = std::max(most_by_activations[at], weight_gradients);
  };
  for (const Action& action : actions) {
    switch (action.kind) {
      case ActionKind::forward:
        ++activations;
        break;
      case ActionKind::backward_input:
        --activations;
        ++weight_gradients;
        break;
      case ActionKind::backward_weight:
        --weight_gradients;
        break;
      case ActionKind::backward:
        --activations;
        break;
      case ActionKind::recompute:
        break;
    }
    note();
  }
  HeldMost most;
  for (int held = static_cast<int>(most_by_activations.size()) - 1; held >= 0; --held) {
    const int waiting = most_by_activations[static_cast<std::size_t>(held)];
    if (waiting > (most.empty() ? -1 : most.back().weight_gradients)) {
      most.push_back({held, waiting});
    }
  }
  return most;
}

const Schedule* ScheduleShelf::schedule(const std::string& kind, int ranks, int micro_batches) {
  const std::int64_t cells = std::int64_t{ranks} * chunks_of(kind) * micro_batches;
  if (cells > pipeline_cells_max) return nullptr;
  const auto [found, is_new] = schedules_.try_emplace({kind, ranks, micro_batches});
  if (is_new) {
    auto built = build_schedule(kind, {.stages = ranks, .micro_batches = micro_batches});
    if (built) found->second = std::move(built).value();
  }
  return found->second.ranks.empty() ? nullptr : &found->second;
}

const std::vector<HeldMost>* ScheduleShelf::held(const std::string& kind, int ranks,
                                                 int micro_batches) {
  // Warm-up and what waits are bounded by twice the ranks each; GPipe's are not.
  int enough = micro_batches;
  if (kind != "gpipe" && chunks_of(kind) == 1) enough = std::min(micro_batches, (4 * ranks) + 2);
  const auto [found, is_new] = held_.try_emplace({kind, ranks, enough});
  if (is_new && kind == "gpipe") {
    found->second.assign(static_cast<std::size_t>(ranks), {{micro_batches, 0}});
  } else if (is_new) {
    if (const Schedule* const built = schedule(kind, ranks, enough)) {
      for (const auto& actions : built->ranks) found->second.push_back(held_most(actions));
    }
  }
  return found->second.empty() ? nullptr : &found->second;
}

}  // namespace planaria
