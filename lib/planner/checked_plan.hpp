// planner/checked_plan.hpp: a plan that anybody may have made, by indices. Private to planner.
#pragma once

#include <cstddef>

#include <planaria/base/result.hpp>
#include <planaria/planner/plan.hpp>
#include <planaria/schedule/actions.hpp>

#include "planner/cost_terms.hpp"
#include "planner/plan_draft.hpp"

namespace planaria {

struct CheckedPlan {
  CostTerms terms;
  PlanDraft draft;
};

/// invalid_input names what does not fit the profile or the cluster; pipelines have workers of
/// their own.
[[nodiscard]] Result<CheckedPlan> checked(const Plan& plan, const Profile& profile,
                                          const Cluster& cluster);

/// Returns the schedule of pipeline `index` of a checked plan. invalid_input where there is none of
/// that name and form.
[[nodiscard]] Result<Schedule> schedule_of(const Plan& plan, std::size_t index);

}  // namespace planaria
