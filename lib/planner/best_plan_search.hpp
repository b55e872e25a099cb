// planner/best_plan_search.hpp: best_plan() without its refusals. Private to planner.
#pragma once

#include <optional>

#include <planaria/planner/best_plan.hpp>

namespace planaria {

/// Returns best_plan()'s answer, or nothing where nothing fits, which it does not explain; whatever
/// throughput is asked for. Requires a request that check_request() lets pass.
[[nodiscard]] Result<std::optional<BestPlan>> best_plan_if_any(const BestPlanRequest& request);

}  // namespace planaria
