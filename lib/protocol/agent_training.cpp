// Steps, records and the state at the end, as a worker lives them.
#include <fmt/format.h>

#include "protocol/agent_transitions.hpp"

namespace planaria::protocol::agent {
namespace {

using Phase = AgentState::Phase;

bool holds(const AgentState& state, LayerId layer) {
  const auto place = place_of(state.view->layout, *state.worker);
  if (!place) return false;
  const auto& pipeline = state.view->layout.pipelines[static_cast<std::size_t>(place->pipeline)];
  return pipeline.stages[static_cast<std::size_t>(place->stage)].layers.contains(layer);
}

}  // namespace

Decision on_begin(AgentState& state, const Begin& begin) {
  if (state.phase != Phase::ready) return ignored(state, "begin");
  const auto what = fmt::format("begin of step {} in view {}", begin.step.value, begin.view.value);
  if (begin.view != state.view->view) {
    return ignored(what, fmt::format("view {} stands", state.view->view.value));
  }
  if (begin.step != state.level.next()) {
    return give_up(state, fmt::format("step {} was begun at level {}, must be {}", begin.step.value,
                                      state.level.value, state.level.value + 1));
  }
  if (!active(state)) return {{}, "idle: keeps the records"};
  state.phase = Phase::computing;
  return {{Compute{begin.view, begin.step}}, fmt::format("computes step {}", begin.step.value)};
}

Decision on_computed(AgentState& state, const Computed& computed) {
  const Report& report = computed.report;
  if (state.phase != Phase::computing) return ignored(state, "computed");
  if (report.view != state.view->view || report.step != state.level.next()) {
    return ignored(
        fmt::format("computed step {} in view {}", report.step.value, report.view.value),
        fmt::format("step {} in view {} is wanted", state.level.value + 1, state.view->view.value));
  }
  state.phase = Phase::reported;
  return {{SendMessage{report}}, fmt::format("reports step {}", report.step.value)};
}

Decision on_commit(AgentState& state, const Commit& commit) {
  const CommitRecord& record = commit.record;
  if (!state.view) return ignored(state, "commit");
  if (record.step != state.level.next()) {
    return give_up(state, fmt::format("the record of step {} arrived at level {}, must be step {}",
                                      record.step.value, state.level.value, state.level.value + 1));
  }
  if (!active(state)) {
    if (state.phase != Phase::ready) return ignored(state, "commit");
    state.record = record;
    state.level = record.step;  // it holds no layers; this is the run's level
    if (record.last) state.phase = Phase::applying;
    return {{Apply{record}}, fmt::format("idle: keeps the record of step {}", record.step.value)};
  }
  // A step is committed only with this worker's report: that it has none means different worlds.
  if (state.phase != Phase::reported) {
    return give_up(state, fmt::format("the record of step {} arrived while this worker is {}",
                                      record.step.value, name_of(state.phase)));
  }
  state.record = record;
  state.level = record.step;
  if (record.last) {
    state.phase = Phase::applying;
    return {{Apply{record}}, fmt::format("applies step {}, the last", record.step.value)};
  }
  state.phase = Phase::computing;
  const Step next = record.step.next();
  return {{Apply{record}, Compute{state.view->view, next}},
          fmt::format("applies step {}, computes step {}", record.step.value, next.value)};
}

Decision on_applied(AgentState& state, const AppliedRecord& applied) {
  const Step level = applied.applied.step;
  if (state.phase != Phase::applying) {
    const bool usual = state.phase == Phase::computing || state.phase == Phase::reported;
    if (!usual) return ignored(state, "applied");
    return {{}, fmt::format("stands at level {}", level.value)};
  }
  if (level != state.level) {
    // The step before may end only now: its own word is not awaited.
    return ignored(fmt::format("applied step {}", level.value),
                   fmt::format("step {} is the last", state.level.value));
  }
  state.phase = Phase::storing;
  return {{SendMessage{applied.applied}}, fmt::format("reports level {}", level.value)};
}

Decision on_send_state(AgentState& state, const SendState& send) {
  const auto what = fmt::format("send_state of layer {}", send.layer.value);
  if (state.phase != Phase::storing) return ignored(state, what);
  if (!holds(state, send.layer)) {
    return give_up(state, fmt::format("the state of layer {} was asked for, which worker {} does "
                                      "not hold",
                                      send.layer.value, state.worker->value));
  }
  return {{SendLayerState{send.layer}},
          fmt::format("sends the state of layer {}", send.layer.value)};
}

Decision on_sent_state(AgentState& state, const SentState& sent) {
  if (state.phase != Phase::storing) return ignored(state, "sent state");
  return {{SendMessage{StateSent{sent.layer}}},
          fmt::format("has sent the state of layer {}", sent.layer.value)};
}

namespace {

// A loop that goes on while another evaluates: both would wait for each other's tensors, so the one
// that went on ends the run. It hears of the evaluation before or after its own step began.
Decision judge_loop(AgentState& state, const std::string& usual) {
  const auto& others = state.others;
  const bool apart = others && others->step < state.started && state.evaluated != others->step;
  if (!apart || state.started != state.level.next()) return {{}, usual};
  return give_up(state, fmt::format("went on to step {}, worker {} evaluates level {}: the same "
                                    "steps must be evaluated on every worker",
                                    state.started.value, others->worker.value, others->step.value));
}

}  // namespace

Decision on_step_started(AgentState& state, const StepStarted& started) {
  if (started.step != state.level.next()) return ignored(state, "start of a step");
  state.started = started.step;
  return judge_loop(state, fmt::format("the loop began step {}", started.step.value));
}

Decision on_evaluation_started(AgentState& state, const EvaluationStarted& started) {
  if (!state.view || started.level != state.level) return ignored(state, "start of an evaluation");
  state.evaluated = started.level;
  return {{SendMessage{Evaluating{state.view->view, started.level}}},
          fmt::format("the loop evaluates level {}", started.level.value)};
}

Decision on_evaluation_begun(AgentState& state, const EvaluationBegun& begun) {
  if (begun.step != state.level) {
    return ignored(fmt::format("evaluation of level {}", begun.step.value),
                   fmt::format("this worker stands at level {}", state.level.value));
  }
  state.others = begun;
  return judge_loop(
      state, fmt::format("worker {} evaluates level {}", begun.worker.value, begun.step.value));
}

// An evaluation reads weights at this worker's level and changes nothing, so it fits wherever that
// level stands: before the step that follows it is reported, or after the last.
Decision on_evaluation_computed(AgentState& state, const EvaluationComputed& computed) {
  const Step level = computed.evaluated.step;
  const bool stands = state.phase == Phase::computing || state.phase == Phase::applying ||
                      state.phase == Phase::ready;
  if (!stands || level != state.level) {
    return ignored(fmt::format("evaluation of level {}", level.value),
                   fmt::format("this worker stands at level {}", state.level.value));
  }
  return {{SendMessage{computed.evaluated}}, fmt::format("evaluated level {}", level.value)};
}

Decision on_evaluation(AgentState& state, const Evaluation& evaluation) {
  if (evaluation.step != state.level) {
    return ignored(fmt::format("evaluation of level {}", evaluation.step.value),
                   fmt::format("this worker stands at level {}", state.level.value));
  }
  return {{TellEvaluation{evaluation}},
          fmt::format("hears the evaluation of level {}", evaluation.step.value)};
}

Decision on_stop_wanted(AgentState& state, const StopWanted& stop) {
  if (!state.view) return ignored(state, "stop");
  return {{SendMessage{StopAsked{stop.why}}}, fmt::format("asks for a stop: {}", stop.why)};
}

}  // namespace planaria::protocol::agent
