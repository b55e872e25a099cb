// After the last record: levels, agreement of holders, and the state of every layer.
#include <algorithm>
#include <map>

#include <fmt/format.h>

#include "protocol/coordinator_transitions.hpp"

namespace planaria::protocol {
namespace {

using Phase = CoordinatorState::Phase;

const LayerState* state_of(const Applied& applied, LayerId layer) {
  for (const LayerState& candidate : applied.layers) {
    if (candidate.layer == layer) return &candidate;
  }
  return nullptr;
}

// Nothing where `applied` stands at the last step with all that the worker holds.
std::optional<std::string> misfit(const CoordinatorState& state, WorkerId from,
                                  const Applied& applied) {
  const bool holds_any = std::ranges::any_of(
      state.holders, [&](const auto& entry) { return entry.second.contains(from); });
  if (!holds_any) return std::nullopt;  // its level says nothing
  if (applied.step != state.step) {
    return fmt::format("worker {} stands at level {} after step {}, the last", from.value,
                       applied.step.value, state.step.value);
  }
  for (LayerId layer{0}; layer.value < layer_count(state); layer = layer.next()) {
    if (!holds(state, from, layer) || state_of(applied, layer) != nullptr) continue;
    return fmt::format("worker {} did not report the state of {} at the end", from.value,
                       text_of(state, layer));
  }
  return std::nullopt;
}

// Layers in order, each as its lowest holder has it; `differs` gets the first two holders that do.
StoreModel store_model(const CoordinatorState& state, std::string& differs) {
  StoreModel store;
  store.attempt = state.attempt;
  for (LayerId layer{0}; layer.value < layer_count(state); layer = layer.next()) {
    const auto& holders = state.holders.at(layer);
    const WorkerId first = *holders.begin();
    const LayerState& lowest = *state_of(state.applied.at(first), layer);
    for (const WorkerId holder : holders) {
      const bool same = state_of(state.applied.at(holder), layer)->xxh3 == lowest.xxh3;
      if (same || !store.holders_agree) continue;
      store.holders_agree = false;
      differs = fmt::format("holders of {} differ at the end: workers {} and {}",
                            text_of(state, layer), first.value, holder.value);
    }
    store.layers.push_back(lowest);
  }
  return store;
}

WorkerId source_of(const CoordinatorState& state, LayerId layer) {
  return *state.holders.at(layer).begin();
}

void ask_for_layer(CoordinatorState& state, Decision& decision) {
  const WorkerId holder = state.storing_from = source_of(state, state.storing);
  decision.commands.emplace_back(Send{holder, SendState{state.storing, state.attempt}});
  decision.explanation =
      fmt::format("{} is fetched from worker {}", text_of(state, state.storing), holder.value);
}

}  // namespace

Decision on_applied(CoordinatorState& state, WorkerId from, const Applied& applied, Instant now) {
  const auto what = fmt::format("applied of worker {}", from.value);
  if (state.phase != Phase::applying && state.phase != Phase::asking) {
    return ignored(what, fmt::format("the run is {}", name_of(state.phase)));
  }
  if (const auto wrong = misfit(state, from, applied)) return end_run(state, 1, *wrong);
  state.applied[from] = applied;
  // Shadows that nobody waited for hold as well.
  for (const LayerState& layer : applied.layers) {
    const bool fits = applied.step == state.step && layer.layer.value < layer_count(state);
    if (fits) state.holders[layer.layer].insert(from);
  }
  Decision decision;
  if (state.phase == Phase::asking) {
    go_on_if_answered(state, now, decision);
  } else {
    store_if_complete(state, decision);
  }
  return decision;
}

std::vector<WorkerId> not_applied(const CoordinatorState& state) {
  std::vector<WorkerId> missing;
  for (const Member& member : state.view.members) {
    if (!state.applied.contains(member.worker)) missing.push_back(member.worker);
  }
  return missing;
}

void store_if_complete(CoordinatorState& state, Decision& decision) {
  // Idle ones too: how much memory a worker without layers needs is a figure of the run.
  const auto missing = not_applied(state);
  if (!missing.empty()) {
    decision.explanation = fmt::format("the end waits: {} {} not applied step {}", text_of(missing),
                                       missing.size() == 1 ? "has" : "have", state.step.value);
    return;
  }
  if (!every_layer_held(state)) {
    return end_run(state, state.outcome.status, state.outcome.sentence, decision);
  }
  state.phase = Phase::storing;
  state.storing = LayerId{0};
  ++state.attempt;
  std::string differs;
  decision.commands.emplace_back(store_model(state, differs));
  // Unequal holders are the graver news, whatever the run would have ended with.
  if (!differs.empty()) state.outcome = {1, differs};
  ask_for_layer(state, decision);
}

Decision on_state_sent(CoordinatorState& state, WorkerId from, const StateSent& sent) {
  const auto what = fmt::format("state of layer {} from worker {}", sent.layer.value, from.value);
  if (state.phase != Phase::storing) {
    return ignored(what, fmt::format("the run is {}", name_of(state.phase)));
  }
  if (sent.attempt != state.attempt) return ignored(what, "storing has begun anew since");
  const bool all_stored = state.storing.value >= layer_count(state);
  if (all_stored || sent.layer != state.storing || from != state.storing_from) {
    return ignored(what, "nobody asked for it");
  }
  Decision decision{{LayerStored{sent.layer}}, ""};
  state.storing = state.storing.next();
  if (state.storing.value < layer_count(state)) {
    ask_for_layer(state, decision);
  } else {
    decision.explanation = "every layer has arrived: the end waits for the model to be stored";
  }
  return decision;
}

Decision on_model_stored(CoordinatorState& state, const ModelStored& stored) {
  if (stored.fault) {
    return end_run(state, 1, fmt::format("the model was not stored: {}", stored.fault->sentence));
  }
  if (state.phase != Phase::storing || state.storing.value < layer_count(state)) {
    return ignored("model stored", "its layers have not all arrived");
  }
  Decision decision = end_run(state, state.outcome.status, state.outcome.sentence);
  if (state.outcome.status == 0) {
    decision.explanation = fmt::format("the run is done: {} steps", state.step.value);
  }
  return decision;
}

}  // namespace planaria::protocol
