#include <planaria/protocol/agent.hpp>

#include <fmt/format.h>

#include "protocol/agent_transitions.hpp"

namespace planaria::protocol::agent {
namespace {

using Phase = AgentState::Phase;

// Which transition a message of the coordinator is. One that only workers send changes nothing.
struct OnMessage {
  AgentState& state;

  Decision operator()(const Welcome& welcome) const { return on_welcome(state, welcome); }
  Decision operator()(const Refuse& refuse) const { return on_refuse(state, refuse); }
  Decision operator()(const NewView& view) const { return on_new_view(state, view); }
  Decision operator()(const Begin& begin) const { return on_begin(state, begin); }
  Decision operator()(const Commit& commit) const { return on_commit(state, commit); }
  Decision operator()(const EvaluationBegun& begun) const {
    return on_evaluation_begun(state, begun);
  }
  Decision operator()(const Evaluation& evaluation) const {
    return on_evaluation(state, evaluation);
  }
  Decision operator()(const Halt& halt) const { return on_halt(state, halt); }
  Decision operator()(const Evicted& evicted) const { return on_evicted(state, evicted); }
  Decision operator()(const SendState& send) const { return on_send_state(state, send); }
  Decision operator()(const End& end) const { return on_end(state, end); }
  template <class Other>
  Decision operator()(const Other& other) const {
    return ignored(protocol::name_of(Message(other)), "only workers send it");
  }
};

struct OnInput {
  AgentState& state;

  Decision operator()(const Start& start) const { return on_start(state, start); }
  Decision operator()(const FromCoordinator& from) const {
    return std::visit(OnMessage{state}, from.message);
  }
  Decision operator()(const CoordinatorLost& lost) const {
    return on_coordinator_lost(state, lost);
  }
  Decision operator()(const PeerLost& lost) const { return on_peer_lost(state, lost); }
  Decision operator()(const PeersConnected& connected) const {
    return on_peers_connected(state, connected);
  }
  Decision operator()(const Prepared& prepared) const { return on_prepared(state, prepared); }
  Decision operator()(const Computed& computed) const { return on_computed(state, computed); }
  Decision operator()(const Shadowed& shadowed) const { return on_shadowed(state, shadowed); }
  Decision operator()(const AppliedRecord& applied) const { return on_applied(state, applied); }
  Decision operator()(const SentState& sent) const { return on_sent_state(state, sent); }
  Decision operator()(const StepStarted& started) const { return on_step_started(state, started); }
  Decision operator()(const EvaluationStarted& started) const {
    return on_evaluation_started(state, started);
  }
  Decision operator()(const EvaluationComputed& computed) const {
    return on_evaluation_computed(state, computed);
  }
  Decision operator()(const StopWanted& stop) const { return on_stop_wanted(state, stop); }
  Decision operator()(const WorkerFailed& failure) const { return on_failed(state, failure); }
};

// What a worker whose code failed still listens to: the end, and who fetches what it holds.
bool concerns_failed(const Input& input) {
  if (std::holds_alternative<CoordinatorLost>(input)) return true;
  const auto* from = std::get_if<FromCoordinator>(&input);
  if (from == nullptr) return false;
  return std::holds_alternative<End>(from->message) ||
         std::holds_alternative<Halt>(from->message) ||
         std::holds_alternative<Evicted>(from->message) ||
         std::holds_alternative<NewView>(from->message);
}

// Ends every receive of this view and those before it.
Abort abort_all(const AgentState& state) {
  return {state.view ? state.view->view.next() : ViewNumber{1}};
}

// Tells the coordinator once.
Decision report_failure(AgentState& state, const Failed& failed) {
  state.phase = Phase::failing;
  return {{SendMessage{failed}, abort_all(state)},
          fmt::format("cannot go on: {}", failed.sentence)};
}

Decision finish(AgentState& state, int status, const std::string& sentence) {
  state.phase = Phase::finished;
  return {{abort_all(state), Finish{status, sentence}}, sentence};
}

bool in_run(const AgentState& state) {
  return state.phase != Phase::starting && state.phase != Phase::joining;
}

}  // namespace

Decision step(AgentState& state, const Input& input) {
  if (state.phase == Phase::finished) return {{}, "this worker has finished: nothing changes"};
  if (state.phase == Phase::failing && !concerns_failed(input)) {
    return {{}, "this worker has failed and waits for the end of the run"};
  }
  return std::visit(OnInput{state}, input);
}

Decision on_start(AgentState& state, const Start& start) {
  if (state.phase != Phase::starting) return ignored(state, "start");
  state.phase = Phase::joining;
  return {{SendMessage{start.join}}, "asks to join"};
}

Decision on_welcome(AgentState& state, const Welcome& welcome) {
  if (state.phase != Phase::joining) return ignored(state, "welcome");
  state.phase = Phase::connecting;
  state.worker = welcome.worker;
  return {{Connect{welcome.members}}, fmt::format("joined as worker {}", welcome.worker.value)};
}

Decision on_peers_connected(AgentState& state, const PeersConnected& connected) {
  if (state.phase != Phase::connecting) return ignored(state, "connected");
  state.phase = Phase::waiting;
  return {{SendMessage{Connected{connected.unreachable}}}, "connected to the others"};
}

Decision on_refuse(AgentState& state, const Refuse& refuse) {
  if (state.phase != Phase::joining) return ignored(state, "refuse");
  state.phase = Phase::finished;
  return {{Finish{2, refuse.why}}, refuse.why};
}

Decision on_new_view(AgentState& state, const NewView& view) {
  const auto what = fmt::format("view {}", view.view.value);
  if (state.view && view.view <= state.view->view) {
    return ignored(what, fmt::format("view {} stands", state.view->view.value));
  }
  if (!in_run(state) || state.phase == Phase::connecting) return ignored(state, "new_view");
  if (state.phase == Phase::failing) {
    state.view = view;
    return {{SendCopies{state.level, view.moves}}, fmt::format("gives what {} asks of it", what)};
  }
  const bool afresh = view.first_step == Step{1};
  if (state.view && !afresh && state.level.next() != view.first_step) {
    return give_up(state,
                   fmt::format("{} begins with step {} at level {}, must be step {}", what,
                               view.first_step.value, state.level.value, state.level.value + 1));
  }
  state.phase = Phase::preparing;
  state.view = view;
  state.level = Step{view.first_step.value - 1};
  if (afresh) state.record.reset();
  return {{Abort{view.view}, Prepare{view}},
          fmt::format("prepares {}, {}", what, active(state) ? "active" : "idle")};
}

Decision on_prepared(AgentState& state, const Prepared& prepared) {
  if (state.phase != Phase::preparing) return ignored(state, "prepared");
  if (prepared.view != state.view->view) {
    return ignored(fmt::format("prepared view {}", prepared.view.value),
                   fmt::format("view {} stands", state.view->view.value));
  }
  state.phase = Phase::ready;
  return {{SendMessage{Ready{prepared.view, prepared.held, prepared.salvaged}}},
          fmt::format("ready in view {}", prepared.view.value)};
}

Decision on_halt(AgentState& state, const Halt& halt) {
  if (!in_run(state)) return ignored(state, "halt");
  state.phase = Phase::applying;
  return {{abort_all(state), HandOver{state.level}},
          fmt::format("stops at level {}: {}", state.level.value, halt.why)};
}

// What this worker holds no longer counts. It changes nothing more, and may come back as another.
Decision on_evicted(AgentState& state, const Evicted& evicted) {
  const Abort abort = abort_all(state);
  state = AgentState{};
  return {{abort, Rejoin{evicted.why}}, fmt::format("is out: {}; joins anew", evicted.why)};
}

Decision on_end(AgentState& state, const End& end) {
  Decision decision = finish(state, end.status, end.sentence);
  if (end.sentence.empty()) decision.explanation = "the run is done";
  return decision;
}

Decision on_coordinator_lost(AgentState& state, const CoordinatorLost& lost) {
  return finish(state, 1, fmt::format("the coordinator was lost: {}", lost.why));
}

Decision on_peer_lost(AgentState& state, const PeerLost& lost) {
  const auto what = fmt::format("worker {} was lost: {}", lost.worker.value, lost.why);
  if (!in_run(state)) return ignored(state, what);
  return {{SendMessage{Unreachable{lost.worker, lost.why}}}, what + "; waits for the coordinator"};
}

Decision on_failed(AgentState& state, const WorkerFailed& failure) {
  const Failed& failed = failure.failed;
  const bool echo = failed.kind == FaultKind::cancelled || failed.kind == FaultKind::peer_lost ||
                    failed.kind == FaultKind::stale_view;
  if (in_run(state) && echo) {
    return ignored("failure", "it follows from a loss, which the coordinator sees too");
  }
  const bool stopped = state.phase == Phase::applying || state.phase == Phase::storing;
  if (stopped && failed.step == state.level.next()) {
    return ignored("failure", "its step was given up, and would fail again");
  }
  if (!in_run(state)) {
    return finish(state, failed.kind == FaultKind::invalid_input ? 2 : 1, failed.sentence);
  }
  return report_failure(state, failed);
}

Decision give_up(AgentState& state, const std::string& why) {
  return report_failure(state, Failed{.sentence = why, .kind = FaultKind::unavailable});
}

bool active(const AgentState& state) {
  return state.view && state.worker && place_of(state.view->layout, *state.worker).has_value();
}

const char* name_of(Phase phase) {
  switch (phase) {
    case Phase::starting:
      return "starting";
    case Phase::joining:
      return "joining";
    case Phase::waiting:
      return "waiting for a view";
    case Phase::connecting:
      return "connecting";
    case Phase::preparing:
      return "preparing";
    case Phase::ready:
      return "ready";
    case Phase::computing:
      return "computing";
    case Phase::reported:
      return "waiting for a record";
    case Phase::applying:
      return "applying the last record";
    case Phase::storing:
      return "at its end";
    case Phase::failing:
      return "failing";
    case Phase::finished:
      return "finished";
  }
  check_failed("unknown phase of the agent", "");
}

Decision ignored(const std::string& what, const std::string& why) {
  return {{}, fmt::format("{} ignored: {}", what, why)};
}

Decision ignored(const AgentState& state, const std::string& what) {
  return ignored(what, fmt::format("this worker is {}", name_of(state.phase)));
}

}  // namespace planaria::protocol::agent
