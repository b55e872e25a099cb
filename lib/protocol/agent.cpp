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
  Decision operator()(const Built& built) const { return on_built(state, built); }
  Decision operator()(const Computed& computed) const { return on_computed(state, computed); }
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

// What a worker that has given up still listens to.
bool ends_the_run(const Input& input) {
  if (std::holds_alternative<CoordinatorLost>(input)) return true;
  const auto* from = std::get_if<FromCoordinator>(&input);
  return from != nullptr && std::holds_alternative<End>(from->message);
}

// Tells the coordinator once; only its End, or its loss, is heard from then on.
Decision report_failure(AgentState& state, const Failed& failed) {
  state.phase = Phase::failing;
  return {{SendMessage{failed}, Abort{}}, fmt::format("cannot go on: {}", failed.sentence)};
}

Decision finish(AgentState& state, int status, const std::string& sentence) {
  state.phase = Phase::finished;
  return {{Abort{}, Finish{status, sentence}}, sentence};
}

}  // namespace

Decision step(AgentState& state, const Input& input) {
  if (state.phase == Phase::finished) return {{}, "this worker has finished: nothing changes"};
  if (state.phase == Phase::failing && !ends_the_run(input)) {
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
  state.phase = Phase::waiting;
  state.worker = welcome.worker;
  return {{}, fmt::format("joined as worker {}", welcome.worker.value)};
}

Decision on_refuse(AgentState& state, const Refuse& refuse) {
  if (state.phase != Phase::joining) return ignored(state, "refuse");
  state.phase = Phase::finished;
  return {{Finish{2, refuse.why}}, refuse.why};
}

Decision on_new_view(AgentState& state, const NewView& view) {
  if (state.view && view.view <= state.view->view) {
    return ignored(fmt::format("view {}", view.view.value),
                   fmt::format("view {} stands", state.view->view.value));
  }
  if (state.phase == Phase::starting || state.phase == Phase::joining) {
    return ignored(state, "new_view");
  }
  if (state.phase != Phase::waiting) {
    return give_up(state, fmt::format("view {} arrived while this worker is {}: it knows one view",
                                      view.view.value, name_of(state.phase)));
  }
  state.phase = Phase::building;
  state.view = view;
  return {{Build{view}},
          fmt::format("builds view {}, {}", view.view.value, active(state) ? "active" : "idle")};
}

Decision on_built(AgentState& state, const Built& built) {
  if (state.phase != Phase::building) return ignored(state, "built");
  if (built.view != state.view->view) {
    return ignored(fmt::format("built view {}", built.view.value),
                   fmt::format("view {} stands", state.view->view.value));
  }
  state.phase = Phase::ready;
  return {{SendMessage{Ready{built.view}}}, fmt::format("ready in view {}", built.view.value)};
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
  state.peer_lost = true;
  return {{Abort{}},
          fmt::format("worker {} was lost: {}; waits for the coordinator", lost.worker.value,
                      lost.why)};
}

Decision on_failed(AgentState& state, const WorkerFailed& failure) {
  const Failed& failed = failure.failed;
  const bool echo = failed.kind == FaultKind::cancelled || failed.kind == FaultKind::peer_lost;
  if (state.peer_lost && echo) {
    return ignored("failure", "it follows from the loss of a peer, which the coordinator sees too");
  }
  if (state.phase == Phase::starting || state.phase == Phase::joining) {
    return finish(state, failed.kind == FaultKind::invalid_input ? 2 : 1, failed.sentence);
  }
  return report_failure(state, failed);
}

Decision give_up(AgentState& state, const std::string& why) {
  return report_failure(state, Failed{.sentence = why, .kind = FaultKind::stale_view});
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
    case Phase::building:
      return "building";
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
