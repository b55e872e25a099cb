// schedule/degraded_bound.hpp: what no degraded schedule can beat. Private.
#pragma once

#include "schedule/degraded_problem.hpp"

namespace planaria::degrading {

struct Bounds {
  double makespan_ms = 0;
  double period_ms = 0;
};

/// Returns proven lower bounds over all routings and orders, from each place alone: when its first
/// work can come, how much of it a rank has, how long it must stand idle between its first F and
/// first B (their distance less the forwards that may be in flight), and the way back to stage 0.
/// O(p m D).
[[nodiscard]] Bounds bounds_of(const Problem& problem);

}  // namespace planaria::degrading
