// What a step that begins again need not compute: finished sums, and what was told beside them.
#include <planaria/protocol/salvage.hpp>

#include <planaria/base/check.hpp>

#include "protocol/coordinator_transitions.hpp"
#include "protocol/schedule_choice.hpp"

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
  const auto pipelines = static_cast<int>(salvage->work.size());
  std::vector<int> micro_batches;
  for (int i = 0; i < pipelines; ++i) {
    micro_batches.push_back(static_cast<int>(work.micro_batches_of(i).size()));
  }
  const auto schedules = schedules_for(state, state.view.layout, micro_batches, Asked::may_not);
  // The view has schedules already, and any number of micro-batches has one.
  check(schedules.ok(), "a pipeline that has a schedule has one for any micro-batches");
  for (int i = 0; i < pipelines; ++i) {
    salvage->work[static_cast<std::size_t>(i)].schedule = text_for(schedules.value(), i);
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
