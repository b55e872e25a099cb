// schedule/automatic_list.hpp: an order made by the clock: whatever can run first does. Private.
#pragma once

#include <vector>

#include "schedule/automatic_order.hpp"

namespace planaria {

/// What a free rank takes: a B that is there, else an F that fits, else a W.
struct ListRule {
  int in_flight = 1;  // at so many it takes no F; memory may forbid it before
  int pending = 1;    // with so many B's without W, a W goes before an F
  /// A W is not begun where an input is known to come within this part of its time.
  double look_ahead = 0;
  /// An F that is there goes before a B that is.
  bool forwards_first = false;
};

/// Returns an order that fits the limits and plays to its end, by a rule for each rank. O(p^2 m).
[[nodiscard]] Order list_order(const std::vector<StageTerms>& terms, int micro_batches,
                               const std::vector<ListRule>& rules);

}  // namespace planaria
