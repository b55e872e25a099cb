// Steps, records and the state at the end, as a worker lives them.
#include <algorithm>

#include <fmt/format.h>

#include "protocol/agent_transitions.hpp"

namespace planaria::protocol::agent {
namespace {

using Phase = AgentState::Phase;

bool in_view(const AgentState& state, const NewView& view) {
  return std::ranges::any_of(view.members,
                             [&](const Member& member) { return member.worker == *state.worker; });
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
  state.phase = Phase::computing;
  return {
      {Compute{begin.view, begin.step, begin.salvage}},
      fmt::format("computes {}step {}", begin.salvage ? "what is left of " : "", begin.step.value)};
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

// One of the step before, whose record did not wait for it, counts too: a shadow that has just been
// filled may always be the last to be ready.
Decision on_shadowed(AgentState& state, const Shadowed& shadowed) {
  const ShadowReport& report = shadowed.report;
  const auto what =
      fmt::format("shadow report of step {} in view {}", report.step.value, report.view.value);
  const bool computes = state.phase == Phase::computing || state.phase == Phase::reported;
  if (!computes) return ignored(state, what);
  const bool timely = report.view == state.view->view && report.step == state.level.next();
  const bool late = report.step <= state.level;
  if (!timely && !late) {
    return ignored(what, fmt::format("step {} in view {} is wanted", state.level.value + 1,
                                     state.view->view.value));
  }
  return {{SendMessage{report}},
          fmt::format("reports the shadows' gradients of step {}", report.step.value)};
}

namespace {

// A worker without a view holds nothing: a record only tells it where the run is, and perhaps
// brings it in.
Decision record_without_view(AgentState& state, const Commit& commit) {
  if (state.phase != Phase::waiting) return ignored(state, "commit");
  state.record = commit.record;
  state.level = commit.record.step;
  const auto what = fmt::format("hears of step {}", state.level.value);
  if (!commit.next || !in_view(state, *commit.next)) return {{}, what};
  state.view = commit.next;
  state.phase = Phase::computing;
  return {{Apply{commit.record, commit.next, commit.moves},
           Compute{state.view->view, state.level.next()}},
          fmt::format("{}, comes in with view {}", what, state.view->view.value)};
}

}  // namespace

Decision on_commit(AgentState& state, const Commit& commit) {
  const CommitRecord& record = commit.record;
  if (!state.view) return record_without_view(state, commit);
  if (record.step != state.level.next()) {
    return give_up(state, fmt::format("the record of step {} arrived at level {}, must be step {}",
                                      record.step.value, state.level.value, state.level.value + 1));
  }
  // A step is committed only with the reports of all who compute: that one has none means different
  // worlds.
  const bool fits =
      state.phase == Phase::reported || (!active(state) && state.phase == Phase::computing);
  if (!fits) {
    return give_up(state, fmt::format("the record of step {} arrived while this worker is {}",
                                      record.step.value, name_of(state.phase)));
  }
  state.record = record;
  state.level = record.step;
  if (record.last) {
    state.phase = Phase::applying;
    return {{Apply{record, {}, {}}, HandOver{record.step}},
            fmt::format("applies step {}, the last", record.step.value)};
  }
  if (commit.next) state.view = commit.next;
  state.phase = Phase::computing;
  const Step next = record.step.next();
  return {{Apply{record, commit.next, commit.moves}, Compute{state.view->view, next}},
          fmt::format("applies step {}, computes step {}{}", record.step.value, next.value,
                      commit.next ? fmt::format(" in view {}", state.view->view.value) : "")};
}

Decision on_applied(AgentState& state, const AppliedRecord& applied) {
  const Step level = applied.applied.step;
  if (state.phase != Phase::applying) return ignored(state, "applied");
  if (level != state.level) {
    return ignored(fmt::format("applied step {}", level.value),
                   fmt::format("step {} is the last", state.level.value));
  }
  state.phase = Phase::storing;
  return {{SendMessage{applied.applied}}, fmt::format("reports level {}", level.value)};
}

Decision on_send_state(AgentState& state, const SendState& send) {
  const auto what = fmt::format("send_state of layer {}", send.layer.value);
  // Who was halted after it had reported its level reports it once more.
  if (state.phase != Phase::storing && state.phase != Phase::applying) return ignored(state, what);
  return {{SendLayerState{send.layer, send.attempt}},
          fmt::format("sends the state of layer {}", send.layer.value)};
}

Decision on_sent_state(AgentState& state, const SentState& sent) {
  if (state.phase != Phase::storing && state.phase != Phase::applying) {
    return ignored(state, "sent state");
  }
  return {{SendMessage{StateSent{sent.layer, sent.attempt}}},
          fmt::format("has sent the state of layer {}", sent.layer.value)};
}

namespace {

// A loop that goes on while another evaluates: both would wait for each other's tensors, so the one
// that went on ends the run. It hears of the evaluation before or after its own step began.
Decision judge_loop(AgentState& state, const std::string& usual) {
  const auto& others = state.others;
  const bool apart = others && others->step < state.started && state.evaluated != others->step;
  // A loop that came in later was not there at the level before its first step.
  const bool newcomer = others && state.began > Step{1} && others->step < state.began;
  if (!apart || newcomer || state.started != state.level.next()) return {{}, usual};
  return give_up(state, fmt::format("went on to step {}, worker {} evaluates level {}: the same "
                                    "steps must be evaluated on every worker",
                                    state.started.value, others->worker.value, others->step.value));
}

}  // namespace

Decision on_step_started(AgentState& state, const StepStarted& started) {
  if (started.step != state.level.next()) return ignored(state, "start of a step");
  state.started = started.step;
  if (state.began == Step{0}) state.began = started.step;
  return judge_loop(state, fmt::format("the loop began step {}", started.step.value));
}

Decision on_evaluation_started(AgentState& state, const EvaluationStarted& started) {
  if (!state.view || started.level > state.level) return ignored(state, "start of an evaluation");
  if (state.evaluated < started.level) state.evaluated = started.level;
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
                      state.phase == Phase::ready || state.phase == Phase::preparing;
  if (!stands || level != state.level) {
    return ignored(fmt::format("evaluation of level {}", level.value),
                   fmt::format("this worker stands at level {}", state.level.value));
  }
  return {{SendMessage{computed.evaluated}}, fmt::format("evaluated level {}", level.value)};
}

Decision on_evaluation(AgentState& state, const Evaluation& evaluation) {
  if (evaluation.step > state.level) {
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
