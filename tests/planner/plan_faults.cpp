#include <algorithm>
#include <cmath>
#include <functional>
#include <set>
#include <utility>

#include <fmt/format.h>

#include "planner/pipeline_rules.hpp"
#include "planner/plan_verifier.hpp"
#include "planner/planned_pipeline.hpp"

namespace planaria {
namespace {

using pipeline_rules::Order;
using pipeline_rules::PlanAt;
using pipeline_rules::Work;

using Faults = std::vector<std::string>;

constexpr double times_differ = 1e-9;      // relative: sums in another order
constexpr double bound_slack = 1e-12;      // relative: the last bits of a bound
constexpr std::int64_t losses_max = 5000;  // as many sets of lost workers are tried

std::string path_of(std::size_t pipeline, std::size_t stage) {
  return fmt::format("pipelines[{}].stages[{}]", pipeline, stage);
}

void head_faults(const Plan& plan, const Profile& profile, const Promises& promises,
                 Faults& faults) {
  const auto differs = [&faults](const std::string& field, const auto& found, const auto& wanted) {
    if (found != wanted) faults.push_back(fmt::format("{}: {}, asked {}", field, found, wanted));
  };
  differs("micro_batches", plan.micro_batches, promises.micro_batches);
  differs("micro_batch_size", plan.micro_batch_size,
          promises.micro_batch_size.value_or(plan.micro_batch_size));
  differs("lane_size", plan.lane_size, promises.lane_size.value_or(plan.lane_size));
  differs("schedule", plan.schedule, promises.schedule.value_or(plan.schedule));
  const auto width = static_cast<int>(plan.pipelines.size());
  differs("pipelines", width, promises.width.value_or(width));
  for (const PlannedPipeline& pipeline : plan.pipelines) {
    const auto depth = static_cast<int>(pipeline.stages.size());
    differs("stages", depth, promises.depth.value_or(depth));
  }
  if (!profile.at_size(plan.micro_batch_size)) {
    faults.push_back(fmt::format("micro_batch_size: {}, must be one of {}", plan.micro_batch_size,
                                 fmt::join(profile.micro_batch_sizes, ", ")));
  }
  if (plan.lane_size < 1) {
    faults.push_back(fmt::format("lane_size: {}, must be at least 1", plan.lane_size));
  }
  const auto& kinds = pipeline_rules::fixed_kinds();
  if (plan.schedule != "auto" &&
      std::find(kinds.begin(), kinds.end(), plan.schedule) == kinds.end()) {
    faults.push_back(fmt::format("schedule: {}, must be auto or one of {}", plan.schedule,
                                 fmt::join(kinds, ", ")));
  }
}

// Every layer once, in order; every worker known, in one place.
void place_faults(const Plan& plan, const Profile& profile, const Cluster& cluster,
                  Faults& faults) {
  const auto layers = static_cast<int>(profile.layers.size());
  std::set<WorkerId> seen;
  if (plan.pipelines.empty()) faults.push_back("pipelines: none");
  for (std::size_t i = 0; i < plan.pipelines.size(); ++i) {
    int next = 0;
    const auto& stages = plan.pipelines[i].stages;
    for (std::size_t j = 0; j < stages.size(); ++j) {
      const PlannedStage& stage = stages[j];
      const int last = stage.layers.last.value;
      if (stage.layers.first.value != next || last < next || last >= layers) {
        faults.push_back(fmt::format("{}: layers {} to {}, must begin at {} and end before {}",
                                     path_of(i, j), stage.layers.first.value, last, next, layers));
      }
      next = last + 1;
      if (cluster.worker(stage.worker) == nullptr) {
        faults.push_back(
            fmt::format("{}.worker: {} is not there", path_of(i, j), stage.worker.value));
      }
      if (!seen.insert(stage.worker).second) {
        faults.push_back(
            fmt::format("{}.worker: {} is in two places", path_of(i, j), stage.worker.value));
      }
    }
    if (next != layers) {
      faults.push_back(fmt::format("pipelines[{}]: ends before layer {} of {}", i, next, layers));
    }
  }
}

void share_faults(const Plan& plan, Faults& faults) {
  std::int64_t sum = 0;
  for (std::size_t i = 0; i < plan.pipelines.size(); ++i) {
    const int share = plan.pipelines[i].micro_batches;
    sum += share;
    const bool whole = share % std::max(plan.lane_size, 1) == 0;
    if (share < 1 || (!whole && i + 1 < plan.pipelines.size())) {
      faults.push_back(fmt::format("pipelines[{}].micro_batches: {}, must be whole lanes of {}", i,
                                   share, plan.lane_size));
    }
  }
  if (sum != plan.micro_batches) {
    faults.push_back(
        fmt::format("the pipelines' micro-batches are {}, must be {}", sum, plan.micro_batches));
  }
}

// Each micro-batch of the share F, then B and W or G; W in index order within a lane.
void order_faults(const Order& order, const PlannedPipeline& pipeline, int lane_size,
                  const std::string& path, Faults& faults) {
  std::map<int, std::string> done;
  std::map<int, int> last_of_lane;
  for (const pipeline_rules::Action& action : order) {
    const std::string text = pipeline_rules::text_of({action});
    if (action.micro_batch >= pipeline.micro_batches) {
      faults.push_back(
          fmt::format("{}: {} is not of the share of {}", path, text, pipeline.micro_batches));
      continue;
    }
    std::string& before = done[action.micro_batch];
    before += text[0];
    if (before != "F" && before != "FB" && before != "FBW" && before != "FG") {
      faults.push_back(fmt::format("{}: {} is not its turn", path, text));
    }
    if (action.work != Work::backward_weight && action.work != Work::backward) continue;
    const int lane = action.micro_batch / lane_size;
    const auto [last, first_of_lane] = last_of_lane.emplace(lane, action.micro_batch);
    if (!first_of_lane && last->second > action.micro_batch) {
      faults.push_back(fmt::format("{}: {} comes after {} of its lane", path, text, last->second));
    }
    last->second = action.micro_batch;
  }
  for (int i = 0; i < pipeline.micro_batches; ++i) {
    if (done[i] != "FBW" && done[i] != "FG") {
      faults.push_back(fmt::format("{}: micro-batch {} ends as \"{}\"", path, i, done[i]));
    }
  }
}

void action_faults(const Plan& plan, Faults& faults) {
  for (std::size_t i = 0; i < plan.pipelines.size(); ++i) {
    const PlannedPipeline& pipeline = plan.pipelines[i];
    const auto stages = static_cast<int>(pipeline.stages.size());
    if (plan.schedule != "auto" &&
        !pipeline_rules::orders_of(plan.schedule, {stages, pipeline.micro_batches})) {
      faults.push_back(fmt::format("pipelines[{}]: {} is not for {} stages and {} micro-batches", i,
                                   plan.schedule, stages, pipeline.micro_batches));
    }
    for (std::size_t j = 0; j < pipeline.stages.size(); ++j) {
      const std::string& actions = pipeline.stages[j].actions;
      const std::string path = path_of(i, j) + ".actions";
      if (plan.schedule != "auto") {
        if (!actions.empty()) faults.push_back(path + ": there, though the schedule is not auto");
        continue;
      }
      const auto order = pipeline_rules::order_from_text(actions);
      if (order) {
        order_faults(*order, pipeline, plan.lane_size, path, faults);
      } else {
        faults.push_back(fmt::format("{}: \"{}\" cannot be read", path, actions));
      }
    }
  }
}

void shadow_faults(const Plan& plan, const Profile& profile, const Cluster& cluster,
                   const Promises& promises, Faults& faults) {
  std::set<std::pair<WorkerId, LayerId>> held;
  for (const PlannedPipeline& pipeline : plan.pipelines) {
    for (const PlannedStage& stage : pipeline.stages) {
      for (int i = stage.layers.first.value; i <= stage.layers.last.value; ++i) {
        held.emplace(stage.worker, LayerId{i});
      }
    }
  }
  std::set<WorkerId> seen;
  if (!promises.shadows && !plan.shadows.empty()) faults.push_back("shadows: there, asked none");
  for (std::size_t i = 0; i < plan.shadows.size(); ++i) {
    const ShadowAssignment& shadow = plan.shadows[i];
    const std::string path = fmt::format("shadows[{}]", i);
    if (cluster.worker(shadow.worker) == nullptr) {
      faults.push_back(fmt::format("{}.worker: {} is not there", path, shadow.worker.value));
    }
    if (!seen.insert(shadow.worker).second) {
      faults.push_back(fmt::format("{}.worker: {} stands there twice", path, shadow.worker.value));
    }
    if (shadow.layers.empty()) faults.push_back(path + ".layers: none");
    for (const LayerId layer : shadow.layers) {
      if (layer.value < 0 || layer.value >= static_cast<int>(profile.layers.size())) {
        faults.push_back(fmt::format("{}.layers: {} is not there", path, layer.value));
      }
      if (!held.emplace(shadow.worker, layer).second) {
        faults.push_back(fmt::format("{}.layers: worker {} holds layer {} already", path,
                                     shadow.worker.value, layer.value));
      }
    }
  }
}

void idle_faults(const Plan& plan, const Cluster& cluster, Faults& faults) {
  std::set<WorkerId> idle;
  for (const ClusterWorker& worker : cluster.workers) idle.insert(worker.id);
  for (const PlannedPipeline& pipeline : plan.pipelines) {
    for (const PlannedStage& stage : pipeline.stages) idle.erase(stage.worker);
  }
  for (const ShadowAssignment& shadow : plan.shadows) idle.erase(shadow.worker);
  if (plan.idle_workers != std::vector<WorkerId>(idle.begin(), idle.end())) {
    faults.push_back(fmt::format("idle_workers: {} named, {} are idle, ascending and all of them",
                                 plan.idle_workers.size(), idle.size()));
  }
}

// Who holds each layer, computing or shadowing.
std::vector<std::set<WorkerId>> holders_in(const Plan& plan, std::size_t layers) {
  std::vector<std::set<WorkerId>> holders(layers);
  for (const PlannedPipeline& pipeline : plan.pipelines) {
    for (const PlannedStage& stage : pipeline.stages) {
      for (int i = stage.layers.first.value; i <= stage.layers.last.value; ++i) {
        holders[static_cast<std::size_t>(i)].insert(stage.worker);
      }
    }
  }
  for (const ShadowAssignment& shadow : plan.shadows) {
    for (const LayerId layer : shadow.layers) {
      holders[static_cast<std::size_t>(layer.value)].insert(shadow.worker);
    }
  }
  return holders;
}

// Whether some layer is gone after the loss of some `losses` workers; every set of them is tried.
bool some_loss_takes_a_layer(const std::vector<std::set<WorkerId>>& holders, const Cluster& cluster,
                             int losses) {
  std::set<WorkerId> lost;
  const std::function<bool(std::size_t, int)> lose = [&](std::size_t from, int left) {
    if (left == 0) {
      return std::any_of(holders.begin(), holders.end(), [&](const std::set<WorkerId>& layer) {
        return std::includes(lost.begin(), lost.end(), layer.begin(), layer.end());
      });
    }
    for (std::size_t i = from; i < cluster.workers.size(); ++i) {
      lost.insert(cluster.workers[i].id);
      if (lose(i + 1, left - 1)) return true;
      lost.erase(cluster.workers[i].id);
    }
    return false;
  };
  return lose(0, losses);
}

// Sets of `losses` workers out of so many, or more than losses_max.
std::int64_t sets_of(std::int64_t workers, int losses) {
  std::int64_t sets = 1;
  for (int i = 0; i < losses && sets <= losses_max; ++i) sets = sets * (workers - i) / (i + 1);
  return sets;
}

void survival_faults(const Plan& plan, const Profile& profile, const Cluster& cluster,
                     const Promises& promises, Faults& faults) {
  if (plan.survives < promises.survive) {
    faults.push_back(fmt::format("survives: {}, asked {}", plan.survives, promises.survive));
  }
  const auto holders = holders_in(plan, profile.layers.size());
  const auto workers = static_cast<std::int64_t>(cluster.workers.size());
  const auto small = [&](int losses) {
    return losses >= 0 && losses <= workers && sets_of(workers, losses) <= losses_max;
  };
  for (const int losses : {promises.survive, plan.survives}) {
    if (small(losses) && some_loss_takes_a_layer(holders, cluster, losses)) {
      faults.push_back(
          fmt::format("some loss of {} workers takes a layer, survives is {}, asked {}", losses,
                      plan.survives, promises.survive));
    }
  }
  if (small(plan.survives + 1) && !some_loss_takes_a_layer(holders, cluster, plan.survives + 1)) {
    faults.push_back(fmt::format("survives: {}, any loss of {} leaves every layer", plan.survives,
                                 plan.survives + 1));
  }
}

bool far_from(double found, double right) {
  return !(std::abs(found - right) <= times_differ * std::abs(right));
}

void time_faults(const Plan& plan, const VerifiedCost& cost, const Promises& promises,
                 Faults& faults) {
  if (far_from(plan.step_ms, cost.step_ms)) {
    faults.push_back(fmt::format("step_ms: {}, is {}", plan.step_ms, cost.step_ms));
  }
  const double samples = static_cast<double>(plan.micro_batches) * plan.micro_batch_size;
  const double rate = cost.step_ms == 0 ? 0 : samples * 1000 / cost.step_ms;
  if (far_from(plan.samples_per_s, rate)) {
    faults.push_back(fmt::format("samples_per_s: {}, is {}", plan.samples_per_s, rate));
  }
  if (rate * (1 + times_differ) < promises.min_samples_per_s.value_or(0)) {
    faults.push_back(fmt::format("samples_per_s: {}, asked {}", rate, *promises.min_samples_per_s));
  }
  if (!(plan.bound_step_ms <= plan.step_ms * (1 + bound_slack))) {
    faults.push_back(
        fmt::format("bound_step_ms: {}, above the step's {}", plan.bound_step_ms, plan.step_ms));
  }
  if (plan.optimal && !(plan.bound_step_ms >= plan.step_ms * (1 - bound_slack))) {
    faults.push_back(fmt::format("bound_step_ms: {}, below the step's {} that is called optimal",
                                 plan.bound_step_ms, plan.step_ms));
  }
}

void memory_faults(const PlanAt& at, const VerifiedCost& cost, Faults& faults) {
  for (const auto& [worker, bytes] : cost.memory_bytes) {
    const std::int64_t there = at.cluster->worker(worker)->memory_bytes;
    if (bytes > there) {
      faults.push_back(
          fmt::format("worker {}: needs {} bytes, has {}", worker.value, bytes, there));
    }
  }
  for (std::size_t i = 0; i < at.plan->pipelines.size(); ++i) {
    for (std::size_t j = 0; j < at.plan->pipelines[i].stages.size(); ++j) {
      const std::int64_t found = at.plan->pipelines[i].stages[j].peak_memory_bytes;
      const std::int64_t right = cost.peak_memory_bytes[i][j];
      if (found == right) continue;
      faults.push_back(fmt::format("{}.peak_memory_bytes: {}, is {}", path_of(i, j), found, right));
    }
  }
}

void recompute_faults(const PlanAt& at, const VerifiedCost& cost, const Promises& promises,
                      Faults& faults) {
  for (std::size_t i = 0; i < at.plan->pipelines.size(); ++i) {
    const PlannedPipeline& pipeline = at.plan->pipelines[i];
    const std::vector<Order> orders = pipeline_rules::orders_in(*at.plan, pipeline);
    const int lanes = (pipeline.micro_batches + at.plan->lane_size - 1) / at.plan->lane_size;
    for (std::size_t j = 0; j < pipeline.stages.size(); ++j) {
      PlannedStage stage = pipeline.stages[j];
      const std::string path = path_of(i, j) + ".recompute";
      if (!stage.recompute) {
        if (promises.recompute == Recompute::always) {
          faults.push_back(path + ": false, asked always");
        }
        continue;
      }
      if (promises.recompute == Recompute::never) faults.push_back(path + ": true, asked never");
      if (promises.recompute != Recompute::any) continue;
      stage.recompute = false;
      const std::int64_t without =
          cost.memory_bytes.at(stage.worker) - cost.peak_memory_bytes[i][j] +
          peak_memory_of(*at.profile, request_for(stage, at), orders[j], lanes);
      if (without <= at.cluster->worker(stage.worker)->memory_bytes) {
        faults.push_back(fmt::format("{}: true, though worker {} has room without it", path,
                                     stage.worker.value));
      }
    }
  }
}

}  // namespace

std::vector<std::string> faults_of(const Plan& plan, const Profile& profile, const Cluster& cluster,
                                   const Promises& promises) {
  Faults faults;
  head_faults(plan, profile, promises, faults);
  place_faults(plan, profile, cluster, faults);
  share_faults(plan, faults);
  if (!faults.empty()) return faults;
  action_faults(plan, faults);
  shadow_faults(plan, profile, cluster, promises, faults);
  if (!faults.empty()) return faults;
  const PlanAt at{&plan, &profile, &cluster};
  for (std::size_t i = 0; i < plan.pipelines.size(); ++i) {
    const std::vector<Order> orders = pipeline_rules::orders_in(plan, plan.pipelines[i]);
    if (!ends_of(played(plan.pipelines[i], orders, at))) {
      faults.push_back(fmt::format("pipelines[{}]: its actions wait for each other", i));
    }
  }
  if (!faults.empty()) return faults;
  const VerifiedCost cost = verified_cost(plan, profile, cluster);
  idle_faults(plan, cluster, faults);
  survival_faults(plan, profile, cluster, promises, faults);
  if (plan.survives != cost.survives) {
    faults.push_back(fmt::format("survives: {}, is {}", plan.survives, cost.survives));
  }
  memory_faults(at, cost, faults);
  recompute_faults(at, cost, promises, faults);
  time_faults(plan, cost, promises, faults);
  return faults;
}

}  // namespace planaria
