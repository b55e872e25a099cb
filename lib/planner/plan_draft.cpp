#include "planner/plan_draft.hpp"

#include <algorithm>

#include "planner/step_end.hpp"

namespace planaria {

double step_ms_of(const CostTerms& terms, const PlanDraft& draft,
                  const std::vector<const PipelineTimes*>& times) {
  StepDraft step;
  step.width = draft.pipelines.size();
  step.holders.resize(static_cast<std::size_t>(terms.layers()) * step.width);
  step.computed_ms.assign(static_cast<std::size_t>(terms.workers()), -1);
  for (std::size_t i = 0; i < draft.pipelines.size(); ++i) {
    const auto& stages = draft.pipelines[i].stages;
    for (std::size_t stage = 0; stage < stages.size(); ++stage) {
      const int worker = stages[stage].worker;
      for (int layer = stages[stage].first; layer <= stages[stage].last; ++layer) {
        step.holders[(static_cast<std::size_t>(layer) * step.width) + i] = worker;
      }
      step.computed_ms[static_cast<std::size_t>(worker)] = times[i]->end_ms[stage];
    }
  }
  step.shadows = draft.shadows;
  return step_end_ms(terms, step);
}

std::int64_t shadow_bytes(const CostTerms& terms, const PlanDraft& draft, int worker) {
  std::int64_t bytes = 0;
  for (std::size_t layer = 0; layer < draft.shadows.size(); ++layer) {
    if (std::ranges::find(draft.shadows[layer], worker) == draft.shadows[layer].end()) continue;
    bytes += terms.layer(static_cast<int>(layer)).shadow_bytes();
  }
  return bytes;
}

int survives(const CostTerms& terms, const PlanDraft& draft) {
  const int width = static_cast<int>(draft.pipelines.size());
  if (draft.shadows.empty()) return width - 1;
  int fewest = width + terms.workers();
  for (const auto& shadows : draft.shadows) {
    fewest = std::min(fewest, width + static_cast<int>(shadows.size()));
  }
  return fewest - 1;
}

}  // namespace planaria
