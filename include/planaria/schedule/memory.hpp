// schedule/memory.hpp: what a rank holds while it runs its actions. Floor 2, pure.
// Is: activations and what weight gradients still need, from a rank's order alone: a rank runs one
// action at a time, so when it does so does not matter. Is not: parameters, optimizer state and
// gradients (planner).
#pragma once

#include <cstdint>
#include <vector>

#include <planaria/schedule/actions.hpp>

namespace planaria {

/// What one micro-batch of a stage holds (of one chunk, where a rank has several).
struct StageMemory {
  std::int64_t activation_bytes = 0;       // from the start of F to the end of B or G
  std::int64_t weight_gradient_bytes = 0;  // from the end of B to the end of W
  /// Of a micro-batch with an R: from the start of F to the end of its backward, which holds
  /// activation_bytes only from the start of R.
  std::int64_t boundary_bytes = 0;
  friend bool operator==(const StageMemory&, const StageMemory&) = default;
};

struct RankMemory {
  std::int64_t peak_bytes = 0;
  std::vector<std::int64_t> during_bytes;  // [position]: held while that action runs
  std::vector<std::int64_t> after_bytes;   // [position]: held from its end on
};

/// Returns what each rank holds, by `memory` of each stage. Requires actions of the schedule's
/// chunks and micro-batches, and a stage's memory for each stage. O(actions).
[[nodiscard]] std::vector<RankMemory> memory_of(const Schedule& schedule,
                                                const std::vector<StageMemory>& memory);

}  // namespace planaria
