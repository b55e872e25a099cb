// A plan's pipelines as pipeline_rules.hpp plays them.
#pragma once

#include <vector>

#include <planaria/model/cluster.hpp>
#include <planaria/model/profile.hpp>
#include <planaria/planner/plan.hpp>

#include "planner/pipeline_rules.hpp"

namespace planaria::pipeline_rules {

/// A plan and what it is of.
struct PlanAt {
  const Plan* plan = nullptr;
  const Profile* profile = nullptr;
  const Cluster* cluster = nullptr;
};

/// Returns every rank's order: of the plan's schedule, or the stages' own with "auto". Requires
/// that there is one.
[[nodiscard]] std::vector<Order> orders_in(const Plan& plan, const PlannedPipeline& pipeline);
[[nodiscard]] StageRequest request_for(const PlannedStage& stage, const PlanAt& at);
/// Returns the pipeline with its times. `orders` must outlive it.
[[nodiscard]] PlayedPipeline played(const PlannedPipeline& pipeline,
                                    const std::vector<Order>& orders, const PlanAt& at);

}  // namespace planaria::pipeline_rules
