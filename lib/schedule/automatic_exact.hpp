// schedule/automatic_exact.hpp: the best order of a small pipeline, proven. Private.
#pragma once

#include <optional>
#include <vector>

#include "schedule/automatic_order.hpp"

namespace planaria {

/// Whether best_order() answers in well under a second.
[[nodiscard]] bool small_enough(std::size_t stages, int micro_batches);

/// What best_order() makes small: the greatest, over ranks, of end + offset.
struct ExactObjective {
  std::vector<double> offset_ms;  // [rank]
  double deadline_ms = 0;         // no rank may end later
  double known = 0;               // a value that is had already: only less is looked for
};

/// Returns an order with the least value, if less than the known one by more than rounding.
[[nodiscard]] std::optional<Order> best_order(const std::vector<StageTerms>& terms,
                                              int micro_batches, const ExactObjective& objective);

}  // namespace planaria
