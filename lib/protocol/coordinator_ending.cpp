// What ends a run, or a worker's part in it: failures of user code, a stop.
#include <algorithm>

#include <fmt/format.h>

#include "protocol/coordinator_transitions.hpp"

namespace planaria::protocol {
namespace {

using Phase = CoordinatorState::Phase;

// "step 5, micro-batch 3, layer 2 (block1): ", as much of it as is known.
std::string place_of_failure(const CoordinatorState& state, const Failed& failed) {
  std::string place;
  const auto add = [&](const std::string& part) { place += (place.empty() ? "" : ", ") + part; };
  if (failed.step.value >= 0) add(fmt::format("step {}", failed.step.value));
  if (failed.micro_batch.value >= 0) add(fmt::format("micro-batch {}", failed.micro_batch.value));
  if (failed.layer.value >= 0) add(text_of(state, failed.layer));
  return place.empty() ? place : place + ": ";
}

}  // namespace

Decision end_run(CoordinatorState& state, int status, const std::string& why) {
  Decision decision{{}, why};
  send_to_all(state, End{status, why}, decision);
  decision.commands.emplace_back(Finish{status, why});
  state.phase = Phase::finished;
  return decision;
}

void end_run(CoordinatorState& state, int status, const std::string& why, Decision& decision) {
  Decision end = end_run(state, status, why);
  for (auto& command : end.commands) decision.commands.push_back(std::move(command));
  decision.explanation = std::move(end.explanation);
}

void halt(CoordinatorState& state, int status, const std::string& why, Decision& decision) {
  // Level 0 is built anew for each view: who holds what of it shows in their answers.
  const bool shows_later = state.phase == Phase::preparing && state.step == Step{1};
  if (shows_later) state.holders.clear();
  const bool nothing_to_store = state.members.empty() || (!shows_later && !every_layer_held(state));
  if (nothing_to_store) return end_run(state, status, why, decision);
  state.outcome = {status, why};
  state.phase = Phase::applying;
  state.halted = true;
  state.step = Step{state.step.value - 1};
  state.applied.clear();
  state.view.members.clear();
  for (const auto& [worker, membership] : state.members) {
    state.view.members.push_back(membership.member);
  }
  send_to_all(state, Halt{why}, decision);
  decision.explanation =
      fmt::format("all stop at level {}, which is stored: {}", state.step.value, why);
}

Decision on_failed(CoordinatorState& state, WorkerId from, const Failed& failed, Instant now) {
  const auto sentence =
      fmt::format("worker {}: {}{}", from.value, place_of_failure(state, failed), failed.sentence);
  if (failed.kind == FaultKind::invalid_input) return end_run(state, 2, sentence);
  const bool in_user_code =
      failed.step.value >= 1 && failed.micro_batch.value >= 0 && failed.layer.value >= 0;
  if (in_user_code && state.halted) return ignored(sentence, "all stop already");
  const bool trains = state.phase == Phase::training || state.phase == Phase::preparing ||
                      state.phase == Phase::asking;
  if (!in_user_code || !trains) return end_run(state, 1, sentence);
  Decision decision;
  emit(state, now, "worker_failed",
       {{"worker", from.value},
        {"failed_step", failed.step.value},
        {"micro_batch", failed.micro_batch.value},
        {"layer", failed.layer.value},
        {"why", failed.sentence}},
       decision);
  auto& failures = state.failures[{failed.step, failed.micro_batch, failed.layer}];
  failures.insert(from);
  state.members.at(from).out = true;
  if (state.phase == Phase::asking) {
    // Nobody knows yet which level stands; it goes on to say what it holds.
    if (failures.size() > 1) return end_run(state, 1, sentence);
    decision.explanation = sentence;
  } else if (failures.size() > 1) {
    halt(state, 1, sentence, decision);
  } else if (usable_workers(state).empty()) {
    halt(state, 1, sentence + ", and no other worker is left to try", decision);
  } else {
    begin_unplanned_view(state, sentence, now, decision);
  }
  return decision;
}

Decision on_stop(CoordinatorState& state, const std::string& why, Instant now) {
  switch (state.phase) {
    case Phase::joining:
      return end_run(state, 1, fmt::format("stopped before the first step: {}", why));
    case Phase::preparing:
      if (state.committed.empty()) {
        return end_run(state, 1, fmt::format("stopped before the first step: {}", why));
      }
      break;
    case Phase::waiting: {
      Decision decision;
      halt(state, 1, fmt::format("stopped while waiting for workers: {}", why), decision);
      return decision;
    }
    case Phase::training:
    case Phase::asking:
      break;
    default:
      return ignored("stop", fmt::format("the run is {}", name_of(state.phase)));
  }
  if (state.stop_why) return ignored("stop", "one was asked for before");
  state.stop_why = why;
  Decision decision{{}, fmt::format("step {} will be the last: {}", state.step.value, why)};
  emit(state, now, "stop_asked", {{"why", why}}, decision);
  return decision;
}

}  // namespace planaria::protocol
