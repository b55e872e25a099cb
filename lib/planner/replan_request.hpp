// What replan() may be asked, and what it asks plan().
#pragma once

#include <vector>

#include <planaria/base/result.hpp>
#include <planaria/planner/planner.hpp>
#include <planaria/planner/replan.hpp>

#include "planner/holdings.hpp"

namespace planaria {

/// Refuses what replan.hpp says, but for what plan() refuses.
[[nodiscard]] Result<void> check_request(const ReplanRequest& request);
/// Refuses where nobody holds a layer.
[[nodiscard]] Result<void> check_held(const Holdings& holdings);

/// Returns the plans to ask for: width and depth as far as there are workers for them.
[[nodiscard]] std::vector<PlanRequest> plan_requests(const ReplanRequest& request);

}  // namespace planaria
