#include "protocol/schedule_choice.hpp"

#include <optional>

#include <fmt/format.h>

#include <planaria/base/check.hpp>
#include <planaria/schedule/automatic.hpp>
#include <planaria/schedule/builders.hpp>
#include <planaria/schedule/validate.hpp>

namespace planaria::protocol {
namespace {

/// A pipeline as a schedule sees it.
struct Shape {
  int ranks = 0;
  int stages = 0;
  int micro_batches = 0;
};

// Costs are the layers', alike for F, B and W; memory is twice 1F1B's, as ZB-H2's. The search is
// short and counted in moves, so that every coordinator finds the same.
Result<Schedule> automatic_for(const CoordinatorState& state, const PipelineAssignment& pipeline,
                               const Shape& shape, Asked asked) {
  AutomaticRequest request{.micro_batches = shape.micro_batches};
  for (const StageAssignment& stage : pipeline.stages) {
    double cost = 0;
    for (LayerId layer = stage.layers.first; layer <= stage.layers.last; layer = layer.next()) {
      cost += state.spec->layers[static_cast<std::size_t>(layer.value)].cost;
    }
    request.costs.push_back({cost, cost, cost, 0});
  }
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
  PLANARIA_TRY_VOID(validate(schedule, {.lane_size = state.spec->lane_size}));
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

}  // namespace

ChunkForm form_asked(const CoordinatorOptions& options) {
  if (options.schedule_text) {
    const auto schedule = schedule_from_text(*options.schedule_text, "schedule");
    if (!schedule) return {};  // told when a schedule is made
    return {schedule.value().placement, schedule.value().chunks};
  }
  return {placement_of(options.schedule), chunks_of(options.schedule)};
}

Result<Schedule> schedule_for(const CoordinatorState& state, const Layout& layout,
                              std::size_t pipeline, int micro_batches, Asked asked) {
  const PipelineAssignment& assignment = layout.pipelines[pipeline];
  const int stages = static_cast<int>(assignment.stages.size());
  const int chunks = chunks_in(assignment);
  const Shape shape{chunks == 0 ? stages : stages / chunks, stages, micro_batches};
  auto schedule = fitting(state, assignment, shape, asked);
  if (schedule) return schedule;
  if (asked == Asked::may_not) {
    if (auto other = substitute(assignment, shape)) {
      PLANARIA_TRY_VOID(validate(*other, {.lane_size = state.spec->lane_size}));
      return *std::move(other);
    }
  }
  return Fault{schedule.fault().kind,
               fmt::format("schedule of pipeline {}: {}", pipeline, schedule.fault().sentence)};
}

}  // namespace planaria::protocol
