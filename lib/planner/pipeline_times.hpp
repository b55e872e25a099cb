// planner/pipeline_times.hpp: when one pipeline's workers have computed, and what they hold till
// then. Private to planner. Is: the schedule's exact simulation (schedule/simulate.hpp) over the
// stages' costs. Is not: what comes after compute (step_end.hpp).
#pragma once

#include <cstdint>
#include <vector>

#include <planaria/base/result.hpp>
#include <planaria/schedule/actions.hpp>
#include <planaria/schedule/memory.hpp>
#include <planaria/schedule/simulate.hpp>

#include <planaria/planner/stage_work.hpp>

#include "planner/cost_terms.hpp"

namespace planaria {

/// A stage to be priced: layers [first, last] on a worker, by index.
struct StageDraft {
  int first = 0;
  int last = 0;
  int worker = 0;
  bool recompute = false;
  friend auto operator<=>(const StageDraft&, const StageDraft&) = default;
};

/// By stage; a rank's are the same at each of its stages.
struct PipelineTimes {
  std::vector<double> end_ms;            // of the rank's last action
  std::vector<std::int64_t> peak_bytes;  // of all stages of the rank
};

/// What the stage's actions take and hold, as if it did not recompute. O(layers of the stage).
[[nodiscard]] StageWork stage_work_of(const CostTerms& terms, const std::vector<StageDraft>& stages,
                                      std::size_t index);

/// What a schedule of the stages has to do with.
struct PipelineProblem {
  std::vector<StageCosts> costs;    // [stage]; a backward takes its forward too where recomputed
  std::vector<StageMemory> memory;  // [stage]
  std::vector<std::int64_t> standing_bytes;  // [stage]: held whatever its actions are
};
[[nodiscard]] PipelineProblem problem_of(const CostTerms& terms,
                                         const std::vector<StageDraft>& stages, int lanes);

/// Returns what each stage's rank holds at most; equal at all stages of a rank. Requires as many
/// stages as the schedule has. O(actions).
[[nodiscard]] std::vector<std::int64_t> peak_bytes_of(const PipelineProblem& problem,
                                                      const Schedule& schedule);

/// Returns when each stage's rank has ended its last action. Requires as above; faults as
/// simulate().
[[nodiscard]] Result<std::vector<double>> end_ms_of(const PipelineProblem& problem,
                                                    const Schedule& schedule);

}  // namespace planaria
