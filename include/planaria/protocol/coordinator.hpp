// protocol/coordinator.hpp: decides views and commits. Floor 5, pure.
// Is: a state machine step(state, input, now) -> {commands, explanation}; same state, input and
// now: same decision. Is not: I/O; host/coordinator_host.hpp carries out the commands.
//
// For now: k = 1, one view, and a lost worker ends the run. It joins `workers` workers, plans (or
// takes the layout asked for), waits until all are ready, commits a step when every layer is held
// by all its active holders with equal checksums, ends after the last record is applied everywhere
// and the state of every layer has been fetched.
#pragma once

#include <map>
#include <optional>
#include <set>
#include <string>
#include <variant>
#include <vector>

#include <planaria/base/clock.hpp>
#include <planaria/observe/events.hpp>
#include <planaria/protocol/messages.hpp>

namespace planaria::protocol {

struct CoordinatorOptions {
  int workers = 1;  // how many compute
  int spares = 0;   // how many join beyond them and stay idle; all must join before the first step
  std::optional<int> width;
  std::optional<int> depth;
  std::optional<Layout> layout;  // excludes width and depth
  std::string schedule = "1f1b";
  std::optional<std::string> schedule_text;  // one text form for every pipeline, in place of a kind
  /// k: a step commits when every layer is held in so many failure domains, or in all there are.
  /// 1 to 4096. More survive more losses at once, and cost a layer's memory and optimizer step
  /// each.
  int commit_domains = 1;
  /// With fewer workers training waits for more, `wait_ms` at most; then the run ends. 1 to 4096.
  int min_workers = 1;
  double wait_ms = 0;
  /// Silence after which a worker is lost; at least 100. Shorter finds stopped workers sooner and
  /// loses slow ones.
  double silence_max_ms = 600;
};

// ---- inputs

/// A peer that has no id yet asks to join. `connection` names it until it is admitted or refused.
struct JoinRequest {
  std::uint64_t connection = 0;
  Join join;
};
/// A message of an admitted worker.
struct Received {
  WorkerId from;
  Message message;
};
/// A worker's connection ended.
struct WorkerLost {
  WorkerId worker;
  std::string why;
};
/// A stop by signal at the coordinator itself.
struct StopRequested {
  std::string why;
};
/// The host has hashed and stored every layer's state it asked for, or could not.
struct ModelStored {
  std::optional<Fault> fault;
};
using Input = std::variant<JoinRequest, Received, WorkerLost, StopRequested, ModelStored>;

// ---- commands

struct Admit {
  std::uint64_t connection = 0;
  WorkerId worker;
};
struct TurnAway {
  std::uint64_t connection = 0;
  std::string why;
};
struct Send {
  WorkerId to;
  Message message;
};
struct Emit {
  Event event;
};
/// The first worker's spec binds: the host writes run.json from it.
struct SpecFixed {
  RunSpec spec;
};
/// A line of the ledger: what step `step` read and labelled, by micro-batch.
struct LedgerLine {
  Step step;
  std::vector<std::uint64_t> read;      // M of them
  std::vector<std::uint64_t> labelled;  // M of them
};
/// Every layer's tensors, in layer order: the host opens the model file before data arrives. The
/// coordinator then asks each layer's lowest holder with SendState, one layer after another.
struct StoreModel {
  std::vector<LayerState> layers;
  bool holders_agree = true;
};
/// The layer's state has arrived completely.
struct LayerStored {
  LayerId layer;
};
/// The run is over. After this the machine takes no more input.
struct Finish {
  int status = 0;
  std::string sentence;  // empty when status is 0
};
using Command = std::variant<Admit, TurnAway, Send, Emit, SpecFixed, LedgerLine, StoreModel,
                             LayerStored, Finish>;

struct Decision {
  std::vector<Command> commands;
  std::string explanation;
};

/// What the coordinator knows. Only step() changes it; everything is readable for tests and
/// reports.
struct CoordinatorState {
  explicit CoordinatorState(CoordinatorOptions asked) : options(std::move(asked)) {}

  enum class Phase { joining, preparing, training, applying, storing, finished };
  CoordinatorOptions options;
  Phase phase = Phase::joining;
  std::optional<RunSpec> spec;
  std::map<WorkerId, Member> members;
  NewView view;
  std::set<WorkerId> ready;
  Step step{1};                        // the step in flight
  std::map<WorkerId, Report> reports;  // of the step in flight
  Instant step_began;
  /// The newest level that a worker began to evaluate.
  std::optional<Step> evaluating;
  /// Of the evaluation in flight, at the level before `step` (after the last record: at `step`);
  /// empty: none.
  std::map<WorkerId, Evaluated> evaluated;
  std::optional<CommitRecord> last_record;
  std::map<WorkerId, Applied> applied;
  LayerId storing{0};  // the layer being fetched; the number of layers once all are
  std::optional<std::string> stop_why;
  Finish outcome;  // how the run will end once its model is stored
};

/// One transition.
[[nodiscard]] Decision step(CoordinatorState& state, const Input& input, Instant now);

}  // namespace planaria::protocol
