// What replan() may be asked, and what it asks best_plan().
#pragma once

#include <optional>

#include <planaria/base/result.hpp>
#include <planaria/planner/best_plan.hpp>
#include <planaria/planner/replan.hpp>

#include "planner/holdings.hpp"

namespace planaria {

/// Refuses what replan.hpp says.
[[nodiscard]] Result<void> check_request(const ReplanRequest& request);
/// Refuses where nobody holds a layer.
[[nodiscard]] Result<void> check_held(const Holdings& holdings);

struct AskedShape {
  std::optional<int> width;
  std::optional<int> depth;
};
/// Returns the width and depth to plan anew with, as replan.hpp says.
[[nodiscard]] AskedShape asked_shape(std::optional<int> width, std::optional<int> depth,
                                     int workers);

/// Returns what to ask best_plan() of the same workers.
[[nodiscard]] BestPlanRequest best_plan_request(const ReplanRequest& request);

}  // namespace planaria
