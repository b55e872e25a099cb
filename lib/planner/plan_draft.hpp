// planner/plan_draft.hpp: a plan by indices, as the search tries it. Private to planner.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include <planaria/planner/plan.hpp>

#include "planner/cost_terms.hpp"
#include "planner/pipeline_times.hpp"

namespace planaria {

struct PipelineDraft {
  std::vector<StageDraft> stages;
  int micro_batches = 0;
  friend bool operator==(const PipelineDraft&, const PipelineDraft&) = default;
};

struct PlanDraft {
  std::string schedule;
  int lane_size = 1;
  std::vector<PipelineDraft> pipelines;
  std::vector<std::vector<int>> shadows;  // [layer]: workers ascending; empty: none at all
  friend bool operator==(const PlanDraft&, const PlanDraft&) = default;
};

/// How many lanes so many micro-batches are; the last may be shorter.
[[nodiscard]] inline int lanes_in(int micro_batches, int lane_size) {
  return (micro_batches + lane_size - 1) / lane_size;
}

/// Returns when the step ends, given each pipeline's times. Requires pipelines that share no
/// workers.
[[nodiscard]] double step_ms_of(const CostTerms& terms, const PlanDraft& draft,
                                const std::vector<const PipelineTimes*>& times);

/// Returns what `worker` holds of the layers that it shadows.
[[nodiscard]] std::int64_t shadow_bytes(const CostTerms& terms, const PlanDraft& draft, int worker);

/// Returns the fewest holders of any layer, less 1.
[[nodiscard]] int survives(const CostTerms& terms, const PlanDraft& draft);

}  // namespace planaria
