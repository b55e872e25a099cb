// schedule/degraded_dispatch.hpp: a list scheduler over all live ranks. Private.
// Is: one pass over time; a rank that is free takes the best of what is there for it, a forward
// that has arrived goes to whichever live rank of its stage takes it. Is not: a search (it is run
// with many rules, degraded.cpp).
#pragma once

#include <optional>
#include <vector>

#include "schedule/degraded_problem.hpp"

namespace planaria::degrading {

/// What a free rank prefers.
struct Rule {
  enum class First { backward, forward, in_turn };
  First first = First::backward;
  /// W comes before F while more than this many wait; W always fills time in which nothing else
  /// can run.
  int weights_kept = 0;
  /// Most micro-batches in flight by place, beside the request's own limit; empty: none.
  std::vector<int> in_flight = {};
  /// A rank stays free for a B that comes within this share of what it would do instead.
  double patience = 0;
  /// Of several chunks, the one whose stage is further behind goes first.
  bool deep_forwards = true;
  bool deep_backwards = true;
};

/// Returns orders that keep the problem's limits, or nothing where the pass comes to a standstill.
/// It never does where each rank has room for one micro-batch of each of its chunks.
[[nodiscard]] std::optional<Orders> dispatch(const Problem& problem, const Rule& rule);

}  // namespace planaria::degrading
