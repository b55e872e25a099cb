// planner/plan_request.hpp: what best_plan() may be asked, and what would be enough where nothing
// fits. Private to planner.
#pragma once

#include <functional>
#include <string>

#include <planaria/base/result.hpp>
#include <planaria/planner/best_plan.hpp>

namespace planaria {

/// Refuses what best_plan.hpp says cannot be asked.
[[nodiscard]] Result<void> check_request(const BestPlanRequest& request);

/// Returns a sentence: why nothing fits, and the smallest changes of what was asked that would make
/// something fit, each by itself: other options first, then memory, then workers. `fits` answers
/// such a question.
[[nodiscard]] std::string least_change(const BestPlanRequest& request,
                                       const std::function<bool(const BestPlanRequest&)>& fits);

}  // namespace planaria
