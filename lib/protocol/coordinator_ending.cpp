// What ends a run: a lost worker, a failure, a stop.
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

Decision on_worker_lost(CoordinatorState& state, const WorkerLost& lost, Instant now) {
  if (state.members.erase(lost.worker) == 0) {
    return ignored(fmt::format("loss of worker {}", lost.worker.value), "it is not a member");
  }
  Decision decision;
  emit(state, now, "worker_lost", {{"worker", lost.worker.value}, {"why", lost.why}}, decision);
  if (state.phase == Phase::joining) {
    decision.explanation =
        fmt::format("worker {} was lost while joining: {}, {} of {}", lost.worker.value, lost.why,
                    state.members.size(), state.options.workers);
    return decision;
  }
  std::string when = fmt::format("in step {}", state.step.value);
  if (state.phase == Phase::preparing) when = "before the first step";
  if (state.phase == Phase::applying || state.phase == Phase::storing) {
    when = fmt::format("after step {}, the last", state.step.value);
  }
  Decision end = end_run(
      state, 1, fmt::format("worker {} was lost {}: {}", lost.worker.value, when, lost.why));
  for (auto& command : end.commands) decision.commands.push_back(std::move(command));
  decision.explanation = std::move(end.explanation);
  return decision;
}

Decision on_failed(CoordinatorState& state, WorkerId from, const Failed& failed) {
  const int status = failed.kind == FaultKind::invalid_input ? 2 : 1;
  return end_run(
      state, status,
      fmt::format("worker {}: {}{}", from.value, place_of_failure(state, failed), failed.sentence));
}

Decision on_stop(CoordinatorState& state, const std::string& why, Instant now) {
  switch (state.phase) {
    case Phase::joining:
    case Phase::preparing:
      return end_run(state, 1, fmt::format("stopped before the first step: {}", why));
    case Phase::training:
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
