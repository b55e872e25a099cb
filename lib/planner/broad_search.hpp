// planner/broad_search.hpp: good plans for any number of workers, quickly. Private to planner.
// Is: every width with its workers spread evenly, and mixtures of depths, the most promising first;
// then moves of cuts, lanes and workers, each priced exactly. Is not: proven (exact_search.hpp).
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "planner/layer_sums.hpp"
#include "planner/plan_draft.hpp"
#include "planner/plan_evaluator.hpp"

namespace planaria {

/// What every plan of a search keeps to.
struct SearchLimits {
  int micro_batches = 1;
  std::vector<int> lane_sizes;         // the first is preferred
  std::vector<std::string> schedules;  // names that build_schedule() knows
  Recompute recompute = Recompute::never;
  std::optional<int> width;
  std::optional<int> depth;
  int width_least = 1;
};

struct FoundPlan {
  PlanDraft draft;
  double step_ms = 0;
};

/// What became of one family (a schedule, a width).
struct FamilyResult {
  std::string schedule;
  int width = 0;
  int workers = 0;
  std::optional<double> step_ms;  // the best that was priced
  /// About what is left untried takes at least; nothing: nothing is, so without step_ms it does not
  /// fit.
  std::optional<double> untried_ms;
};

/// What is searched, and with what.
struct SearchTools {
  const CostTerms& terms;
  const LayerSums& sums;
  PlanEvaluator& evaluator;
};

/// Returns the best plan found that takes less than `below_ms`, or nothing. Appends to `families`
/// what was priced.
[[nodiscard]] std::optional<FoundPlan> broad_search(const SearchTools& tools,
                                                    const SearchLimits& limits, double below_ms,
                                                    std::vector<FamilyResult>& families);

}  // namespace planaria
