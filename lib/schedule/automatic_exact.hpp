// schedule/automatic_exact.hpp: the best order, proven, or where that is too much the best of a
// beam. Private.
#pragma once

#include <functional>
#include <optional>
#include <vector>

#include "schedule/automatic_order.hpp"

namespace planaria {

/// Whether best_order() answers in well under a second when it keeps everything.
[[nodiscard]] bool small_enough(std::size_t stages, int micro_batches);

/// What best_order() makes small: the greatest, over ranks, of end + offset.
struct ExactObjective {
  std::vector<double> offset_ms;  // [rank]
  double deadline_ms = 0;         // no rank may end later
  double known = 0;               // a value that is had already: only less is looked for
};

/// How much it keeps.
struct Beam {
  /// Partial orders kept of all that have run as many actions; 0: all that may be the best.
  std::size_t width = 0;
  /// Asked before each is gone on from; false ends it without an answer. Empty: always true.
  std::function<bool()> keep_going = {};
};

struct ExactAnswer {
  /// An order whose value is less than the known one by more than rounding; with a beam not always
  /// the least.
  std::optional<Order> order;
  /// No order's value is less; the order's, or the known one, where nothing was left out. Minus
  /// infinity where it was ended.
  double bound = 0;
};

[[nodiscard]] ExactAnswer best_order(const std::vector<StageTerms>& terms, int micro_batches,
                                     const ExactObjective& objective, const Beam& beam = {});

}  // namespace planaria
