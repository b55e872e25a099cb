// planner/automatic_orders.hpp: a plan's pipelines by schedules searched for their own costs.
// Private to planner.
#pragma once

#include <functional>
#include <optional>
#include <vector>

#include "planner/broad_search.hpp"

namespace planaria {

/// A plan whose pipelines each have a schedule of their own.
struct OrderedPlan {
  FoundPlan plan;                    // schedule "auto"
  std::vector<Schedule> schedules;   // [pipeline]
  std::vector<PipelineTimes> times;  // [pipeline]
};

/// Searches a schedule (schedule/automatic.hpp) for each different pipeline of `plan`, whose cuts,
/// shares and recompute stay; where none found ends the step sooner, the plan's own, written out.
/// `keep_going` is asked with the part of all its time that may have been used by then. Requires a
/// plan in one chunk.
[[nodiscard]] OrderedPlan automatic_orders(const SearchTools& tools, const FoundPlan& plan,
                                           const std::function<bool(double)>& keep_going);

}  // namespace planaria
