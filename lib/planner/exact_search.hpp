// planner/exact_search.hpp: proof that no plan is better, or the best. Private to planner.
// Is: every set of pipelines over every choice of workers, every cut and every share of lanes, by
// branch and bound. Is not: for many uneven layers or many different workers (it gives up, and says
// so), nor for shadows or schedules in chunks.
#pragma once

#include <cstdint>
#include <optional>
#include <string>

#include "planner/broad_search.hpp"

namespace planaria {

/// One family of plans; the rest is as in SearchLimits.
struct ExactRequest {
  std::string schedule;  // in one chunk
  int lane_size = 1;
  double below_ms = 0;  // only plans that take less are of interest
  std::int64_t effort_max = 0;
};

struct ExactAnswer {
  bool complete = false;          // nothing takes less than `best`, or than below_ms
  std::optional<FoundPlan> best;  // takes less than below_ms
  std::int64_t effort = 0;        // partial plans
};

/// Searches. A pipeline that alone takes below_ms or more, by a bound on its steady phase, is left
/// out at once; those left are put together as long as what the remaining workers can take at most
/// suffices for the remaining lanes.
[[nodiscard]] ExactAnswer exact_search(const SearchTools& tools, const SearchLimits& limits,
                                       const ExactRequest& request);

}  // namespace planaria
