#include <planaria/planner/stage_work.hpp>

#include <algorithm>

#include <fmt/format.h>

#include "planner/pipeline_times.hpp"

namespace planaria {
namespace {

/// Somebody for every stage, all alike.
Cluster anybody(const PipelineAssignment& pipeline) {
  Cluster cluster;
  for (const StageAssignment& stage : pipeline.stages) {
    if (cluster.worker(stage.worker) != nullptr) continue;
    cluster.workers.push_back({.id = stage.worker});
  }
  return cluster;
}

}  // namespace

Result<std::vector<StageWork>> stage_work(const PipelineAssignment& pipeline,
                                          const Profile& profile, std::size_t size,
                                          const std::optional<Cluster>& cluster) {
  PLANARIA_TRY(terms, CostTerms::of(profile, cluster ? *cluster : anybody(pipeline), size));
  std::vector<StageDraft> drafts;
  for (std::size_t i = 0; i < pipeline.stages.size(); ++i) {
    const StageAssignment& stage = pipeline.stages[i];
    const int worker = terms.index_of(stage.worker);
    if (worker < 0) {
      return Fault::invalid_input(
          fmt::format("stages[{}].worker: {}, must be one of the cluster", i, stage.worker.value));
    }
    const LayerRange layers = stage.layers;
    if (layers.first.value < 0 || layers.last < layers.first ||
        layers.last.value >= terms.layers()) {
      return Fault::invalid_input(fmt::format("stages[{}].layers: {} to {}, must be in 0 to {}", i,
                                              layers.first.value, layers.last.value,
                                              terms.layers() - 1));
    }
    drafts.push_back({layers.first.value, layers.last.value, worker, false});
  }
  std::vector<StageWork> stages;
  for (std::size_t i = 0; i < drafts.size(); ++i) stages.push_back(stage_work_of(terms, drafts, i));
  return stages;
}

}  // namespace planaria
