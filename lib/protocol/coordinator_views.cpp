// Views: the first, those after a loss, and what every view is made of.
#include <algorithm>

#include <fmt/format.h>

#include "protocol/coordinator_transitions.hpp"
#include "protocol/layout_choice.hpp"
#include "protocol/schedule_choice.hpp"

namespace planaria::protocol {
namespace {

using Phase = CoordinatorState::Phase;

std::vector<LayerId> layers_without_holder(const CoordinatorState& state) {
  std::vector<LayerId> layers;
  if (state.step == Step{1}) return layers;  // level 0: anybody builds any
  for (LayerId layer{0}; layer.value < layer_count(state); layer = layer.next()) {
    const auto holders = state.holders.find(layer);
    if (holders == state.holders.end() || holders->second.empty()) layers.push_back(layer);
  }
  return layers;
}

// All go back to level 0, which can always be built, and compute the same steps again.
void roll_back(CoordinatorState& state, const std::vector<LayerId>& lost, Instant now,
               Decision& decision) {
  Json layers = Json::array();
  for (const LayerId layer : lost) layers.push_back(layer.value);
  emit(state, now, "rolled_back",
       {{"from", state.step.value - 1}, {"to", 0}, {"layers", std::move(layers)}}, decision);
  state.step = Step{1};
  state.holders.clear();
  state.last_record.reset();
  state.evaluating.reset();
  state.evaluation_given_up = false;  // the last level is yet to come again
}

// As far as there are others.
std::vector<WorkerId> without_newcomers(const CoordinatorState& state,
                                        const std::vector<WorkerId>& workers) {
  std::vector<WorkerId> older;
  for (const WorkerId worker : workers) {
    if (loop_is_there(state, worker)) older.push_back(worker);
  }
  return older.empty() ? workers : older;
}

// Too few are left: they keep what they have, or the run ends.
void wait_for_workers(CoordinatorState& state, int usable, const std::string& why, Instant now,
                      Decision& decision) {
  const int wanted = std::max(1, state.options.min_workers);
  decision.explanation = fmt::format("{}: {} left, must be at least {}", why, usable, wanted);
  if (state.options.wait_ms > 0) {
    state.phase = Phase::waiting;
    state.waits_until = now + Milliseconds{state.options.wait_ms};
    emit(state, now, "waiting", {{"workers", usable}, {"wanted", wanted}}, decision);
  } else {
    halt(state, 1, decision.explanation, decision);
  }
}

// Before all go back: a shadow that has just been filled may hold what is missing, and nobody has
// heard of it yet. Everybody stops and says what it holds.
void ask_all(CoordinatorState& state, const std::string& why, Decision& decision) {
  state.phase = Phase::asking;
  state.step = Step{state.step.value - 1};
  state.view.members.clear();
  for (const auto& [worker, membership] : state.members) {
    if (!membership.connected) continue;
    state.view.members.push_back(membership.member);
    decision.commands.emplace_back(Send{worker, Halt{why}});
  }
  decision.explanation =
      fmt::format("{}; asks everybody what it holds at level {}", why, state.step.value);
}

// What is finished of it is with the workers, who say so when they are ready.
void forget_step_in_flight(CoordinatorState& state) {
  state.told = {};
  state.sums.clear();
  state.reports.clear();
  state.shadow_reports.clear();
  state.evaluated.clear();
  state.applied.clear();
  state.ready.clear();
  state.owed.clear();
  state.target.reset();
}

}  // namespace

Step step_of_loops(const CoordinatorState& state) {
  return Step{static_cast<std::int64_t>(state.committed.size())}.next();
}

bool loop_is_there(const CoordinatorState& state, WorkerId worker) {
  const Step front = step_of_loops(state);
  if (state.spec->evaluation_samples == 0 || front == Step{1}) return true;
  const auto& first_step = state.members.at(worker).first_step;
  return first_step && *first_step < front;
}

std::vector<WorkerId> usable_workers(const CoordinatorState& state) {
  std::vector<WorkerId> workers;
  for (const auto& [worker, membership] : state.members) {
    if (membership.connected && !membership.out) workers.push_back(worker);
  }
  return workers;
}

Result<NewView> view_of(const CoordinatorState& state, Layout layout,
                        const std::vector<WorkerId>& members) {
  PLANARIA_TRY_VOID(verify_layout(state, layout));  // the planner's answers too (promise 6)
  NewView view{.view = state.view.view.next(),
               .first_step = state.step,
               .layout = std::move(layout),
               .schedules = {},
               .members = {},
               .moves = {},
               .again_until = Step{static_cast<std::int64_t>(state.committed.size())}};
  const bool first = state.view.view == ViewNumber{0};
  PLANARIA_TRY(schedules, schedules_for(state, view.layout, shares_of(view.layout),
                                        first ? Asked::must_fit : Asked::may_not));
  for (int i = 0; i < static_cast<int>(view.layout.pipelines.size()); ++i) {
    view.schedules.push_back(text_for(schedules, i));
  }
  for (const WorkerId worker : members) view.members.push_back(state.members.at(worker).member);
  return view;
}

void announce_view(const CoordinatorState& state, const std::string& explanation, bool planned,
                   Instant now, Decision& decision) {
  Json members = Json::array();
  for (const auto& member : state.view.members) {
    members.push_back({{"worker", member.worker.value}, {"address", member.address}});
  }
  emit(state, now, "view",
       {{"layout", to_json(state.view.layout)},
        {"members", std::move(members)},
        {"first_step", state.view.first_step.value},
        {"moves", state.view.moves.size()},
        {"planned", planned},
        {"explanation", explanation}},
       decision);
}

void warn_if_at_risk(const CoordinatorState& state, Instant now, Decision& decision) {
  if (state.step == Step{1}) return;  // level 0 is never lost
  std::size_t fewest = static_cast<std::size_t>(state.options.commit_domains);
  Json layers = Json::array();
  for (LayerId layer{0}; layer.value < layer_count(state); layer = layer.next()) {
    const auto holders = state.holders.find(layer);
    const std::size_t count = holders == state.holders.end() ? 0 : holders->second.size();
    if (count >= static_cast<std::size_t>(state.options.commit_domains)) continue;
    layers.push_back(layer.value);
    fewest = std::min(fewest, count);
  }
  if (layers.empty()) return;
  emit(state, now, "at_risk", {{"layers", std::move(layers)}, {"domains", fewest}}, decision);
}

void begin_first_view(CoordinatorState& state, Instant now, Decision& decision) {
  auto made = [&]() -> Result<Choice> {
    if (state.spec->steps < 1) {
      return Fault::invalid_input(fmt::format("steps: {}, must be at least 1", state.spec->steps));
    }
    return first_layout(state);
  }();
  if (made && state.options.schedule == "any") state.options.schedule = made.value().schedule;
  Result<NewView> view = made ? view_of(state, made.value().layout, usable_workers(state))
                              : Result<NewView>(made.fault());
  if (!view) return end_run(state, 2, view.fault().sentence, decision);
  state.view = std::move(view).value();
  state.plan_wanted = false;
  state.phase = Phase::preparing;
  for (auto& [worker, membership] : state.members) membership.first_step = state.step;
  announce_view(state, made.value().explanation, false, now, decision);
  send_to_all(state, state.view, decision);
  decision.explanation = fmt::format("view 1: {}", made.value().explanation);
}

void begin_unplanned_view(CoordinatorState& state, const std::string& why, Instant now,
                          Decision& decision) {
  forget_step_in_flight(state);
  // After the last record, or a halt, `step` is the level: what follows is computed again.
  if (state.phase == Phase::applying || state.phase == Phase::storing) {
    state.step = state.step.next();
    state.phase = Phase::preparing;
  }
  const bool asked = state.phase == Phase::asking;
  if (asked) state.step = state.step.next();
  const std::vector<WorkerId> workers = usable_workers(state);
  const auto usable = static_cast<int>(workers.size());
  if (usable < std::max(1, state.options.min_workers)) {
    return wait_for_workers(state, usable, why, now, decision);
  }
  if (const auto lost = layers_without_holder(state); !lost.empty()) {
    if (!asked) return ask_all(state, why, decision);
    roll_back(state, lost, now, decision);
  }
  state.filling.clear();  // states that are under way are sent again if they are still wanted
  auto choice = layout_after_loss(state, without_newcomers(state, workers));
  Result<NewView> view =
      choice ? view_of(state, choice.value().layout, workers) : Result<NewView>(choice.fault());
  if (!view) return halt(state, 1, fmt::format("{}: {}", why, view.fault().sentence), decision);
  view.value().moves = choice.value().moves;
  const Layout before = state.view.layout;
  state.view = std::move(view).value();
  state.phase = Phase::preparing;
  state.plan_wanted = true;
  for (const WorkerId worker : workers) {
    auto& first_step = state.members.at(worker).first_step;
    if (!first_step) first_step = step_of_loops(state);
  }
  std::set<WorkerId> hearers(workers.begin(), workers.end());
  for (const Move& move : state.view.moves) hearers.insert(move.from);
  for (const WorkerId worker : hearers) decision.commands.emplace_back(Send{worker, state.view});
  const auto explanation = fmt::format("{}; {}", why, choice.value().explanation);
  announce_view(state, explanation, false, now, decision);
  state.migration.reset();
  begin_migration(state, state.view.moves, kind_of_change(before, state.view.layout), now,
                  decision);
  warn_if_at_risk(state, now, decision);
  decision.explanation = fmt::format("view {}: {}", state.view.view.value, explanation);
}

void go_on_if_answered(CoordinatorState& state, Instant now, Decision& decision) {
  if (const auto missing = not_applied(state); !missing.empty()) {
    decision.explanation = fmt::format("waits for what {} {}", text_of(missing),
                                       missing.size() == 1 ? "holds" : "hold");
    return;
  }
  // After the last record there is nothing to compute, unless a layer is gone for good.
  const bool at_the_end = state.last_record && state.last_record->last;
  if (at_the_end && every_layer_held(state)) {
    state.phase = Phase::applying;
    return store_if_complete(state, decision);
  }
  begin_unplanned_view(state, "everybody has said what it holds", now, decision);
}

Decision on_ready(CoordinatorState& state, WorkerId from, const Ready& ready, Instant now) {
  const auto what = fmt::format("ready of worker {}", from.value);
  if (state.phase != Phase::preparing) {
    return ignored(what, fmt::format("the run is {}", name_of(state.phase)));
  }
  if (ready.view != state.view.view) {
    return ignored(what,
                   fmt::format("view {}, must be {}", ready.view.value, state.view.view.value));
  }
  state.ready.insert(from);
  for (const LayerBytes& held : ready.held) state.layer_bytes[held.layer] = held.bytes;
  if (ready.salvaged) note_salvaged(state, from, *ready.salvaged);
  // What it was sent it holds from now on, whatever becomes of the view.
  for (const Move& move : state.view.moves) {
    if (move.to == from) state.holders[move.layer].insert(from);
  }
  std::vector<WorkerId> missing;
  for (const Member& member : state.view.members) {
    if (!state.ready.contains(member.worker)) missing.push_back(member.worker);
  }
  if (!missing.empty()) {
    return {{},
            fmt::format("view {} waits: {} {} not ready", state.view.view.value, text_of(missing),
                        missing.size() == 1 ? "is" : "are")};
  }
  state.phase = Phase::training;
  state.step_began = now;
  if (state.step == Step{1}) {
    state.holders.clear();
    for (LayerId layer{0}; layer.value < layer_count(state); layer = layer.next()) {
      for (const WorkerId worker : active_on(state, layer)) state.holders[layer].insert(worker);
    }
    for (const ShadowAssignment& shadow : state.view.layout.shadows) {
      for (const LayerId layer : shadow.layers) state.holders[layer].insert(shadow.worker);
    }
  }
  Decision decision{{}, fmt::format("step {} begins: all workers are ready", state.step.value)};
  end_migration(state, now, decision);
  const auto salvage = salvage_of(state);
  for (const Member& member : state.view.members) {
    decision.commands.emplace_back(
        Send{member.worker, Begin{state.view.view, state.step, salvage}});
  }
  if (state.view.view > ViewNumber{1}) {
    Json fields{{"moved", state.view.moves.size()}};
    if (salvage) fields["salvage"] = to_json(*salvage);
    emit(state, now, "resumed", std::move(fields), decision);
  }
  return decision;
}

}  // namespace planaria::protocol
