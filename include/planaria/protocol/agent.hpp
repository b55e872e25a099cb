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
/// A peer of the view is gone. For now the coordinator, who sees it too, ends the run.
struct PeerLost {
  WorkerId worker;
  std::string why;
};
/// What Build asked for is there.
struct Built {
  ViewNumber view;
};
/// What Compute asked for is done.
struct Computed {
  Report report;
};
/// What Apply asked for is done; `applied` is sent when the record was the last.
struct AppliedRecord {
  Applied applied;
};
struct SentState {
  LayerId layer;
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
using Input = std::variant<Start, FromCoordinator, CoordinatorLost, PeerLost, Built, Computed,
                           AppliedRecord, SentState, StepStarted, EvaluationStarted,
                           EvaluationComputed, StopWanted, WorkerFailed>;

// ---- commands

struct SendMessage {
  Message message;
};
/// Build the layers of this worker's place in the view, connect to peers, refuse older frames.
struct Build {
  NewView view;
};
struct Compute {
  ViewNumber view;
  Step step;
};
/// Apply the record's step (clipping, verdict), level becomes record.step. If `last`, hash the
/// state.
struct Apply {
  CommitRecord record;
};
struct SendLayerState {
  LayerId layer;
};
/// The evaluation that everybody computed is there.
struct TellEvaluation {
  Evaluation evaluation;
};
/// End every pending receive: what is being computed is no longer wanted.
struct Abort {};
/// Leave run() with this status and sentence.
struct Finish {
  int status = 0;
  std::string sentence;
};
using Command =
    std::variant<SendMessage, Build, Compute, Apply, SendLayerState, TellEvaluation, Abort, Finish>;

struct Decision {
  std::vector<Command> commands;
  std::string explanation;
};

/// What the agent knows. Only step() changes it; everything is readable for tests and reports.
struct AgentState {
  /// An idle worker stays `ready`, hears of every record and tells of its end as all do.
  /// `failing`: the coordinator was told that this worker cannot go on; its End brings status and
  /// sentence, the same for everyone.
  enum class Phase {
    starting,
    joining,
    waiting,
    building,
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
  Step level{0};
  Step started{0};                        // the newest step that the loop began
  std::optional<Step> evaluated;          // the newest level that the loop evaluates
  std::optional<EvaluationBegun> others;  // the newest evaluation that somebody began
  std::optional<CommitRecord> record;     // the newest, kept until the next
  bool peer_lost =
      false;  // from then on failures are the lost peer's, and the coordinator's to tell
};

/// One transition. After a record that is not the last, Apply is followed by Compute of the next
/// step in the same decision, so that nothing waits for another message.
[[nodiscard]] Decision step(AgentState& state, const Input& input);

}  // namespace planaria::protocol::agent
