#include <planaria/planner/plan_table.hpp>

#include <algorithm>
#include <iterator>
#include <set>
#include <string>
#include <utility>

#include <fmt/format.h>

#include <planaria/base/check.hpp>

#include "planner/plan_request.hpp"

namespace planaria {
namespace {

/// The plan with workers up to `count` idle.
Plan with_idle(Plan plan, int from, int count) {
  for (int worker = from; worker < count; ++worker) plan.idle_workers.emplace_back(worker);
  plan.optimal = false;
  return plan;
}

double ms_per_sample(const Plan& plan) {
  return plan.step_ms / plan.micro_batch_size;
}

}  // namespace

Result<void> check_alike(const Cluster& cluster, bool places_count) {
  const ClusterWorker& first = cluster.workers.front();
  const bool anywhere = !places_count && !cluster.links;
  std::set<std::string> hosts;
  for (const ClusterWorker& worker : cluster.workers) {
    const bool near = anywhere || (worker.zone == first.zone && hosts.insert(worker.host).second);
    const bool same = worker.speed == first.speed && worker.memory_bytes == first.memory_bytes;
    if (same && near) continue;
    return Fault::invalid_input(fmt::format("cluster: workers {} and {} differ, must be alike",
                                            first.id.value, worker.id.value));
  }
  return {};
}

Cluster first_workers(const Cluster& cluster, int count) {
  Cluster few = cluster;
  few.workers.resize(static_cast<std::size_t>(count));
  for (int i = 0; i < count; ++i) few.workers[static_cast<std::size_t>(i)].id = WorkerId{i};
  return few;
}

Result<PlanTable> PlanTable::of(const BestPlanRequest& request,
                                const std::function<bool()>& keep_on) {
  PLANARIA_TRY_VOID(check_request(request));
  PLANARIA_TRY_VOID(check_alike(*request.cluster, request.survive > 0 && request.shadows));
  BestPlanRequest asked = request;
  asked.keep_going = {};
  asked.explain = false;
  asked.proof_effort_max = request.proof_effort_max / 10;
  asked.min_samples_per_s = {};
  PlanTable table;
  std::vector<Plan> plans;  // for ever fewer workers
  const int all = static_cast<int>(request.cluster->workers.size());
  for (int workers = all; workers >= 1; --workers) {
    if (!plans.empty() && keep_on && !keep_on()) break;
    const Cluster few = first_workers(*request.cluster, workers);
    asked.cluster = &few;
    PLANARIA_TRY(best, best_plan_if_any(asked));
    if (!best) break;
    asked.micro_batch_size = best->plan.micro_batch_size;
    asked.lane_size = best->plan.lane_size;
    plans.push_back(std::move(best->plan));
    table.workers_min_ = workers;
  }
  if (plans.empty()) {
    // With all effort there may be one; else best_plan() says what would have to change.
    const Cluster same = first_workers(*request.cluster, all);
    asked.cluster = &same;
    asked.proof_effort_max = request.proof_effort_max;
    PLANARIA_TRY(other, best_plan(asked));
    plans.push_back(std::move(other.plan));
    table.workers_min_ = all;
  }
  table.plans_.assign(std::make_move_iterator(plans.rbegin()),
                      std::make_move_iterator(plans.rend()));
  for (std::size_t i = 1; i < table.plans_.size(); ++i) {
    const Plan& fewer = table.plans_[i - 1];
    if (ms_per_sample(fewer) >= ms_per_sample(table.plans_[i])) continue;
    const double bound_ms = table.plans_[i].bound_step_ms;
    const int count = table.workers_min_ + static_cast<int>(i);
    table.plans_[i] = with_idle(fewer, count - 1, count);
    table.plans_[i].bound_step_ms = bound_ms;
  }
  return table;
}

const Plan& PlanTable::plan(int workers) const {
  check(workers >= workers_min() && workers <= workers_max(), "there is a plan for so many");
  return plans_[static_cast<std::size_t>(workers - workers_min_)];
}

Result<PlanTable::Reaction> PlanTable::reaction(const std::vector<WorkerId>& workers,
                                                const std::vector<std::int64_t>& layer_bytes,
                                                const LayerHolders& holders,
                                                const Layout* before) const {
  if (static_cast<int>(workers.size()) < workers_min_) {
    return Fault::infeasible(fmt::format("workers: {}, must be at least {}: nothing fits on fewer",
                                         workers.size(), workers_min_));
  }
  const int planned = std::min(static_cast<int>(workers.size()), workers_max());
  Reaction reaction{.plan = plan(planned)};
  const Layout places = layout_of(reaction.plan);
  PLANARIA_TRY(placement, place_workers({.places = &places,
                                         .layer_bytes = layer_bytes,
                                         .holders = &holders,
                                         .workers = workers,
                                         .before = before}));
  reaction.bytes = placement.bytes;
  std::vector<WorkerId> busy;
  for (PlannedPipeline& pipeline : reaction.plan.pipelines) {
    for (PlannedStage& stage : pipeline.stages) {
      stage.worker = placement.worker_of.at(stage.worker);
    }
  }
  for (ShadowAssignment& shadow : reaction.plan.shadows) {
    shadow.worker = placement.worker_of.at(shadow.worker);
  }
  std::ranges::sort(reaction.plan.shadows, {}, &ShadowAssignment::worker);
  for (const auto& [place, worker] : placement.worker_of) busy.push_back(worker);
  std::ranges::sort(busy);
  reaction.plan.idle_workers.clear();
  std::ranges::set_difference(workers, busy, std::back_inserter(reaction.plan.idle_workers));
  return reaction;
}

}  // namespace planaria
