#include "planner/step_cost.hpp"

#include <algorithm>
#include <functional>
#include <queue>
#include <utility>

#include <planaria/base/check.hpp>

namespace planaria {

double pipeline_cost(int micro_batches, const PipelineForm& form) {
  return (micro_batches + form.depth - 1) * form.bottleneck;
}

PipelineForm form_of(const std::vector<StageAssignment>& stages,
                     const std::vector<double>& layer_costs) {
  PipelineForm form{.depth = static_cast<int>(stages.size())};
  for (const StageAssignment& stage : stages) {
    double sum = 0;
    for (LayerId layer = stage.layers.first; layer <= stage.layers.last; layer = layer.next()) {
      sum += layer_costs[static_cast<std::size_t>(layer.value)];
    }
    form.bottleneck = std::max(form.bottleneck, sum);
  }
  return form;
}

// Gives lane after lane to the pipeline that is then done first. Costs grow with the share, so this
// makes the largest as small as it can be. The last lane, which may be shorter, is the last
// pipeline's.
Sharing share_out(const LaneTree& tree, const std::vector<PipelineForm>& pipelines) {
  const std::size_t width = pipelines.size();
  check(width >= 1 && width <= static_cast<std::size_t>(tree.lanes()),
        "every pipeline has at least one lane");
  const int lane_size = tree.lane_size();
  Sharing sharing{.micro_batches = std::vector<int>(width, lane_size)};
  sharing.micro_batches.back() = tree.micro_batches_of(LaneId{tree.lanes() - 1}).size();
  using Next = std::pair<double, std::size_t>;  // cost with one more lane, pipeline
  std::priority_queue<Next, std::vector<Next>, std::greater<>> next;
  for (std::size_t i = 0; i < width; ++i) {
    const int share = sharing.micro_batches[i];
    sharing.step_cost = std::max(sharing.step_cost, pipeline_cost(share, pipelines[i]));
    next.emplace(pipeline_cost(share + lane_size, pipelines[i]), i);
  }
  for (int left = tree.lanes() - static_cast<int>(width); left > 0; --left) {
    const auto [cost, i] = next.top();
    next.pop();
    sharing.micro_batches[i] += lane_size;
    sharing.step_cost = std::max(sharing.step_cost, cost);
    next.emplace(pipeline_cost(sharing.micro_batches[i] + lane_size, pipelines[i]), i);
  }
  return sharing;
}

}  // namespace planaria
