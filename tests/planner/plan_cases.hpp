// Small profiles and plans for stories about what plans cost.
#pragma once

#include <algorithm>
#include <string>
#include <utility>
#include <vector>

#include "planner/plan_verifier.hpp"

namespace planaria::plan_cases {

/// Layers alike at micro-batch size 1: F 1, B 2, W 3 and optimizer 0.5 ms; parameters 10, state 20,
/// gradient 10, boundary 4, activation 100, weight gradient 7 bytes. 10 bytes or fewer travel in
/// 1 ms, more in proportion.
inline Profile alike_layers(int count) {
  Profile profile;
  profile.micro_batch_sizes = {1};
  profile.transfer = {{10, 1.0}};
  for (int i = 0; i < count; ++i) {
    LayerProfile layer;
    layer.name = "layer" + std::to_string(i);
    layer.parameter_bytes = 10;
    layer.state_bytes = 20;
    layer.gradient_bytes = 10;
    layer.boundary_bytes = {4};
    layer.activation_bytes = {100};
    layer.weight_gradient_bytes = {7};
    layer.forward_ms = {1};
    layer.backward_input_ms = {2};
    layer.backward_weight_ms = {3};
    layer.optimizer_ms = 0.5;
    profile.layers.push_back(layer);
  }
  return profile;
}

/// Layers [first, last] on `worker`.
inline PlannedStage stage(int first, int last, int worker) {
  return {{LayerId{first}, LayerId{last}}, WorkerId{worker}, false, 0, ""};
}

/// A plan of these pipelines, each with its share, lanes of 1, micro-batches of 1.
inline Plan plan_of(const std::string& schedule, std::vector<PlannedPipeline> pipelines) {
  Plan plan;
  plan.schedule = schedule;
  plan.micro_batch_size = 1;
  plan.pipelines = std::move(pipelines);
  for (const PlannedPipeline& pipeline : plan.pipelines) {
    plan.micro_batches += pipeline.micro_batches;
  }
  return plan;
}

/// The plan with all that follows from its pipelines and shadows filled in, called optimal.
inline Plan filled(Plan plan, const Profile& profile, const Cluster& cluster) {
  const VerifiedCost cost = verified_cost(plan, profile, cluster);
  for (std::size_t i = 0; i < plan.pipelines.size(); ++i) {
    for (std::size_t j = 0; j < plan.pipelines[i].stages.size(); ++j) {
      plan.pipelines[i].stages[j].peak_memory_bytes = cost.peak_memory_bytes[i][j];
    }
  }
  plan.idle_workers.clear();
  for (const ClusterWorker& worker : cluster.workers) {
    if (cost.memory_bytes.count(worker.id) == 0) plan.idle_workers.push_back(worker.id);
  }
  std::sort(plan.idle_workers.begin(), plan.idle_workers.end());
  plan.survives = cost.survives;
  plan.step_ms = plan.bound_step_ms = cost.step_ms;
  plan.optimal = true;
  const double samples = static_cast<double>(plan.micro_batches) * plan.micro_batch_size;
  plan.samples_per_s = cost.step_ms == 0 ? 0 : samples * 1000 / cost.step_ms;
  return plan;
}

}  // namespace planaria::plan_cases
