// schedule/automatic_greedy.hpp: an order made in one go under memory limits. Private.
// Is: the greedy of Qi et al. (2023, "Zero Bubble Pipeline Parallelism", section 3.1), for uneven
// stages and any limit that holds one micro-batch.
#pragma once

#include <vector>

#include "schedule/automatic_order.hpp"

namespace planaria {

/// The authors try all eight.
struct GreedyFlags {
  /// A rank waits for its first gradient rather than start an F that ends after it comes.
  bool wait_for_first = false;
  /// An F is put off where the rank behind has enough of them.
  bool prefer_inputs = false;
  /// A W that is longer than the gap it goes into is run there even by a rank that has waited less
  /// than others.
  bool fill_greedily = false;
};

/// Returns an order that fits the limits and plays to its end. O(p m).
[[nodiscard]] Order greedy_order(const std::vector<StageTerms>& terms, int micro_batches,
                                 GreedyFlags flags);

}  // namespace planaria
