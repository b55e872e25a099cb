// A simulated worker's part of a step: lane by lane, so that it may be given up in the middle.
#include "protocol/toy_process.hpp"

#include <algorithm>

#include <fmt/format.h>

namespace planaria::protocol {

void ToyProcess::begin_work(const agent::Compute& command) {
  step_ = command.step;
  part_ = Part::shadows;
  lane_ = 0;
  work_.emplace(view_.layout, toy_tree(spec_), command.salvage);
  if (notes_.first != step_) notes_ = {step_, {}};
  std::map<LayerId, std::vector<TreeNode>> finished;
  for (const LayerId layer : active_layers()) finished[layer] = work_->finished(layer, self_);
  if (!store_.begin_step(step_, finished)) {
    world_.breaks(fmt::format("worker {} lacks a sum that counts as finished", self_.value));
  }
  if (finished.empty()) return;
  if (work_->lanes_of(self_).empty()) return send_partials();
  part_ = Part::activations;
  ToyFrame mine{ToyFrame::Kind::activation, view_.view, step_, LayerId{-1}};
  for (const LayerId layer : active_layers()) {
    const auto held = store_.held().find(layer);
    if (held == store_.held().end() || held->second.level != level_) {
      world_.breaks(fmt::format("worker {} computes layer {}, which it has not at level {}",
                                self_.value, layer.value, level_.value));
      part_ = Part::none;
      return;
    }
    mine.states[layer] = held->second.state;
  }
  for (const WorkerId other : beside(Pipelines::with_lanes)) world_.send(other, mine);
}

bool ToyProcess::exchange_activations() {
  std::map<LayerId, std::uint64_t> states;
  for (const WorkerId other : beside(Pipelines::with_lanes)) {
    const ToyFrame* frame = find(ToyFrame::Kind::activation, LayerId{-1}, other);
    if (frame == nullptr) return false;
    states.insert(frame->states.begin(), frame->states.end());
  }
  for (const LayerId layer : active_layers()) states[layer] = store_.held().at(layer).state;
  model_ = toy_model(states);
  part_ = Part::lanes;
  return true;
}

bool ToyProcess::compute_lane() {
  const auto lanes = work_->lanes_of(self_);
  const LaneId lane = lanes[lane_++];
  for (const LayerId layer : active_layers()) {
    if (!compute_in(layer, lane)) return true;
  }
  const MicroBatchRange range = toy_tree(spec_).micro_batches_of(lane);
  for (MicroBatchId i = range.first; i <= range.last; i = i.next()) note(i);
  if (lane_ == lanes.size()) send_partials();
  return true;
}

// False where user code throws.
bool ToyProcess::compute_in(LayerId layer, LaneId lane) {
  std::uint64_t sum = 0;
  const MicroBatchRange range = toy_tree(spec_).micro_batches_of(lane);
  for (MicroBatchId i = range.first; i <= range.last; i = i.next()) {
    world_.computed(step_, i, layer);
    if (world_.throws(step_, i, layer)) {
      part_ = Part::none;
      world_.tell_agent(
          agent::WorkerFailed{Failed{"bad sample", FaultKind::unavailable, step_, i, layer}});
      return false;
    }
    sum += store_.part(layer, step_, i, model_);
  }
  // Else it was computed only for what others lack.
  if (work_->needs(layer, lane)) store_.add(layer, lane, sum);
  return true;
}

void ToyProcess::note(MicroBatchId micro_batch) {
  const auto layers = active_layers();
  const std::uint64_t sample = toy_sample(spec_, step_, micro_batch);
  if (layers.contains(LayerId{0})) notes_.second.read[micro_batch] = sample;
  if (!layers.contains(LayerId{static_cast<int>(spec_.layers.size()) - 1})) return;
  notes_.second.labelled[micro_batch] = sample + 1;
  notes_.second.losses[micro_batch] = toy_loss(spec_, step_, micro_batch, model_);
}

void ToyProcess::send_partials() {
  for (const LayerId layer : active_layers()) {
    const ToyFrame mine{.kind = ToyFrame::Kind::partial,
                        .view = view_.view,
                        .step = step_,
                        .layer = layer,
                        .sums = store_.sums(layer),
                        .notes = notes_.second};
    frames_[{ToyFrame::Kind::partial, view_.view, step_, layer, self_}] = mine;
    for (const WorkerId other : active_holders(view_.layout, layer)) {
      if (other != self_) world_.send(other, mine);
    }
  }
  part_ = Part::partials;
}

bool ToyProcess::exchange_partials() {
  std::map<LayerId, std::uint64_t> gradients;
  for (const LayerId layer : active_layers()) {
    if (!add_partials(layer, gradients[layer])) return false;
  }
  for (const auto& [layer, gradient] : gradients) {
    store_.set_gradient(layer, gradient);
    if (lowest_active_holder(view_.layout, layer) != self_) continue;
    for (const WorkerId shadow : shadows_of(view_.layout, layer)) {
      world_.send(shadow, {.kind = ToyFrame::Kind::shadow,
                           .view = view_.view,
                           .step = step_,
                           .layer = layer,
                           .value = gradient,
                           .notes = notes_.second});
    }
  }
  report();
  part_ = Part::shadows;
  return true;
}

// False while one is missing.
bool ToyProcess::add_partials(LayerId layer, std::uint64_t& gradient) {
  TreeFold<std::uint64_t> fold(toy_tree(spec_));
  for (const WorkerId holder : active_holders(view_.layout, layer)) {
    const ToyFrame* frame = find(ToyFrame::Kind::partial, layer, holder);
    if (frame == nullptr) return false;
    std::vector<TreeNode> nodes;
    for (const auto& [node, sum] : frame->sums) nodes.push_back(node);
    if (nodes != work_->contributed(layer, holder)) {
      world_.breaks(fmt::format("worker {} has other sums of layer {} than worker {} expects",
                                holder.value, layer.value, self_.value));
    }
    for (const auto& [node, sum] : frame->sums) fold.put(node, sum, toy_add);
    notes_.second.add(frame->notes);
  }
  if (!fold.complete()) world_.breaks(fmt::format("the sum of layer {} misses lanes", layer.value));
  gradient = fold.held().empty() ? 0 : fold.held().begin()->second;
  return true;
}

void ToyProcess::report() {
  Report report;
  report.view = view_.view;
  report.step = step_;
  for (const LayerId layer : active_layers()) {
    const std::uint64_t gradient = *store_.held().at(layer).gradient;
    report.layers.push_back({layer, toy_norm(gradient), gradient});
  }
  const StepNotes& notes = notes_.second;
  const auto layers = active_layers();
  const bool first = layers.contains(LayerId{0});
  const bool last = layers.contains(LayerId{static_cast<int>(spec_.layers.size()) - 1});
  for (const MicroBatchId i : work_->micro_batches_of(self_)) {
    if (first) report.read.push_back({i, notes.read.at(i)});
    if (last) report.labelled.push_back({i, notes.labelled.at(i)});
    if (last) report.losses.push_back({i, notes.losses.at(i)});
  }
  report.rate = toy_rate(step_);
  report.resident_bytes = 1000 + step_.value;
  world_.tell_agent(agent::Computed{report});
}

// What is there of the step that the view begins again.
std::optional<Salvaged> ToyProcess::salvaged() const {
  const Step step = level_.next();
  if (store_.sums_step() != step || notes_.first != step) return std::nullopt;
  std::vector<LayerSum> sums;
  for (const LayerId layer : active_layers()) {
    for (const auto& [node, sum] : store_.sums(layer)) sums.push_back({layer, node});
  }
  return protocol::salvaged(step, std::move(sums), notes_.second);
}

}  // namespace planaria::protocol
