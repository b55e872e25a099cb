// planner/templates.hpp: the best pipeline for each number of nodes (Oobleck's templates). Floor 3,
// pure. Any thread.
// Is: an exact partition of layers into one stage a node, for every size asked for. Is not: a
// choice of how many pipelines of which size, nor of workers, and it knows neither memory nor
// transfers.
#pragma once

#include <vector>

#include <planaria/base/result.hpp>
#include <planaria/model/layout.hpp>

namespace planaria {

/// A pipeline of `nodes` stages over all layers. T_k is the time of stage k, k* the first of the
/// slowest stages. A sum over stages is the sum of their layers from left to right, as T_k itself.
struct PipelineTemplate {
  int nodes = 0;
  std::vector<LayerRange> stages;  // one for each node
  double t1_ms = 0;                // fill: the sum of T_k over all k
  double t2_ms = 0;                // steady state: (2 x nodes + k* + 1) x T_k*
  double t3_ms = 0;                // drain: the sum of T_k over k >= k*
  double total_ms = 0;             // t1 + t2 + t3
  int slowest = 0;                 // k*, from 0
  double slowest_ms = 0;           // T_k*
  friend bool operator==(const PipelineTemplate&, const PipelineTemplate&) = default;
};

/// Returns for every number of nodes from `nodes_min` to `nodes_max`, ascending, the template whose
/// total_ms is least (Jang et al., Oobleck, SOSP 2023). Exact, to the last bit of these sums. Of
/// equals: the least T_k*, then the least k*, then the one whose stage k* begins first, then ends
/// first; then the stages before it and, after them, those behind it are as balanced as can be (the
/// slowest least), then cut as early as can be. `layer_ms` has one time for each layer, a
/// micro-batch forward and backward. invalid_input: "layer_ms[3]: nan, must be a finite number from
/// 0", "nodes_max: 9, must be at most 6, the number of layers". At most 4096 layers, whose times
/// sum to 1e300 at most. O(L^2) once and O(L^2) for each size; memory O(L^2).
[[nodiscard]] Result<std::vector<PipelineTemplate>> pipeline_templates(
    const std::vector<double>& layer_ms, int nodes_min, int nodes_max);

}  // namespace planaria
