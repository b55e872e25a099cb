#include "protocol/toy_process.hpp"

#include <algorithm>

#include <fmt/format.h>

#include <planaria/model/sample_order.hpp>

namespace planaria::protocol {

// ---- I/O side

void ToyProcess::frame_arrived(WorkerId from, const ToyFrame& frame) {
  if (frame.kind == ToyFrame::Kind::state) {
    arrived_[frame.layer][frame.step] = frame.value;
    return;
  }
  if (frame.view < floor_) return;
  frames_[{frame.kind, frame.view, frame.step, frame.layer, from}] = frame;
}

void ToyProcess::abort(ViewNumber view) {
  floor_ = std::max(floor_, view);
  std::erase_if(frames_, [&](const auto& entry) { return entry.second.view < floor_; });
  if (view_.view < floor_) part_ = Part::none;
}

// ---- compute thread

bool ToyProcess::work() {
  switch (part_) {
    case Part::none:
      return begin_command();
    case Part::prepare:
      return finish_preparing();
    case Part::evaluation:
      return exchange_evaluations();
    case Part::activations:
      return exchange_activations();
    case Part::lanes:
      return compute_lane();
    case Part::partials:
      return exchange_partials();
    case Part::shadows:
      return take_shadows();
  }
  return false;
}

bool ToyProcess::begin_command() {
  if (commands_.empty()) return false;
  // The loop is still where it evaluates, and everybody is ready in the view that stands.
  const auto* next = std::get_if<agent::Compute>(&commands_.front());
  if (evaluates_ && next != nullptr && next->view == view_.view && next->view >= floor_) {
    begin_evaluation();
    return true;
  }
  const agent::Command command = std::move(commands_.front());
  commands_.pop_front();
  return std::visit([&](const auto& known) { return carry_out(known); }, command);
}

template <class Other>
bool ToyProcess::carry_out(const Other&) {
  world_.breaks("a command that is not the compute thread's was queued");
  return true;
}

bool ToyProcess::carry_out(const agent::Connect& command) {
  std::vector<WorkerId> unreachable;
  for (const Member& member : command.members) {
    if (!world_.connect(member)) unreachable.push_back(member.worker);
  }
  world_.tell_agent(agent::PeersConnected{unreachable});
  return true;
}

bool ToyProcess::carry_out(const agent::Prepare& command) {
  if (command.view.view < floor_) return true;
  view_ = command.view;
  level_ = Step{view_.first_step.value - 1};
  part_ = Part::prepare;
  // A loop that begins while steps are done again sees none of them.
  if (looped_ == Step{0}) looped_ = evaluation_done_ = view_.again_until;
  if (level_ == Step{0}) {
    evaluates_.reset();  // until the level is there again
    arrived_.clear();
    store_.build(role_layers());
  } else {
    store_.forget_fills();
    // A state of this level is as good whoever sent it in which view.
    for (auto& [layer, states] : arrived_) {
      std::erase_if(states, [&](const auto& entry) { return entry.first != level_; });
    }
    send_moves(view_.moves, level_);
  }
  return true;
}

bool ToyProcess::finish_preparing() {
  std::vector<LayerId> missing;
  for (const LayerId layer : active_layers()) {
    if (!store_.holds(layer)) missing.push_back(layer);
  }
  for (const LayerId layer : missing) {
    const auto moved = std::ranges::any_of(
        view_.moves, [&](const Move& move) { return move.layer == layer && move.to == self_; });
    if (!moved)
      world_.breaks(
          fmt::format("worker {} lacks layer {}, which nobody sends", self_.value, layer.value));
    const auto& states = arrived_[layer];
    if (!states.contains(level_)) return false;
  }
  for (const LayerId layer : missing) store_.install(layer, level_, arrived_[layer].at(level_));
  part_ = Part::none;
  world_.tell_agent(agent::Prepared{view_.view, {}, salvaged()});
  return true;
}

bool ToyProcess::carry_out(const agent::Compute& command) {
  // The loop goes on also where the step is given up at once.
  if (!evaluates_ && command.step > looped_) {
    looped_ = command.step;
    world_.tell_agent(agent::StepStarted{looped_});
  }
  if (command.view < floor_) return true;
  if (command.view != view_.view) world_.breaks("a worker computes in a view it does not know");
  if (command.step != level_.next()) world_.breaks("a worker computes at a wrong level");
  begin_work(command);
  return true;
}

const ToyFrame* ToyProcess::find(ToyFrame::Kind kind, LayerId layer, WorkerId from) const {
  const auto found = frames_.find({kind, view_.view, step_, layer, from});
  return found == frames_.end() ? nullptr : &found->second;
}

bool ToyProcess::take_shadows() {
  const auto shadowed = shadowed_by(view_.layout, self_);
  for (const LayerId layer : shadowed) {
    const WorkerId source = lowest_active_holder(view_.layout, layer);
    if (find(ToyFrame::Kind::shadow, layer, source) != nullptr) continue;
    // Its sender is gone: a view without it comes, or a record that did not need this worker.
    const bool committed = !commands_.empty() && std::holds_alternative<agent::Apply>(commands_[0]);
    if (world_.may_send(source) || !committed) return false;
  }
  ShadowReport report{view_.view, step_, {}};
  for (const LayerId layer : shadowed) {
    const WorkerId source = lowest_active_holder(view_.layout, layer);
    const ToyFrame* frame = find(ToyFrame::Kind::shadow, layer, source);
    if (frame == nullptr) continue;
    const std::uint64_t gradient = frame->value;
    notes_.second.add(frame->notes);
    if (!store_.holds(layer)) {
      for (const auto& [level, state] : arrived_[layer]) {
        if (level <= level_ && store_.fill(layer, level, state, level_)) break;
      }
    }
    if (store_.holds(layer) && store_.held().at(layer).level == level_) {
      store_.set_gradient(layer, gradient);
      report.layers.push_back({layer, gradient});
    } else {
      store_.keep(layer, step_, gradient);
    }
  }
  part_ = Part::none;
  std::erase_if(frames_, [&](const auto& entry) {
    const bool next = entry.second.kind == ToyFrame::Kind::evaluation && entry.second.step == step_;
    return entry.second.view <= view_.view && entry.second.step <= step_ && !next;
  });
  if (!shadowed.empty()) world_.tell_agent(agent::Shadowed{report});
  return true;
}

bool ToyProcess::carry_out(const agent::Apply& command) {
  const CommitRecord& record = command.record;
  const bool in_view = view_.view != ViewNumber{0};
  if (in_view) {
    for (const LayerId layer : active_layers()) {
      const auto held = store_.held().find(layer);
      const bool ready = held != store_.held().end() && held->second.gradient &&
                         held->second.level.next() == record.step;
      if (!ready) {
        world_.breaks(fmt::format("worker {} applies step {} to layer {} without its gradient",
                                  self_.value, record.step.value, layer.value));
      }
    }
    store_.apply(record);
    // A shadow that missed a gradient nobody waited for can follow no longer.
    std::set<LayerId> level_with_run;
    for (const LayerId layer : role_layers()) {
      const auto held = store_.held().find(layer);
      if (held != store_.held().end() && held->second.level == record.step) {
        level_with_run.insert(layer);
      }
    }
    store_.drop_all_but(level_with_run);
  }
  level_ = record.step;
  if (command.next) {
    view_ = *command.next;
    floor_ = std::max(floor_, view_.view);
    std::erase_if(frames_, [&](const auto& entry) { return entry.second.view < floor_; });
  }
  send_moves(command.moves, level_);
  // Steps that are done again are hidden from the loop, which is further.
  const bool evaluates = in_view && looped_ == level_ && evaluation_done_ < level_;
  if (evaluates && world_.evaluates(level_)) {
    evaluates_ = level_;
    if (told_.contains(level_)) {
      world_.tell_agent(agent::EvaluationStarted{level_});
      evaluation_done_ = level_;
      evaluates_.reset();
    } else if (view_.view >= floor_) {
      begin_evaluation();  // else once the newer view has begun
    }
  }
  return true;
}

void ToyProcess::begin_evaluation() {
  world_.tell_agent(agent::EvaluationStarted{*evaluates_});
  part_ = Part::evaluation;
  evaluated_ = active_layers().empty();
  ToyFrame mine{ToyFrame::Kind::evaluation, view_.view, level_, LayerId{-1}};
  for (const LayerId layer : active_layers()) mine.states[layer] = store_.held().at(layer).state;
  if (evaluated_) return;
  for (const WorkerId other : beside(Pipelines::all)) world_.send(other, mine);
}

bool ToyProcess::exchange_evaluations() {
  if (told_.contains(*evaluates_)) {
    evaluation_done_ = *evaluates_;
    evaluates_.reset();
    part_ = Part::none;
    return true;
  }
  if (evaluated_) return false;
  std::map<LayerId, std::uint64_t> states;
  for (const WorkerId other : beside(Pipelines::all)) {
    const auto frame =
        frames_.find({ToyFrame::Kind::evaluation, view_.view, level_, LayerId{-1}, other});
    if (frame == frames_.end()) return false;
    states.insert(frame->second.states.begin(), frame->second.states.end());
  }
  for (const LayerId layer : active_layers()) states[layer] = store_.held().at(layer).state;
  evaluated_ = true;
  if (active_layers().contains(LayerId{static_cast<int>(spec_.layers.size()) - 1})) {
    tell_evaluated(states);
  }
  return true;
}

void ToyProcess::tell_evaluated(const std::map<LayerId, std::uint64_t>& states) {
  const EvaluationOrder order{spec_.dataset_samples, spec_.evaluation_samples,
                              spec_.micro_batch_size};
  const auto pipelines = static_cast<int>(view_.layout.pipelines.size());
  Evaluated evaluated{view_.view, level_, {}};
  for (const Place& place : places_of(view_.layout, self_)) {
    for (MicroBatchId i{place.pipeline}; i.value < order.micro_batches(); i = i.next(pipelines)) {
      evaluated.losses.push_back({i, toy_evaluation_loss(spec_, level_, i, toy_model(states))});
    }
  }
  world_.tell_agent(agent::EvaluationComputed{evaluated});
}

bool ToyProcess::carry_out(const agent::HandOver& command) {
  Applied applied{view_.view, command.level, {}, 4096};
  const bool holds_any = !store_.held().empty();
  if (holds_any && command.level != level_)
    world_.breaks("a worker hands over another level than it has");
  for (const auto& [layer, held] : store_.held()) {
    if (held.level != level_) continue;
    const Json tensor{{"name", spec_.layers[static_cast<std::size_t>(layer.value)].name}};
    applied.layers.push_back({layer, held.state, {tensor}});
  }
  world_.tell_agent(agent::AppliedRecord{applied});
  return true;
}

bool ToyProcess::carry_out(const agent::SendLayerState& command) {
  if (!store_.holds(command.layer)) world_.breaks("a layer is fetched where it is not");
  world_.tell_agent(agent::SentState{command.layer, command.attempt});
  return true;
}

}  // namespace planaria::protocol
