// planner/step_end.hpp: from the end of compute to the end of the step. Private to planner.
// Is: reductions, shadows and optimizers of the cost model, the one place where they are priced.
#pragma once

#include <cstddef>
#include <span>
#include <vector>

#include "planner/cost_terms.hpp"
#include "planner/pipeline_times.hpp"

namespace planaria {

/// Who holds what when the step's compute has ended.
struct StepDraft {
  std::size_t width = 1;
  std::vector<int> holders;               // [layer x width + pipeline]: who computes it there
  std::vector<std::vector<int>> shadows;  // [layer], ascending; empty: nobody shadows any
  std::vector<double> computed_ms;        // [worker]; below 0: it does not compute
};

/// Returns when the step's last active worker has run its optimizer. O(layers x holders), with
/// links times their logarithm.
[[nodiscard]] double step_end_ms(const CostTerms& terms, const StepDraft& step);

}  // namespace planaria
