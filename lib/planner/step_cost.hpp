// What a step costs: the one rule, for plans made anew and for those repaired.
#pragma once

#include <vector>

#include <planaria/model/lanes.hpp>
#include <planaria/model/layout.hpp>

namespace planaria {

/// What the cost of a pipeline's step depends on, but for its share.
struct PipelineForm {
  int depth = 1;
  double bottleneck = 0;  // the cost of its largest stage
};

/// Returns (share of micro-batches + depth - 1) x bottleneck.
[[nodiscard]] double pipeline_cost(int micro_batches, const PipelineForm& form);

/// Returns depth and bottleneck; a stage's sum is added left to right, as everywhere.
[[nodiscard]] PipelineForm form_of(const std::vector<StageAssignment>& stages,
                                   const std::vector<double>& layer_costs);

struct Sharing {
  std::vector<int> micro_batches;  // by pipeline
  double step_cost = 0;            // the most over the pipelines
};

/// Shares whole lanes out, at least one each, so that the step costs least. Requires 1 to `lanes`
/// pipelines. O(lanes log pipelines).
[[nodiscard]] Sharing share_out(const LaneTree& tree, const std::vector<PipelineForm>& pipelines);

}  // namespace planaria
