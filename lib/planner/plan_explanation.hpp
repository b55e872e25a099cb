// planner/plan_explanation.hpp: why this plan. Private to planner.
#pragma once

#include <string>
#include <vector>

#include <planaria/planner/plan.hpp>

#include "planner/broad_search.hpp"

namespace planaria {

/// One micro-batch size's families.
struct SizeFamilies {
  int micro_batch_size = 1;
  std::vector<FamilyResult> families;
};

/// Returns a sentence for the plan, then one for each family that was not chosen, the best first:
/// what it takes, or that it does not fit; neighbouring widths of which the same is said together.
[[nodiscard]] std::vector<std::string> explanation_of(const Plan& plan,
                                                      const std::vector<SizeFamilies>& sizes,
                                                      int workers);

}  // namespace planaria
