// Pipelines all alike, their layers balanced by cost.
#pragma once

#include <vector>

#include <planaria/model/layout.hpp>
#include <planaria/planner/chunks.hpp>

namespace planaria {

/// `width` pipelines of `depth` stages on workers 0, 1, ... along the pipelines; micro-batches as
/// even as can be, the first take more.
inline Layout even_layout(const std::vector<double>& layer_costs, int micro_batches, int width,
                          int depth) {
  Layout layout;
  WorkerId worker{0};
  for (int i = 0; i < width; ++i) {
    PipelineAssignment pipeline{(micro_batches + width - 1 - i) / width, {}};
    for (const LayerRange& range : balance(layer_costs, depth)) {
      pipeline.stages.push_back({range, worker});
      worker = worker.next();
    }
    layout.pipelines.push_back(pipeline);
  }
  return layout;
}

}  // namespace planaria
