// planner/plan_evaluator.hpp: what a draft takes, with each different pipeline simulated once.
// Private to planner.
#pragma once

#include <cstdint>
#include <map>
#include <optional>
#include <string>
#include <vector>

#include <planaria/planner/best_plan.hpp>

#include "planner/cost_terms.hpp"
#include "planner/layer_sums.hpp"
#include "planner/pipeline_times.hpp"
#include "planner/plan_draft.hpp"
#include "planner/schedule_shelf.hpp"

namespace planaria {

class PlanEvaluator {
 public:
  /// `terms` and their sums must outlive the evaluator.
  PlanEvaluator(const CostTerms& terms, const LayerSums& sums, Recompute recompute);

  /// Returns the draft's step_ms, or nothing where it does not fit memory or a pipeline has no such
  /// schedule. Sets which stages recompute. Reads shadows for memory and price.
  [[nodiscard]] std::optional<double> step_ms(PlanDraft& draft);

  /// Returns one pipeline's times, or null as step_ms(). Sets which stages recompute. What is
  /// returned stays where it is as long as the evaluator.
  [[nodiscard]] const PipelineTimes* times(const std::string& schedule, int lane_size,
                                           const std::vector<std::int64_t>& shadow_bytes,
                                           PipelineDraft& pipeline);
  /// Whether the pipeline's stages have the memory that its schedule needs, or would need if there
  /// were one of its shape; recomputing as asked. In one chunk, nothing shadowed.
  [[nodiscard]] bool fits_memory(const std::string& schedule, int lane_size,
                                 const PipelineDraft& pipeline);
  /// What every worker has left when it shadows nothing.
  [[nodiscard]] const std::vector<std::int64_t>& no_shadows() const { return no_shadows_; }

  [[nodiscard]] ScheduleShelf& shelf() { return shelf_; }

  /// Pipelines simulated so far.
  [[nodiscard]] std::int64_t simulated() const { return simulated_; }
  /// Actions of those.
  [[nodiscard]] std::int64_t actions() const { return actions_; }

 private:
  struct Entry {
    bool fits = false;
    PipelineTimes times;
    std::vector<bool> recompute;  // [stage]
  };
  using Key = std::vector<std::int64_t>;

  [[nodiscard]] Key key_of(const std::string& schedule, int lanes,
                           const std::vector<std::int64_t>& shadow_bytes,
                           const PipelineDraft& pipeline);
  /// When each stage ends, or null where the schedule cannot run.
  [[nodiscard]] const std::vector<double>* ends_ms(const std::string& schedule,
                                                   const std::vector<StageDraft>& stages,
                                                   const PipelineProblem& problem,
                                                   const Schedule& built);
  [[nodiscard]] Entry simulate(const std::string& schedule, int lanes,
                               const std::vector<std::int64_t>& shadow_bytes,
                               const PipelineDraft& pipeline);
  [[nodiscard]] std::vector<std::int64_t> peak_bytes(const PipelineProblem& problem,
                                                     const std::string& schedule,
                                                     const Schedule& built);
  [[nodiscard]] static std::vector<std::int64_t> peak_bytes(const PipelineProblem& problem,
                                                            const std::vector<HeldMost>& held);

  const CostTerms& terms_;
  const LayerSums& sums_;
  Recompute recompute_;
  std::vector<std::int64_t> kind_of_;  // [worker]: equal for workers that are alike
  std::vector<std::int64_t> no_shadows_;
  std::map<std::string, std::int64_t> schedules_;
  std::map<Key, Entry> entries_;
  std::map<Key, std::vector<double>> ends_ms_;
  ScheduleShelf shelf_;
  std::int64_t simulated_ = 0;
  std::int64_t actions_ = 0;
};

/// Returns for each worker a number that it shares with all that are alike: in speed, memory and,
/// where there are links, zone and host.
[[nodiscard]] std::vector<std::int64_t> worker_kinds(const CostTerms& terms);

}  // namespace planaria
