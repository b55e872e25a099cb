// schedule/degraded_search.hpp: small changes to a degraded schedule, one after another. Private.
// Is: local search on orders: work that delays the end moves within its rank, or its micro-batch
// to another live rank of the stage. Is not: a start from nothing (degraded_dispatch.hpp).
#pragma once

#include <cstdint>
#include <functional>

#include "schedule/degraded_bound.hpp"
#include "schedule/degraded_problem.hpp"

namespace planaria::degrading {

struct SearchOptions {
  std::uint64_t seed = 1;
  /// Ends after that many moves in a row that bettered nothing.
  std::int64_t moves_in_vain = 0;
  /// Asked before each move.
  std::function<bool()> keep_going;
};

/// Returns the best orders met, never worse than those given, which must keep the limits and end.
/// Ends early where both times are at their bounds. O(ops) a move.
[[nodiscard]] Orders searched(const Problem& problem, const Bounds& bounds, const Orders& orders,
                              const SearchOptions& options);

}  // namespace planaria::degrading
