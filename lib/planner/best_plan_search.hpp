// planner/best_plan_search.hpp: best_plan() without its refusals. Private to planner.
#pragma once

#include <cstdint>
#include <optional>

#include <planaria/planner/best_plan.hpp>

namespace planaria {

/// What all proofs of one best_plan() take together at most: partial pipelines and plans.
inline constexpr std::int64_t exact_effort_max = 2'000'000;

/// Returns best_plan()'s answer, or nothing where nothing fits, which it does not explain; whatever
/// throughput is asked for. Requires a request that check_request() lets pass.
[[nodiscard]] Result<std::optional<BestPlan>> best_plan_if_any(const BestPlanRequest& request,
                                                               std::int64_t exact_effort);

}  // namespace planaria
