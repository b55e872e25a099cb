// What replan() may be asked, and what it asks best_plan().
#pragma once

#include <planaria/base/result.hpp>
#include <planaria/planner/best_plan.hpp>
#include <planaria/planner/replan.hpp>

#include "planner/holdings.hpp"

namespace planaria {

/// Refuses what replan.hpp says.
[[nodiscard]] Result<void> check_request(const ReplanRequest& request);
/// Refuses where nobody holds a layer.
[[nodiscard]] Result<void> check_held(const Holdings& holdings);

/// Returns what to ask best_plan() of the same workers.
[[nodiscard]] BestPlanRequest best_plan_request(const ReplanRequest& request);

}  // namespace planaria
