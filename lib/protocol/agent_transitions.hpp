// protocol/agent_transitions.hpp: the agent's transitions, one per input. Private to protocol.
// step() of agent.cpp has already excluded phases `failing` and `finished` but for what ends them.
#pragma once

#include <string>

#include <planaria/protocol/agent.hpp>

namespace planaria::protocol::agent {

// ---- agent.cpp: joining, the view, the end
Decision on_start(AgentState& state, const Start& start);
Decision on_welcome(AgentState& state, const Welcome& welcome);
Decision on_peers_connected(AgentState& state, const PeersConnected& connected);
Decision on_refuse(AgentState& state, const Refuse& refuse);
Decision on_new_view(AgentState& state, const NewView& view);
Decision on_prepared(AgentState& state, const Prepared& prepared);
Decision on_halt(AgentState& state, const Halt& halt);
Decision on_evicted(AgentState& state, const Evicted& evicted);
Decision on_end(AgentState& state, const End& end);
Decision on_coordinator_lost(AgentState& state, const CoordinatorLost& lost);
Decision on_peer_lost(AgentState& state, const PeerLost& lost);
Decision on_failed(AgentState& state, const WorkerFailed& failure);
// ---- agent_training.cpp: steps, records, state
Decision on_begin(AgentState& state, const Begin& begin);
Decision on_computed(AgentState& state, const Computed& computed);
Decision on_shadowed(AgentState& state, const Shadowed& shadowed);
Decision on_commit(AgentState& state, const Commit& commit);
Decision on_applied(AgentState& state, const AppliedRecord& applied);
Decision on_send_state(AgentState& state, const SendState& send);
Decision on_sent_state(AgentState& state, const SentState& sent);
Decision on_step_started(AgentState& state, const StepStarted& started);
Decision on_evaluation_started(AgentState& state, const EvaluationStarted& started);
Decision on_evaluation_begun(AgentState& state, const EvaluationBegun& begun);
Decision on_evaluation_computed(AgentState& state, const EvaluationComputed& computed);
Decision on_evaluation(AgentState& state, const Evaluation& evaluation);
Decision on_stop_wanted(AgentState& state, const StopWanted& stop);

/// Whether the view gives this worker something to compute.
[[nodiscard]] bool active(const AgentState& state);
[[nodiscard]] const char* name_of(AgentState::Phase phase);
/// "begin ignored: this worker is joining"
[[nodiscard]] Decision ignored(const std::string& what, const std::string& why);
[[nodiscard]] Decision ignored(const AgentState& state, const std::string& what);
/// Gives up on what the coordinator sent: tells it, stops computing, waits for its End.
Decision give_up(AgentState& state, const std::string& why);

}  // namespace planaria::protocol::agent
