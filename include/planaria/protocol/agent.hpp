// protocol/agent.hpp: the coordinator's counterpart in each worker. Floor 5, pure.
// Is: a state machine step(state, input) -> {commands, explanation}. Is not: I/O or tensors;
// runtime/worker.hpp carries out the commands.
#pragma once

#include <optional>
#include <string>
#include <variant>
#include <vector>

#include <planaria/base/clock.hpp>
#include <planaria/protocol/messages.hpp>

namespace planaria::protocol::agent {

// ---- inputs

/// The connection to the coordinator stands; join.
struct Start {
  Join join;
};
/// A message of the coordinator.
struct FromCoordinator {
  Message message;
};
struct CoordinatorLost {
  std::string why;
};
/// The members that Connect named are connected, but for those that could not be reached.
struct PeersConnected {
  std::vector<WorkerId> unreachable;
};
/// A peer's connection ended. The coordinator is told, and decides who of the two goes.
struct PeerLost {
  WorkerId worker;
  std::string why;
};
/// What Prepare asked for is there.
struct Prepared {
  ViewNumber view;
  std::vector<LayerBytes> held = {};
  std::optional<Salvaged> salvaged = {};
};
/// What Compute asked for is done.
struct Computed {
  Report report;
};
/// The gradients of shadowed layers have come. Only where the view gives this worker shadows.
struct Shadowed {
  ShadowReport report;
};
/// What HandOver asked for.
struct AppliedRecord {
  Applied applied;
};
struct SentState {
  LayerId layer;
  int attempt = 0;
};
/// The training loop begins to compute `step`.
struct StepStarted {
  Step step;
};
/// The training loop begins to evaluate `level`.
struct EvaluationStarted {
  Step level;
};
/// The training loop evaluated at this worker's level.
struct EvaluationComputed {
  Evaluated evaluated;
};
/// The training loop wants no further step.
struct StopWanted {
  std::string why;
};
/// User code threw, or the worker cannot go on. The coordinator is told, and its End finishes this
/// worker with the sentence that everybody gets; a worker that has not joined finishes alone.
struct WorkerFailed {
  Failed failed;
};
using Input = std::variant<Start, FromCoordinator, CoordinatorLost, PeersConnected, PeerLost,
                           Prepared, Computed, Shadowed, AppliedRecord, SentState, StepStarted,
                           EvaluationStarted, EvaluationComputed, StopWanted, WorkerFailed>;

// ---- commands

struct SendMessage {
  Message message;
};
/// Connect to these, who were there before.
struct Connect {
  std::vector<Member> members;
};
/// Give up what is being computed and refuse frames of views before this one. At once: this is
/// what ends a receive that waits for a worker that is gone.
struct Abort {
  ViewNumber view;
};
/// Take the view's roles: build the layers afresh where its first step is 1, else send and receive
/// what its moves say. What was kept of older views' fills is dropped.
struct Prepare {
  NewView view;
};
/// Compute `step`, or what `salvage` leaves of it: actions, reduction, report, and the gradients of
/// shadowed layers.
struct Compute {
  ViewNumber view;
  Step step;
  std::optional<Salvage> salvage = {};
};
/// Apply the record's step (clipping, verdict); layers of this worker's roles stand at record.step.
/// Layers without a role in the view that stood are dropped. Then take the roles of `next`, where
/// there is one, and begin to send the moves' states.
struct Apply {
  CommitRecord record;
  std::optional<NewView> next;
  std::vector<Move> moves;
};
/// Hash the state at this level and tell of it (AppliedRecord): nothing more is computed.
struct HandOver {
  Step level;
};
/// Leave the run: drop everything, connect to the coordinator anew and Start again.
struct Rejoin {
  std::string why;
};
/// Send copies of the state at `level`, where this worker is the sender.
struct SendCopies {
  Step level;
  std::vector<Move> moves;
};
struct SendLayerState {
  LayerId layer;
  int attempt = 0;
};
/// The evaluation that everybody computed is there.
struct TellEvaluation {
  Evaluation evaluation;
};
/// Leave run() with this status and sentence.
struct Finish {
  int status = 0;
  std::string sentence;
};
using Command = std::variant<SendMessage, Connect, Abort, Prepare, Compute, Apply, HandOver, Rejoin,
                             SendCopies, SendLayerState, TellEvaluation, Finish>;

struct Decision {
  std::vector<Command> commands;
  std::string explanation;
};

/// What the agent knows. Only step() changes it; everything is readable for tests and reports.
struct AgentState {
  /// connecting: to the members before it. waiting: for a view. preparing: the view's layers.
  /// `failing`: the coordinator was told that this worker's code failed; it computes no more, but
  /// gives what it holds.
  enum class Phase {
    starting,
    joining,
    connecting,
    waiting,
    preparing,
    ready,
    computing,
    reported,
    applying,
    storing,
    failing,
    finished
  };
  Phase phase = Phase::starting;
  std::optional<WorkerId> worker;
  std::optional<NewView> view;
  Step level{0};                          // of the run, as this worker has heard
  Step began{0};                          // the first step that the loop began; 0: none yet
  Step started{0};                        // the newest step that the loop began
  std::optional<Step> evaluated;          // the newest level that the loop evaluates
  std::optional<EvaluationBegun> others;  // the newest evaluation that somebody began
  std::optional<CommitRecord> record;     // the newest, kept until the next
};

/// One transition. After a record that is not the last, Apply is followed by Compute of the next
/// step in the same decision, so that nothing waits for another message. Everybody in a view gets
/// Compute, also who computes nothing in it. Commands are carried out in their order, but
/// SendMessage, Abort and TellEvaluation at once.
[[nodiscard]] Decision step(AgentState& state, const Input& input);

}  // namespace planaria::protocol::agent
