// planner/plan_kinds.hpp: a plan's pipelines, those that are alike together. Private to planner.
#pragma once

#include <cstddef>
#include <cstdint>
#include <vector>

#include <planaria/base/ids.hpp>
#include <planaria/base/result.hpp>
#include <planaria/planner/plan.hpp>
#include <planaria/schedule/actions.hpp>

#include "planner/checked_plan.hpp"
#include "planner/pipeline_times.hpp"

namespace planaria {

/// What a worker holds at most, and what it has.
struct HeldBytes {
  std::int64_t state_bytes = 0;     // parameters and the optimizer's
  std::int64_t gradient_bytes = 0;  // as many partial sums as there may be
  std::int64_t working_bytes = 0;   // activations and what else is there at the peak
  std::int64_t shadow_bytes = 0;
  std::int64_t memory_bytes = 0;  // the worker's
  [[nodiscard]] std::int64_t all_bytes() const {
    return state_bytes + gradient_bytes + working_bytes + shadow_bytes;
  }
};

/// One rank of all pipelines of a kind.
struct KindRank {
  std::vector<std::size_t> stages;  // ascending; several where the schedule has chunks
  std::vector<WorkerId> workers;    // [pipeline of the kind]
  HeldBytes held;                   // each of them
};

/// Pipelines that differ in nothing but their workers' ids.
struct PipelineKind {
  std::vector<std::size_t> pipelines;  // ascending
  int micro_batches = 0;
  std::vector<StageDraft> stages;  // the first pipeline's
  std::vector<KindRank> ranks;
  double computes_ms = 0;  // till the end of its last action
};

/// Returns the kinds, in the order of their first pipelines. Faults as cost_of(). O(actions of one
/// pipeline of each kind + layers x pipelines).
[[nodiscard]] Result<std::vector<PipelineKind>> kinds_of(const Plan& plan,
                                                         const CheckedPlan& checked);

}  // namespace planaria
