// protocol/coordinator_transitions.hpp: the coordinator's transitions, one per input. Private to
// protocol. step() of coordinator.cpp has already excluded phase `finished`, and messages of
// workers that are no members; each transition decides itself what it means in which phase.
#pragma once

#include <string>
#include <vector>

#include <planaria/protocol/coordinator.hpp>

namespace planaria::protocol {

// ---- coordinator_joining.cpp
Decision on_join(CoordinatorState& state, const JoinRequest& request, Instant now);
Decision on_ready(CoordinatorState& state, WorkerId from, const Ready& ready, Instant now);
// ---- coordinator_training.cpp
Decision on_report(CoordinatorState& state, WorkerId from, const Report& report, Instant now);
// ---- coordinator_evaluating.cpp
Decision on_evaluated(CoordinatorState& state, WorkerId from, const Evaluated& evaluated,
                      Instant now);
Decision on_evaluating(CoordinatorState& state, WorkerId from, const Evaluating& evaluating);
// ---- coordinator_storing.cpp
Decision on_applied(CoordinatorState& state, WorkerId from, const Applied& applied);
Decision on_state_sent(CoordinatorState& state, WorkerId from, const StateSent& sent);
Decision on_model_stored(CoordinatorState& state, const ModelStored& stored);
// ---- coordinator_ending.cpp
Decision on_worker_lost(CoordinatorState& state, const WorkerLost& lost, Instant now);
Decision on_failed(CoordinatorState& state, WorkerId from, const Failed& failed);
Decision on_stop(CoordinatorState& state, const std::string& why, Instant now);

/// Tells every member `why`, finishes with `status`; the sentence is also the explanation.
Decision end_run(CoordinatorState& state, int status, const std::string& why);

/// Adds `message` for every member.
void send_to_all(const CoordinatorState& state, const Message& message, Decision& decision);
/// Adds an event of the view and step that the run stands at; `step` 0 before the first.
void emit(const CoordinatorState& state, Instant now, const std::string& name, Json fields,
          Decision& decision);

// ---- what the run consists of, ascending
[[nodiscard]] std::vector<WorkerId> active_workers(const CoordinatorState& state);
/// The layers that `worker` computes. Requires an active worker.
[[nodiscard]] LayerRange layers_of(const CoordinatorState& state, WorkerId worker);
[[nodiscard]] std::vector<WorkerId> holders_of(const CoordinatorState& state, LayerId layer);
[[nodiscard]] int layer_count(const CoordinatorState& state);

// ---- words of explanations
/// "joining", "preparing", ...
[[nodiscard]] const char* name_of(CoordinatorState::Phase phase);
/// "worker 2", "workers 2 and 3", "workers 1, 2 and 3".
[[nodiscard]] std::string text_of(const std::vector<WorkerId>& workers);
/// "layer 3 (block2)", or "layer 3" where the run has no such layer.
[[nodiscard]] std::string text_of(const CoordinatorState& state, LayerId layer);
/// "report of worker 2 ignored: the run is preparing"
[[nodiscard]] Decision ignored(const std::string& what, const std::string& why);

}  // namespace planaria::protocol
