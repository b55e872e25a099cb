// planner/step_estimate.hpp: about what a step takes, without a simulation. Private to planner.
// Is: what puts the most promising plans first. Is not: a bound (plan_bound.hpp) or a price
// (plan_evaluator.hpp).
#pragma once

#include <string>
#include <vector>

#include "planner/broad_search.hpp"
#include "planner/spread.hpp"

namespace planaria {

class StepEstimate {
 public:
  /// All must outlive the estimate.
  StepEstimate(const SearchTools& tools, const SearchLimits& limits, Spreader& spreader);

  /// For `used` of the fastest workers, spread evenly over `width` pipelines: the mean pipeline's
  /// steady phase, its fill and drain, and what comes after. Infinity where the layers seem not to
  /// fit. O(layers) once for each depth, then O(layers / depth).
  [[nodiscard]] double of_even(const std::string& schedule, int width, int used);

  /// For one pipeline of so many stages in a plan of `width`; linear in its share, as long as that
  /// is near an even one.
  [[nodiscard]] double of_one(const std::string& schedule, int depth, int micro_batches, int width);

  /// For layers already cut: nearly what the step takes, but for pipelines' waiting for each other
  /// in reductions. Each pipeline's slowest stage with its fill and drain, and what comes after.
  [[nodiscard]] double of(const PlanDraft& draft) const;

 private:
  [[nodiscard]] int layers() const { return tools_.terms.layers(); }
  /// The layers evenly over stages of one speed.
  struct EvenPipeline {
    std::string schedule;
    double depth = 1;  // the mean, where pipelines differ
    int share = 1;     // of micro-batches, for which there must be memory
    int width = 1;     // of the plan
    double speed = 1;
  };
  [[nodiscard]] double of_pipeline(const EvenPipeline& pipeline, double micro_batches);
  [[nodiscard]] double slowest_stage_ms(const std::string& schedule, double depth, int share);
  [[nodiscard]] double even_round_ms(const std::string& schedule, double depth, int share,
                                     double speed) const;
  [[nodiscard]] double slowest_where_some_recompute_ms(int stages, double recomputing);
  [[nodiscard]] double recomputing_share(const std::string& schedule, double depth,
                                         int share) const;
  [[nodiscard]] bool alike(const PipelineDraft& a, const PipelineDraft& b) const;
  [[nodiscard]] double of(const PlanDraft& draft, const PipelineDraft& pipeline) const;

  const SearchTools& tools_;
  const SearchLimits& limits_;
  Spreader& spreader_;
  std::vector<double> speed_sums_{0};  // of so many of the fastest workers
  double mean_memory_bytes_ = 0;
};

}  // namespace planaria
