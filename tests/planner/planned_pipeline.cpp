#include "planner/planned_pipeline.hpp"

#include <cstddef>

#include <planaria/base/check.hpp>

namespace planaria::pipeline_rules {

std::vector<Order> orders_in(const Plan& plan, const PlannedPipeline& pipeline) {
  if (plan.schedule != "auto") {
    const auto orders = orders_of(
        plan.schedule, {static_cast<int>(pipeline.stages.size()), pipeline.micro_batches});
    check(orders.has_value(), "a schedule that does not exist at this size");
    return *orders;
  }
  std::vector<Order> orders;
  for (const PlannedStage& stage : pipeline.stages) {
    const auto order = order_from_text(stage.actions);
    check(order.has_value(), "actions that cannot be read");
    orders.push_back(*order);
  }
  return orders;
}

StageRequest request_for(const PlannedStage& stage, const PlanAt& at) {
  return {stage.layers, *at.profile->at_size(at.plan->micro_batch_size),
          at.cluster->worker(stage.worker)->speed, stage.recompute};
}

PlayedPipeline played(const PlannedPipeline& pipeline, const std::vector<Order>& orders,
                      const PlanAt& at) {
  PlayedPipeline play;
  play.orders = &orders;
  const std::size_t size = *at.profile->at_size(at.plan->micro_batch_size);
  for (std::size_t i = 0; i < pipeline.stages.size(); ++i) {
    play.stages.push_back(times_of(*at.profile, request_for(pipeline.stages[i], at)));
    if (i == 0) continue;
    const ClusterWorker* before = at.cluster->worker(pipeline.stages[i - 1].worker);
    const ClusterWorker* after = at.cluster->worker(pipeline.stages[i].worker);
    const auto cut = static_cast<std::size_t>(pipeline.stages[i - 1].layers.last.value);
    const std::int64_t bytes = at.profile->layers[cut].boundary_bytes[size];
    play.cut_forward_ms.push_back(send_ms(*at.profile, *at.cluster, {before, after}, bytes));
    play.cut_backward_ms.push_back(send_ms(*at.profile, *at.cluster, {after, before}, bytes));
  }
  return play;
}

}  // namespace planaria::pipeline_rules
