// planner/what_if.hpp: what other memory and other links would change. Private to planner.
#pragma once

#include <string>
#include <vector>

#include <planaria/planner/best_plan.hpp>

namespace planaria {

/// Returns sentences about the plan that would be best if workers had memory without limit (and how
/// much of it that plan would use), and if transfers took half their time or none. What would not
/// change the step is said too. Three searches by named schedules.
[[nodiscard]] std::vector<std::string> what_if(const BestPlanRequest& request, const Plan& plan);

}  // namespace planaria
