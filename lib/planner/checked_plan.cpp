// Plans that anybody made, proven to fit what they are priced by.
#include "planner/checked_plan.hpp"

#include <algorithm>
#include <set>
#include <string>
#include <utility>
#include <vector>

#include <fmt/format.h>

#include <planaria/planner/chunks.hpp>
#include <planaria/schedule/builders.hpp>
#include <planaria/schedule/validate.hpp>

#include "planner/schedule_shelf.hpp"

namespace planaria {
namespace {

Result<void> check_workers(const Layout& layout, const Cluster& cluster) {
  std::set<WorkerId> known;
  for (const ClusterWorker& worker : cluster.workers) known.insert(worker.id);
  const auto check_worker = [&](WorkerId worker, const std::string& path) -> Result<void> {
    if (known.contains(worker)) return {};
    return Fault::invalid_input(
        fmt::format("{}.worker: {}, must be one of the cluster's", path, worker.value));
  };
  for (std::size_t i = 0; i < layout.pipelines.size(); ++i) {
    for (std::size_t j = 0; j < layout.pipelines[i].stages.size(); ++j) {
      PLANARIA_TRY_VOID(check_worker(layout.pipelines[i].stages[j].worker,
                                     fmt::format("pipelines[{}].stages[{}]", i, j)));
    }
  }
  for (std::size_t i = 0; i < layout.shadows.size(); ++i) {
    PLANARIA_TRY_VOID(check_worker(layout.shadows[i].worker, fmt::format("shadows[{}]", i)));
  }
  return {};
}

Result<void> check_layout(const Plan& plan, const Profile& profile, const Cluster& cluster) {
  const Layout layout = layout_of(plan);
  int most = 0;
  for (const ClusterWorker& worker : cluster.workers) most = std::max(most, worker.id.value);
  PLANARIA_TRY_VOID(verify(layout, {.layers = static_cast<int>(profile.layers.size()),
                                    .micro_batches = plan.micro_batches,
                                    .lane_size = plan.lane_size,
                                    .workers = most + 1}));
  PLANARIA_TRY_VOID(check_workers(layout, cluster));
  if (!shares_workers(layout)) return {};
  return Fault::invalid_input("pipelines: some share workers, must have workers of their own");
}

/// What is priced is built and simulated, action by action.
Result<void> check_sizes(const Plan& plan) {
  for (std::size_t i = 0; i < plan.pipelines.size(); ++i) {
    const auto stages = static_cast<std::int64_t>(plan.pipelines[i].stages.size());
    const int micro_batches = plan.pipelines[i].micro_batches;
    if (stages * micro_batches <= pipeline_cells_max) continue;
    return Fault::invalid_input(
        fmt::format("pipelines[{}]: {} stages of {} micro-batches, must be at most {} in all", i,
                    stages, micro_batches, pipeline_cells_max));
  }
  return {};
}

/// The stages' own actions, proven to be a whole step of the pipeline.
Result<Schedule> own_schedule_of(const Plan& plan, const PlannedPipeline& pipeline,
                                 const std::string& path) {
  std::string text;
  for (std::size_t rank = 0; rank < pipeline.stages.size(); ++rank) {
    text += fmt::format("{}: {}\n", rank, pipeline.stages[rank].actions);
  }
  PLANARIA_TRY(schedule, schedule_from_text(text, path + ".stages"));
  const auto stages = static_cast<int>(pipeline.stages.size());
  if (schedule.stages() != stages || schedule.micro_batches != pipeline.micro_batches) {
    return Fault::invalid_input(
        fmt::format("{}: actions of {} stages and {} micro-batches, must be of {} and {}", path,
                    schedule.stages(), schedule.micro_batches, stages, pipeline.micro_batches));
  }
  if (const auto order = validate(schedule, {.lane_size = plan.lane_size}); !order.ok()) {
    return Fault::invalid_input(path + ": " + order.fault().sentence);
  }
  return schedule;
}

PlanDraft draft_of(const Plan& plan, const CostTerms& terms) {
  PlanDraft draft{.schedule = plan.schedule, .lane_size = plan.lane_size};
  for (const PlannedPipeline& planned : plan.pipelines) {
    PipelineDraft& pipeline = draft.pipelines.emplace_back();
    pipeline.micro_batches = planned.micro_batches;
    for (const PlannedStage& stage : planned.stages) {
      pipeline.stages.push_back({stage.layers.first.value, stage.layers.last.value,
                                 terms.index_of(stage.worker), stage.recompute});
    }
  }
  if (plan.shadows.empty()) return draft;
  draft.shadows.resize(static_cast<std::size_t>(terms.layers()));
  for (const ShadowAssignment& shadow : plan.shadows) {
    for (const LayerId layer : shadow.layers) {
      draft.shadows[static_cast<std::size_t>(layer.value)].push_back(terms.index_of(shadow.worker));
    }
  }
  for (auto& workers : draft.shadows) std::ranges::sort(workers);
  return draft;
}

}  // namespace

Result<CheckedPlan> checked(const Plan& plan, const Profile& profile, const Cluster& cluster) {
  PLANARIA_TRY_VOID(check_layout(plan, profile, cluster));
  PLANARIA_TRY_VOID(check_sizes(plan));
  PLANARIA_TRY(terms, CostTerms::of_micro_batches(profile, cluster, plan.micro_batch_size));
  PlanDraft draft = draft_of(plan, terms);
  return CheckedPlan{std::move(terms), std::move(draft)};
}

Result<Schedule> schedule_of(const Plan& plan, std::size_t index) {
  const PlannedPipeline& pipeline = plan.pipelines[index];
  const std::string path = fmt::format("pipelines[{}]", index);
  const bool own = plan.schedule == "auto";
  const int chunks = chunks_of(plan.schedule);
  const int ranks = static_cast<int>(pipeline.stages.size()) / chunks;
  auto schedule = own ? own_schedule_of(plan, pipeline, path)
                      : build_schedule(plan.schedule,
                                       {.stages = ranks, .micro_batches = pipeline.micro_batches});
  if (!schedule && own) return schedule;
  if (!schedule) return Fault{schedule.fault().kind, path + ": " + schedule.fault().sentence};
  PipelineAssignment form{pipeline.micro_batches, {}};
  for (const PlannedStage& stage : pipeline.stages) {
    form.stages.push_back({stage.layers, stage.worker});
  }
  if (stands_as(form, {schedule.value().placement, chunks})) return schedule;
  return Fault::invalid_input(
      fmt::format("{}: workers do not stand as {} places its stages", path, plan.schedule));
}

}  // namespace planaria
