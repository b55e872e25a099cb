// What a step that begins again need not compute: finished sums, and what was told beside them.
#include <planaria/protocol/salvage.hpp>

#include <planaria/base/check.hpp>
#include <planaria/schedule/builders.hpp>
#include <planaria/schedule/validate.hpp>

#include "protocol/coordinator_transitions.hpp"

namespace planaria::protocol {
namespace {

template <class Value>
std::set<MicroBatchId> keys_of(const std::map<MicroBatchId, Value>& values) {
  std::set<MicroBatchId> keys;
  for (const auto& [key, value] : values) keys.insert(keys.end(), key);
  return keys;
}

}  // namespace

void note_salvaged(CoordinatorState& state, WorkerId from, const Salvaged& salvaged) {
  if (salvaged.step != state.step || state.compute_whole) return;
  state.sums[from] = salvaged.sums;
  StepNotes& told = state.told;
  for (const auto& [micro_batch, loss] : salvaged.losses) told.losses[micro_batch] = loss;
  for (const auto& [micro_batch, hash] : salvaged.read) told.read[micro_batch] = hash;
  for (const auto& [micro_batch, hash] : salvaged.labelled) told.labelled[micro_batch] = hash;
}

std::optional<Salvage> salvage_of(const CoordinatorState& state) {
  const Finished finished{.sums = state.sums,
                          .losses = keys_of(state.told.losses),
                          .read = keys_of(state.told.read),
                          .labelled = keys_of(state.told.labelled)};
  const LaneTree tree(state.spec->micro_batches, state.spec->lane_size);
  auto salvage = plan_salvage(state.view.layout, tree, layer_count(state), finished);
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
