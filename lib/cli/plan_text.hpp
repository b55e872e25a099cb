// cli/plan_text.hpp: a plan as people read it. Private.
#pragma once

#include <string>

#include <planaria/planner/best_plan.hpp>

namespace planaria::cli {

/// What was found, for what, and in what time.
struct PlanFound {
  Profile profile;
  Cluster cluster;
  BestPlan best;
  double search_ms = 0;
};

/// Returns lines: the answer first, then pipelines, alike ones together, then who shadows and who
/// is idle; with `explain` the other families.
[[nodiscard]] std::string text_of(const PlanFound& found, bool explain);

}  // namespace planaria::cli
