#include <planaria/protocol/salvage.hpp>

#include <algorithm>
#include <tuple>

#include <planaria/base/check.hpp>

namespace planaria::protocol {
namespace {

bool covers_lanes(const LaneTree& tree, TreeNode node) {
  const auto lanes = tree.lanes_under(node);
  // Only the lowest name of a sum is ever used (model/lanes.hpp).
  return lanes && tree.cover(*lanes) == std::vector{node};
}

template <class Value>
bool all_told(const std::map<MicroBatchId, Value>& told, const LaneTree& tree, LaneRange lanes) {
  const MicroBatchRange range = tree.micro_batches_of(lanes);
  for (MicroBatchId id = range.first; id <= range.last; id = id.next()) {
    if (!told.contains(id)) return false;
  }
  return true;
}

// What a layer's sum stands for beside gradients must be known too, or it is computed for that.
bool counts(const LayerSum& sum, const LaneTree& tree, int layers, const StepNotes& notes) {
  const LaneRange lanes = *tree.lanes_under(sum.node);
  if (sum.layer.value == 0 && !all_told(notes.read, tree, lanes)) return false;
  if (sum.layer.value != layers - 1) return true;
  return all_told(notes.losses, tree, lanes) && all_told(notes.labelled, tree, lanes);
}

std::vector<OwnedSum> candidates(const Layout& layout, const LaneTree& tree, int layers,
                                 const FinishedSums& finished, const StepNotes& notes) {
  std::vector<OwnedSum> sums;
  for (const auto& [worker, kept] : finished) {
    for (const LayerSum& sum : kept) {
      const auto active = active_holders(layout, sum.layer);
      const bool computes = std::ranges::find(active, worker) != active.end();
      const bool fits = computes && sum.layer.value < layers && covers_lanes(tree, sum.node) &&
                        counts(sum, tree, layers, notes);
      if (fits) sums.push_back({sum.layer, sum.node, worker});
    }
  }
  // Two nodes of a tree are disjoint, or one holds the other: the higher first, and nothing that is
  // covered is left out.
  std::ranges::sort(sums, {}, [](const OwnedSum& sum) {
    return std::tuple(sum.layer, -sum.node.height, sum.node.index, sum.owner);
  });
  return sums;
}

// Lanes that nobody has for every layer, ascending.
std::vector<LaneId> lanes_to_compute(const LaneTree& tree, int layers,
                                     const std::map<LayerId, std::set<LaneId>>& done) {
  std::vector<LaneId> lanes;
  for (LaneId lane{0}; lane.value < tree.lanes(); lane = lane.next()) {
    for (LayerId layer{0}; layer.value < layers; layer = layer.next()) {
      const auto found = done.find(layer);
      if (found != done.end() && found->second.contains(lane)) continue;
      lanes.push_back(lane);
      break;
    }
  }
  return lanes;
}

// So many lanes for each pipeline that whoever takes longest, at the speeds that the layout's
// shares stand for, takes as short as can be.
std::vector<PipelineWork> share_out(const Layout& layout, const std::vector<LaneId>& lanes) {
  std::vector<int> counts(layout.pipelines.size(), 0);
  const auto time_with_one_more = [&](std::size_t i) {
    return static_cast<double>(counts[i] + 1) / layout.pipelines[i].micro_batches;
  };
  for (std::size_t given = 0; given < lanes.size(); ++given) {
    std::size_t next = 0;
    for (std::size_t i = 1; i < counts.size(); ++i) {
      if (time_with_one_more(i) < time_with_one_more(next)) next = i;
    }
    ++counts[next];
  }
  std::vector<PipelineWork> work;
  auto next = lanes.begin();
  for (const int count : counts) {
    work.push_back({{next, next + count}, ""});
    next += count;
  }
  return work;
}

}  // namespace

void StepNotes::add(const StepNotes& others) {
  losses.insert(others.losses.begin(), others.losses.end());
  read.insert(others.read.begin(), others.read.end());
  labelled.insert(others.labelled.begin(), others.labelled.end());
}

Salvaged salvaged(Step step, std::vector<LayerSum> sums, const StepNotes& notes) {
  Salvaged salvaged{
      .step = step, .sums = std::move(sums), .losses = {}, .read = {}, .labelled = {}};
  for (const auto& [id, loss] : notes.losses) salvaged.losses.push_back({id, loss});
  for (const auto& [id, hash] : notes.read) salvaged.read.push_back({id, hash});
  for (const auto& [id, hash] : notes.labelled) salvaged.labelled.push_back({id, hash});
  return salvaged;
}

StepNotes notes_of(const Salvaged& salvaged) {
  StepNotes notes;
  for (const auto& [id, loss] : salvaged.losses) notes.losses[id] = loss;
  for (const auto& [id, hash] : salvaged.read) notes.read[id] = hash;
  for (const auto& [id, hash] : salvaged.labelled) notes.labelled[id] = hash;
  return notes;
}

std::optional<Salvage> plan_salvage(const Layout& layout, const LaneTree& tree, int layers,
                                    const FinishedSums& finished, const StepNotes& notes) {
  Salvage salvage;
  std::map<LayerId, std::set<LaneId>> done;
  for (const OwnedSum& sum : candidates(layout, tree, layers, finished, notes)) {
    const LaneRange lanes = *tree.lanes_under(sum.node);
    auto& of_layer = done[sum.layer];
    if (of_layer.contains(lanes.first)) continue;  // within a sum that is used
    for (LaneId lane = lanes.first; lane <= lanes.last; lane = lane.next()) of_layer.insert(lane);
    salvage.sums.push_back(sum);
  }
  if (salvage.sums.empty()) return std::nullopt;
  std::ranges::sort(salvage.sums);
  salvage.work = share_out(layout, lanes_to_compute(tree, layers, done));
  return salvage;
}

StepWork::StepWork(Layout layout, LaneTree tree, std::optional<Salvage> salvage)
    : layout_(std::move(layout)), tree_(tree), salvage_(std::move(salvage)) {
  for (std::size_t i = 0; i < layout_.pipelines.size(); ++i) {
    if (salvage_) {
      lanes_.push_back(salvage_->work.at(i).lanes);
      continue;
    }
    const auto share = planaria::micro_batches_of(layout_, static_cast<int>(i));
    auto& lanes = lanes_.emplace_back();
    const LaneRange range = tree_.lanes_of(share).value();
    for (LaneId lane = range.first; lane <= range.last; lane = lane.next()) lanes.push_back(lane);
  }
  for (std::size_t i = 0; i < lanes_.size(); ++i) {
    for (const LaneId lane : lanes_[i]) pipeline_of_[lane] = static_cast<int>(i);
  }
  if (!salvage_) return;
  for (const OwnedSum& sum : salvage_->sums) {
    const auto lanes = tree_.lanes_under(sum.node);
    check(lanes.has_value(), "a finished sum over lanes that there are");
    for (LaneId lane = lanes->first; lane <= lanes->last; lane = lane.next()) {
      check(done_[sum.layer].insert(lane).second, "finished sums of a layer are disjoint");
    }
  }
}

std::vector<MicroBatchId> StepWork::micro_batches_of(int pipeline) const {
  return under(lanes_of(pipeline));
}

std::vector<MicroBatchId> StepWork::micro_batches_of(WorkerId worker) const {
  return under(lanes_of(worker));
}

std::vector<MicroBatchId> StepWork::under(const std::vector<LaneId>& lanes) const {
  std::vector<MicroBatchId> ids;
  for (const LaneId lane : lanes) {
    const MicroBatchRange range = tree_.micro_batches_of(lane);
    for (MicroBatchId id = range.first; id <= range.last; id = id.next()) ids.push_back(id);
  }
  return ids;
}

int StepWork::pipeline_of(MicroBatchId micro_batch) const {
  return pipeline_of_.at(tree_.lane_of(micro_batch));
}

std::vector<LaneId> StepWork::lanes_of(WorkerId worker) const {
  std::vector<LaneId> lanes;
  for (const Place& place : places_of(layout_, worker)) {
    const auto& more = lanes_of(place.pipeline);
    lanes.insert(lanes.end(), more.begin(), more.end());
  }
  std::ranges::sort(lanes);
  return lanes;
}

bool StepWork::needs(LayerId layer, LaneId lane) const {
  const auto found = done_.find(layer);
  return found == done_.end() || !found->second.contains(lane);
}

LayerId StepWork::lowest_needed(LaneId lane) const {
  const LayerId last = layout_.pipelines.front().stages.back().layers.last;
  for (LayerId layer{0}; layer <= last; layer = layer.next()) {
    if (needs(layer, lane)) return layer;
  }
  check_failed("a lane is computed that no layer needs", "");
}

LayerId StepWork::lowest_needed(MicroBatchId micro_batch) const {
  return lowest_needed(tree_.lane_of(micro_batch));
}

std::vector<TreeNode> StepWork::finished(LayerId layer, WorkerId worker) const {
  std::vector<TreeNode> nodes;
  if (!salvage_) return nodes;
  for (const OwnedSum& sum : salvage_->sums) {
    if (sum.layer == layer && sum.owner == worker) nodes.push_back(sum.node);
  }
  return nodes;
}

std::vector<TreeNode> StepWork::contributed(LayerId layer, WorkerId worker) const {
  const std::vector<Place> places = places_of(layout_, worker);
  check(!places.empty(), "a holder without a place in the layout");
  std::vector<TreeNode> nodes;
  if (!salvage_) {
    for (const Place& place : places) {
      const std::vector<LaneId>& lanes = lanes_of(place.pipeline);
      const auto whole = tree_.cover({lanes.front(), lanes.back()});
      nodes.insert(nodes.end(), whole.begin(), whole.end());
    }
    if (places.size() > 1) return added_up(tree_, nodes);
    std::ranges::sort(nodes);
    return nodes;
  }
  nodes = finished(layer, worker);
  for (const LaneId lane : lanes_of(worker)) {
    if (needs(layer, lane)) nodes.push_back({0, lane.value});
  }
  return added_up(tree_, nodes);
}

std::vector<MicroBatchId> StepWork::contributed_micro_batches(LayerId layer,
                                                              WorkerId worker) const {
  std::vector<MicroBatchId> ids;
  for (const TreeNode node : contributed(layer, worker)) {
    const MicroBatchRange range = tree_.micro_batches_of(*tree_.lanes_under(node));
    for (MicroBatchId id = range.first; id <= range.last; id = id.next()) ids.push_back(id);
  }
  std::ranges::sort(ids);
  return ids;
}

}  // namespace planaria::protocol
