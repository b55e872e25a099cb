// planner/pipeline_times.hpp: when one pipeline's workers have computed, and what they hold till
// then. Private to planner. Is: the schedule's exact simulation (schedule/simulate.hpp) over the
// stages' costs. Is not: what comes after compute (step_end.hpp).
#pragma once

#include <cstdint>
#include <map>
#include <string>
#include <tuple>
#include <vector>

#include <planaria/base/result.hpp>
#include <planaria/schedule/actions.hpp>
#include <planaria/schedule/memory.hpp>
#include <planaria/schedule/simulate.hpp>

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

struct PipelineTimes {
  // By stage; a rank's are the same at each of its stages.
  std::vector<double> end_ms;            // of the rank's last action
  std::vector<std::int64_t> peak_bytes;  // of all stages of the rank
};

/// What a schedule of the stages has to do with.
struct PipelineProblem {
  std::vector<StageCosts> costs;        // [stage]; a backward takes its forward too where recomputed
  std::vector<StageMemory> memory;      // [stage]
  std::vector<std::int64_t> standing_bytes;  // [stage]: held whatever its actions are
};
[[nodiscard]] PipelineProblem problem_of(const CostTerms& terms,
                                         const std::vector<StageDraft>& stages, int lanes);

/// Simulates the stages by `schedule`, whose micro-batches are in so many lanes. Requires as many
/// stages as the schedule has, in chunks the same worker in all of a rank's. Faults as simulate().
[[nodiscard]] Result<PipelineTimes> pipeline_times(const CostTerms& terms,
                                                   const std::vector<StageDraft>& stages,
                                                   const Schedule& schedule, int lanes);

/// Builds schedules, each once.
class ScheduleShelf {
 public:
  /// Returns build_schedule()'s, which stays where it is as long as the shelf, or null where that
  /// kind has no such shape.
  [[nodiscard]] const Schedule* get(const std::string& kind, int ranks, int micro_batches);

 private:
  std::map<std::tuple<std::string, int, int>, Schedule> built_;
};

}  // namespace planaria
