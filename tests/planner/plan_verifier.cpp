#include "planner/plan_verifier.hpp"

#include <algorithm>

#include <planaria/base/check.hpp>

#include "planner/pipeline_rules.hpp"
#include "planner/planned_pipeline.hpp"

namespace planaria {
namespace {

using pipeline_rules::Order;
using pipeline_rules::PlanAt;
using pipeline_rules::PlayedPipeline;
using pipeline_rules::send_ms;

// Who holds a layer, ascending.
struct Holders {
  std::vector<WorkerId> active;
  std::vector<WorkerId> shadows;
};

std::vector<Holders> holders_by_layer(const Plan& plan, std::size_t layers) {
  std::vector<Holders> holders(layers);
  for (const PlannedPipeline& pipeline : plan.pipelines) {
    for (const PlannedStage& stage : pipeline.stages) {
      for (int i = stage.layers.first.value; i <= stage.layers.last.value; ++i) {
        holders[static_cast<std::size_t>(i)].active.push_back(stage.worker);
      }
    }
  }
  for (const ShadowAssignment& shadow : plan.shadows) {
    for (const LayerId layer : shadow.layers) {
      holders[static_cast<std::size_t>(layer.value)].shadows.push_back(shadow.worker);
    }
  }
  for (Holders& layer : holders) {
    std::sort(layer.active.begin(), layer.active.end());
    std::sort(layer.shadows.begin(), layer.shadows.end());
  }
  return holders;
}

// How far a worker is after its last compute action.
struct Progress {
  double computed_ms = 0;  // the end of its compute, then of its reductions
  double sent_ms = 0;      // the end of its sends to shadows
  double arrived_ms = 0;   // the last gradient that it shadows
  double optimizer_ms = 0;
  bool active = false;
};

using ByWorker = std::map<WorkerId, Progress>;

// `layer` is reduced among its holders, then sent to its shadows.
void reduce(const Holders& holders, std::size_t layer, const PlanAt& at, ByWorker& workers) {
  const std::int64_t bytes = at.profile->layers[layer].gradient_bytes;
  const auto between_ms = [&](WorkerId from, WorkerId to) {
    return send_ms(*at.profile, *at.cluster, {at.cluster->worker(from), at.cluster->worker(to)},
                   bytes);
  };
  double start_ms = 0;
  double slowest_ms = 0;
  for (const WorkerId one : holders.active) {
    start_ms = std::max(start_ms, workers[one].computed_ms);
    for (const WorkerId other : holders.active) {
      if (one != other) slowest_ms = std::max(slowest_ms, between_ms(one, other));
    }
  }
  const auto count = static_cast<double>(holders.active.size());
  const double end_ms = start_ms + 2 * (count - 1) / count * slowest_ms;
  for (const WorkerId one : holders.active) workers[one].computed_ms = end_ms;

  const WorkerId lowest = holders.active.front();
  for (const WorkerId shadow : holders.shadows) {
    double& sent_ms = workers[lowest].sent_ms;
    sent_ms = std::max(sent_ms, end_ms) + between_ms(lowest, shadow);
    double& arrived_ms = workers[shadow].arrived_ms;
    arrived_ms = std::max(arrived_ms, sent_ms);
  }
}

}  // namespace

VerifiedCost verified_cost(const Plan& plan, const Profile& profile, const Cluster& cluster) {
  const PlanAt at{&plan, &profile, &cluster};
  VerifiedCost cost;
  ByWorker workers;
  for (const PlannedPipeline& pipeline : plan.pipelines) {
    const std::vector<Order> orders = pipeline_rules::orders_in(plan, pipeline);
    const PlayedPipeline play = played(pipeline, orders, at);
    const auto ends = ends_of(play);
    check(ends.has_value(), "actions that wait for each other");
    const int lanes = (pipeline.micro_batches + plan.lane_size - 1) / plan.lane_size;
    auto& peaks = cost.peak_memory_bytes.emplace_back();
    for (std::size_t i = 0; i < pipeline.stages.size(); ++i) {
      const PlannedStage& stage = pipeline.stages[i];
      check(workers.count(stage.worker) == 0, "a worker with several stages");
      workers[stage.worker] = {(*ends)[i], 0, 0, play.stages[i].optimizer_ms, true};
      peaks.push_back(peak_memory_of(profile, request_for(stage, at), orders[i], lanes));
      cost.memory_bytes[stage.worker] = peaks.back();
    }
  }
  for (const ShadowAssignment& shadow : plan.shadows) {
    for (const LayerId id : shadow.layers) {
      const LayerProfile& layer = profile.layers[static_cast<std::size_t>(id.value)];
      workers[shadow.worker].optimizer_ms +=
          layer.optimizer_ms / cluster.worker(shadow.worker)->speed;
      cost.memory_bytes[shadow.worker] +=
          layer.parameter_bytes + layer.state_bytes + layer.gradient_bytes;
    }
  }
  const std::vector<Holders> holders = holders_by_layer(plan, profile.layers.size());
  std::size_t fewest = cluster.workers.size();
  for (std::size_t i = holders.size(); i-- > 0;) {
    reduce(holders[i], i, at, workers);
    fewest = std::min(fewest, holders[i].active.size() + holders[i].shadows.size());
  }
  cost.survives = static_cast<int>(fewest) - 1;
  for (const auto& [worker, progress] : workers) {
    if (!progress.active) continue;
    cost.step_ms = std::max(
        cost.step_ms, std::max({progress.computed_ms, progress.sent_ms, progress.arrived_ms}) +
                          progress.optimizer_ms);
  }
  return cost;
}

}  // namespace planaria
