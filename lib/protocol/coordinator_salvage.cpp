// What a step that begins again need not compute: finished sums, and what was told beside them.
#include <planaria/protocol/salvage.hpp>

#include <planaria/base/check.hpp>
#include <planaria/schedule/builders.hpp>
#include <planaria/schedule/validate.hpp>

#include "protocol/coordinator_transitions.hpp"

namespace planaria::protocol {
void note_salvaged(CoordinatorState& state, WorkerId from, const Salvaged& salvaged) {
  if (salvaged.step != state.step || state.compute_whole) return;
  state.sums[from] = salvaged.sums;
  state.told.add(notes_of(salvaged));
}

std::optional<Salvage> salvage_of(const CoordinatorState& state) {
  const LaneTree tree(state.spec->micro_batches, state.spec->lane_size);
  auto salvage = plan_salvage(state.view.layout, tree, layer_count(state), state.sums, state.told);
  if (!salvage) return salvage;
  const StepWork work(state.view.layout, tree, salvage);
  for (std::size_t i = 0; i < salvage->work.size(); ++i) {
    const auto micro_batches = work.micro_batches_of(static_cast<int>(i));
    if (micro_batches.empty()) continue;
    const PipelineShape shape{
        .stages = static_cast<int>(state.view.layout.pipelines[i].stages.size()),
        .micro_batches = static_cast<int>(micro_batches.size())};
    // The view has a schedule of this kind already, and shapes do not change what is proven of it.
    const Schedule schedule = build_schedule(state.options.schedule, shape).value();
    check(validate(schedule, {.lane_size = tree.lane_size()}).ok(), "a kind's own schedule fits");
    salvage->work[i].schedule = text_of(schedule);
  }
  return salvage;
}

Json to_json(const Salvage& salvage) {
  Json sums = Json::array();
  for (const OwnedSum& sum : salvage.sums) {
    sums.push_back({{"layer", sum.layer.value},
                    {"height", sum.node.height},
                    {"index", sum.node.index},
                    {"worker", sum.owner.value}});
  }
  Json lanes = Json::array();
  for (const PipelineWork& work : salvage.work) {
    Json& of_pipeline = lanes.emplace_back(Json::array());
    for (const LaneId lane : work.lanes) of_pipeline.push_back(lane.value);
  }
  return {{"sums", std::move(sums)}, {"lanes", std::move(lanes)}};
}

}  // namespace planaria::protocol
