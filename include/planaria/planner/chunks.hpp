// planner/chunks.hpp: layouts for schedules that give a worker several stages. Floor 3, pure.
// Is: a finer cut of pipelines with one stage a worker, and how the workers of a pipeline stand. Is
// not: a search: best_plan() cuts for a schedule's chunks by itself, this is for schedules that no
// name has.
#pragma once

#include <optional>
#include <vector>

#include <planaria/model/layout.hpp>
#include <planaria/schedule/actions.hpp>

namespace planaria {

/// How a schedule places the stages of a pipeline on its workers.
struct ChunkForm {
  Placement placement = Placement::single;
  int chunks = 1;  // stages of each worker
  friend bool operator==(const ChunkForm&, const ChunkForm&) = default;
};

/// Splits layers into `stages` contiguous ranges so that the largest sum of costs is least; of
/// equals the one whose sums are lexicographically least. Exact, dynamic programming, O(L^2 S).
/// Requires 1 <= stages <= layers.
[[nodiscard]] std::vector<LayerRange> balance(const std::vector<double>& layer_costs, int stages);

/// Cuts every pipeline of `layout`, with one stage a worker, into `form.chunks` stages a worker,
/// balanced by cost, and places them as the schedule does: the worker of stage r is rank r. Layers
/// may be too few for that: such a pipeline stays as it is. Shadows are dropped.
[[nodiscard]] Layout in_chunks(const Layout& layout, const std::vector<double>& layer_costs,
                               const ChunkForm& form);
/// Returns whether the pipeline's workers have the stages that `form` gives them.
[[nodiscard]] bool stands_as(const PipelineAssignment& pipeline, const ChunkForm& form);
/// Returns the form in which the pipeline's workers stand, or nothing where they stand in none; of
/// several (all on one worker) the first of single, v, loop.
[[nodiscard]] std::optional<ChunkForm> form_of(const PipelineAssignment& pipeline);
/// Returns how many stages each worker of a pipeline has, where all have equally many; else 0.
[[nodiscard]] int chunks_in(const PipelineAssignment& pipeline);

}  // namespace planaria
