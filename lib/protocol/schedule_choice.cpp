#include "protocol/schedule_choice.hpp"

#include <algorithm>
#include <optional>

#include <fmt/format.h>

#include <planaria/base/check.hpp>
#include <planaria/planner/recompute.hpp>
#include <planaria/schedule/automatic.hpp>
#include <planaria/schedule/builders.hpp>
#include <planaria/schedule/memory.hpp>
#include <planaria/schedule/routed.hpp>
#include <planaria/schedule/simulate.hpp>
#include <planaria/schedule/validate.hpp>

#include "protocol/layer_costs.hpp"
#include "protocol/layout_choice.hpp"

namespace planaria::protocol {
namespace {

/// A pipeline as a schedule sees it.
struct Shape {
  int ranks = 0;
  int stages = 0;
  int micro_batches = 0;
};

std::vector<StageCosts> costs_of(const CoordinatorState& state,
                                 const PipelineAssignment& pipeline) {
  std::vector<StageCosts> costs;
  for (const StageAssignment& stage : pipeline.stages) {
    costs.push_back(costs_of_layers(state, stage.layers));
  }
  return costs;
}

Result<void> proven(const CoordinatorState& state, const Schedule& schedule) {
  PLANARIA_TRY_VOID(validate(schedule, {.lane_size = state.spec->lane_size}));
  return {};
}

// Memory is twice 1F1B's, as ZB-H2's. The search is
// short and counted in moves, so that every coordinator finds the same.
Result<Schedule> automatic_for(const CoordinatorState& state, const PipelineAssignment& pipeline,
                               const Shape& shape, Asked asked) {
  AutomaticRequest request{.micro_batches = shape.micro_batches};
  request.costs = costs_of(state, pipeline);
  constexpr StageMemory held{.activation_bytes = 3, .weight_gradient_bytes = 1};
  request.memory.assign(pipeline.stages.size(), held);
  request.limit_bytes.assign(pipeline.stages.size(),
                             std::int64_t{2} * shape.stages * held.activation_bytes);
  // Nobody waits for the first view; everybody does for the others.
  int moves = asked == Asked::must_fit ? 2000 : 0;
  PLANARIA_TRY(found, automatic(request, [&moves] { return moves-- > 0; }));
  return std::move(found.schedule);
}

Result<Schedule> asked_schedule(const CoordinatorState& state, const PipelineAssignment& pipeline,
                                const Shape& shape, Asked asked) {
  const CoordinatorOptions& options = state.options;
  if (options.schedule_text) {
    PLANARIA_TRY(schedule, schedule_from_text(*options.schedule_text, "schedule"));
    if (schedule.stages() != shape.stages || schedule.micro_batches != shape.micro_batches) {
      return Fault::invalid_input(fmt::format("{} stages and {} micro-batches, must be {} and {}",
                                              schedule.stages(), schedule.micro_batches,
                                              shape.stages, shape.micro_batches));
    }
    return schedule;
  }
  if (options.schedule == "auto" && shape.ranks == shape.stages) {
    return automatic_for(state, pipeline, shape, asked);
  }
  return build_schedule(options.schedule,
                        {.stages = shape.ranks, .micro_batches = shape.micro_batches});
}

Result<Schedule> fitting(const CoordinatorState& state, const PipelineAssignment& pipeline,
                         const Shape& shape, Asked asked) {
  PLANARIA_TRY(schedule, asked_schedule(state, pipeline, shape, asked));
  if (!stands_as(pipeline, {schedule.placement, schedule.chunks})) {
    return Fault::invalid_input(fmt::format(
        "{} stages on each of {} workers in placement {}, and the layout has {} stages on {} "
        "workers otherwise",
        schedule.chunks, schedule.depth(), name_of(schedule.placement), shape.stages, shape.ranks));
  }
  PLANARIA_TRY_VOID(proven(state, schedule));
  return schedule;
}

// Fits every pipeline whose workers stand in one of the placements.
std::optional<Schedule> substitute(const PipelineAssignment& pipeline, const Shape& shape) {
  const auto form = form_of(pipeline);
  if (!form) return std::nullopt;
  const PipelineShape ranks{.stages = shape.ranks, .micro_batches = shape.micro_batches};
  if (form->chunks == 1) return one_forward_one_backward(ranks);
  return gpipe(ranks, form->placement, form->chunks);
}

Shape shape_of(const PipelineAssignment& pipeline, int micro_batches) {
  const int stages = static_cast<int>(pipeline.stages.size());
  const int chunks = chunks_in(pipeline);
  return {chunks == 0 ? stages : stages / chunks, stages, micro_batches};
}

// The schedule, its ranks recomputing as asked. A schedule's text and Varuna's rules say so
// themselves.
Result<Schedule> recomputing(const CoordinatorState& state, const PipelineAssignment& pipeline,
                             const std::vector<ShadowAssignment>& shadows, Schedule schedule) {
  const CoordinatorOptions& options = state.options;
  const bool own = options.schedule_text || options.schedule.starts_with("varuna");
  if (options.recompute == Recompute::never || own) return schedule;
  std::vector<WorkerId> workers = workers_of(Layout{{pipeline}, {}});
  std::ranges::sort(workers);
  const Cluster cluster = cluster_of(state, workers);
  PLANARIA_TRY(ranks, recomputing_ranks(pipeline, schedule,
                                        {.profile = &state.profile,
                                         .cluster = &cluster,
                                         .micro_batch_size = state.spec->micro_batch_size,
                                         .lane_size = state.spec->lane_size,
                                         .recompute = options.recompute,
                                         .shadows = shadows}));
  if (ranks.empty()) return schedule;
  return with_recompute(schedule, ranks);
}

Result<Schedule> schedule_alone(const CoordinatorState& state, const Layout& layout,
                                std::size_t index, int micro_batches, Asked asked) {
  const PipelineAssignment& pipeline = layout.pipelines[index];
  const Shape shape = shape_of(pipeline, micro_batches);
  auto schedule = fitting(state, pipeline, shape, asked);
  if (schedule) return recomputing(state, pipeline, layout.shadows, std::move(schedule).value());
  if (asked == Asked::must_fit) return schedule;
  if (auto other = substitute(pipeline, shape)) {
    return recomputing(state, pipeline, layout.shadows, *std::move(other));
  }
  return schedule;
}

/// What a worker of the asked-for kind holds at most, by rank, and whether it splits backwards.
struct Habits {
  std::vector<int> held;
  bool splits = false;
};

Habits habits_of(const std::string& kind, const Shape& shape) {
  const PipelineShape ranks{.stages = shape.ranks, .micro_batches = shape.micro_batches};
  auto built = build_schedule(kind, ranks);
  const Schedule schedule = built ? std::move(built).value() : one_forward_one_backward(ranks);
  Habits habits{{}, kind == "auto"};
  const std::vector<StageMemory> one(static_cast<std::size_t>(schedule.stages()),
                                     {.activation_bytes = 1, .weight_gradient_bytes = 1});
  for (const RankMemory& held : memory_of(schedule, one)) {
    habits.held.push_back(static_cast<int>(held.peak_bytes + schedule.chunks - 1) /
                          schedule.chunks);
  }
  for (const Action& action : schedule.ranks.front()) {
    habits.splits = habits.splits || action.kind == ActionKind::backward_input;
  }
  return habits;
}

// The asked-for text, if it is for pipelines that stand so and compute so much together.
Result<Schedule> shared_text(const std::string& text, const RoutedRequest& request, int all) {
  const int width = static_cast<int>(request.routes.size());
  const int stages = static_cast<int>(request.routes.front().workers.size());
  PLANARIA_TRY(schedule, schedule_from_text(text, "schedule", width));
  const bool fits = schedule.stages() == stages && schedule.micro_batches == all &&
                    schedule.chunks == request.chunks && schedule.placement == request.placement;
  if (fits) return schedule;
  return Fault::invalid_input(fmt::format(
      "{} stages in placement {} and {} micro-batches, must be {} in {} and {}, those of {} "
      "pipelines together",
      schedule.stages(), name_of(schedule.placement), schedule.micro_batches, stages,
      name_of(request.placement), all, width));
}

// One schedule for pipelines that share workers.
Result<Schedule> shared_schedule(const CoordinatorState& state, const Layout& layout,
                                 const std::vector<int>& joined,
                                 const std::vector<int>& micro_batches, Asked asked) {
  const PipelineAssignment& first = layout.pipelines[static_cast<std::size_t>(joined.front())];
  const auto form = form_of(first);
  RoutedRequest request;
  int all = 0;
  for (const int pipeline : joined) {
    const auto& assignment = layout.pipelines[static_cast<std::size_t>(pipeline)];
    if (!form || !stands_as(assignment, *form)) {
      return Fault::invalid_input("workers in other stages than one placement has them");
    }
    Route& route = request.routes.emplace_back();
    route.micro_batches = micro_batches[static_cast<std::size_t>(pipeline)];
    all += route.micro_batches;
    for (const auto& stage : assignment.stages) route.workers.push_back(stage.worker.value);
  }
  request.placement = form->placement;
  request.chunks = form->chunks;
  const auto& text = state.options.schedule_text;
  if (text && asked == Asked::must_fit) return shared_text(*text, request, all);
  request.costs = costs_of(state, first);
  const int share = std::max(1, all / static_cast<int>(joined.size()));
  const Habits habits = habits_of(state.options.schedule, shape_of(first, share));
  request.split = habits.splits;
  // One more, for what is re-routed.
  for (const int held : habits.held) request.held_limit.push_back(held + 1);
  return routed(request);
}

}  // namespace

ChunkForm form_asked(const CoordinatorOptions& options) {
  if (options.schedule_text) {
    const auto schedule = schedule_from_text(*options.schedule_text, "schedule");
    if (!schedule) return {};  // told when a schedule is made
    return {schedule.value().placement, schedule.value().chunks};
  }
  return {placement_of(options.schedule), chunks_of(options.schedule)};
}

Result<Schedules> schedules_for(const CoordinatorState& state, const Layout& layout,
                                const std::vector<int>& micro_batches, Asked asked) {
  Schedules schedules;
  for (int pipeline = 0; pipeline < static_cast<int>(layout.pipelines.size()); ++pipeline) {
    const std::vector<int> joined = joined_with(layout, pipeline);
    const bool any = std::ranges::any_of(
        joined, [&](int one) { return micro_batches[static_cast<std::size_t>(one)] > 0; });
    if (joined.front() != pipeline || !any) continue;
    const auto index = static_cast<std::size_t>(pipeline);
    auto schedule = joined.size() > 1
                        ? shared_schedule(state, layout, joined, micro_batches, asked)
                        : schedule_alone(state, layout, index, micro_batches[index], asked);
    const auto proof = schedule ? proven(state, schedule.value()) : Result<void>(schedule.fault());
    if (!proof) {
      return Fault{proof.fault().kind,
                   fmt::format("schedule of pipeline {}: {}", pipeline, proof.fault().sentence)};
    }
    schedules.emplace(pipeline, std::move(schedule).value());
  }
  return schedules;
}

std::string text_for(const Schedules& schedules, int pipeline) {
  const auto found = schedules.find(pipeline);
  return found == schedules.end() ? std::string() : text_of(found->second);
}

std::vector<int> shares_of(const Layout& layout) {
  std::vector<int> shares;
  for (const auto& pipeline : layout.pipelines) shares.push_back(pipeline.micro_batches);
  return shares;
}

Result<double> simulated_cost(const CoordinatorState& state, const Layout& layout) {
  PLANARIA_TRY(schedules, schedules_for(state, layout, shares_of(layout), Asked::may_not));
  double slowest = 0;
  for (const auto& [pipeline, schedule] : schedules) {
    const auto costs = costs_of(state, layout.pipelines[static_cast<std::size_t>(pipeline)]);
    PLANARIA_TRY(simulated, simulate(schedule, costs));
    slowest = std::max(slowest, simulated.makespan_ms);
  }
  return slowest;
}

}  // namespace planaria::protocol
