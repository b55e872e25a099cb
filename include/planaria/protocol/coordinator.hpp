// protocol/coordinator.hpp: decides views and commits. Floor 5, pure.
// Is: a state machine step(state, input, now) -> {commands, explanation}; same state, input and
// now: same decision. Is not: I/O; host/coordinator_host.hpp carries out the commands.
//
// It joins `workers` workers, plans (or takes the layout asked for), waits until all are ready, and
// commits a step when every layer is held by all its holders with equal checksums (PROTOCOL 3).
// When a worker that computes is lost, a new view begins at once with the layers' surviving
// holders; when one joins, or another layout would be faster, the layers it needs are filled while
// training goes on, and a record names the view that uses them (PROTOCOL 5); the
// step that was in flight goes on from what is finished of it. For now: it does not survive itself.
#pragma once

#include <cstdint>
#include <map>
#include <optional>
#include <set>
#include <string>
#include <variant>
#include <vector>

#include <planaria/base/clock.hpp>
#include <planaria/model/profile.hpp>
#include <planaria/observe/events.hpp>
#include <planaria/planner/best_plan.hpp>
#include <planaria/protocol/messages.hpp>
#include <planaria/protocol/salvage.hpp>

namespace planaria::protocol {

struct CoordinatorOptions {
  int workers = 1;  // how many compute
  int spares = 0;   // how many join beyond them and stay idle; all must join before the first step
  std::optional<int> width;
  std::optional<int> depth;
  std::optional<Layout> layout;   // excludes width and depth
  std::string schedule = "1f1b";  // "any": the first layout's plan chooses one; needs a profile
  std::optional<std::string> schedule_text;  // one text form for every pipeline, in place of a kind
  /// What the model's layers were measured to take: layouts are planned by it. Nothing: by the
  /// costs that the model states of them. Excludes layout and schedule_text.
  std::optional<Profile> profile;
  std::optional<std::int64_t> memory_bytes;  // of each worker, that layouts must fit
  Recompute recompute = Recompute::never;    // "any": the stages that do not fit memory otherwise
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
/// Time passed. Several times within silence_max_ms, else whoever waits for time waits longer.
struct Tick {};
using Input = std::variant<JoinRequest, Received, WorkerLost, StopRequested, ModelStored, Tick>;

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
/// The worker is no member any more: its connection is closed after what was sent to it.
struct Disconnect {
  WorkerId worker;
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
/// coordinator then asks each layer's lowest holder with SendState, one layer after another. Comes
/// again, and the host begins anew, where a holder was lost in the middle.
struct StoreModel {
  std::vector<LayerState> layers;
  bool holders_agree = true;
  int attempt = 0;  // of SendState
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
using Command = std::variant<Admit, TurnAway, Send, Disconnect, Emit, SpecFixed, LedgerLine,
                             StoreModel, LayerStored, Finish>;

struct Decision {
  std::vector<Command> commands;
  std::string explanation;
};

/// A worker of the run.
struct Membership {
  Member member;
  bool connected = false;          // to the members that were there when it came
  bool out = false;                // its own code failed: it holds, but computes no more
  std::optional<Step> first_step;  // that its loop sees
  Instant heard;
};
/// A committed step, for comparison where it is done again after a roll-back.
struct CommittedStep {
  CommitRecord record;
  std::uint64_t data_xxh3 = 0;  // of what it read and labelled
};
/// States on their way, from the record or view that named the first to the step that uses them.
struct Migration {
  Instant began;
  std::string kind;  // FORMATS: none, intra-stage, inter-stage, pipeline
  std::set<WorkerId> to;
  std::int64_t bytes = 0;
  int layers = 0;
};
/// Where user code failed.
struct FailurePlace {
  Step step;
  MicroBatchId micro_batch;
  LayerId layer;
  friend auto operator<=>(const FailurePlace&, const FailurePlace&) = default;
};

/// What the coordinator knows. Only step() changes it; everything is readable for tests and
/// reports.
struct CoordinatorState {
  explicit CoordinatorState(CoordinatorOptions asked) : options(std::move(asked)) {}

  /// preparing: a view waits until its members are ready. asking: everybody says what it holds,
  /// before all go back. waiting: for enough workers.
  enum class Phase { joining, preparing, training, asking, waiting, applying, storing, finished };
  CoordinatorOptions options;
  Phase phase = Phase::joining;
  std::optional<RunSpec> spec;
  Profile profile;  // as asked, or of the spec's costs
  /// The best pipelines of so many workers, known before they are wanted; nothing: there are none.
  std::map<int, std::optional<Plan>> planned;
  std::map<WorkerId, Membership> members;
  std::set<WorkerId> numbers;  // ever given: that of a lost worker stays its own

  NewView view;
  std::set<WorkerId> ready;
  Step step{1};  // the step in flight; after the last record, or a halt, the step at which all stop
  std::map<WorkerId, Report> reports;               // of the step in flight
  std::map<WorkerId, ShadowReport> shadow_reports;  // of the step in flight
  Instant step_began;
  /// What is finished of a step that begins again, as those who are ready in its view have said.
  std::map<WorkerId, std::vector<LayerSum>> sums;
  StepNotes told;              // beside the sums
  bool compute_whole = false;  // holders differed: nothing that is finished is used
  /// Who holds each layer at the level before `step` (after the last record: at `step`). At level 0
  /// everybody can build every layer, and the roles of the view that begins hold.
  std::map<LayerId, std::set<WorkerId>> holders;
  std::map<LayerId, std::int64_t> layer_bytes;  // as far as its builders have said
  std::optional<Migration> migration;           // that has begun and not ended
  std::set<Move> filling;                       // under way to shadows that do not count yet
  /// Shadows that have been filled but were behind when they said so: once they are waited for, so
  /// that they are level at last.
  std::set<std::pair<LayerId, WorkerId>> owed;
  bool plan_wanted = false;              // members changed since the last plan
  std::optional<Layout> target;          // begins when those who compute in it hold their layers
  std::vector<CommittedStep> committed;  // steps 1, 2, ...: also those that are being done again
  std::map<LayerId, std::uint64_t> checksums;  // of the gradients of the newest committed step
  std::optional<CommitRecord> last_record;     // of the level that stands

  std::map<FailurePlace, std::set<WorkerId>> failures;
  std::map<WorkerId, int> differed;  // how often its gradients were others than the owner's
  std::map<std::pair<WorkerId, WorkerId>, Instant> unreachable;  // lower id first
  std::optional<Instant> last_tick;
  Instant waits_until;  // phase waiting

  /// The newest level that a worker began to evaluate.
  std::optional<Step> evaluating;
  /// Of the evaluation in flight, at the level before `step` (after the last record: at `step`);
  /// empty: none.
  std::map<WorkerId, Evaluated> evaluated;
  std::map<Step, Evaluation> evaluations;  // told, by level: for loops that come there later
  bool evaluation_given_up = false;        // of the last level
  std::map<WorkerId, Applied> applied;
  int attempt = -1;  // at storing
  WorkerId storing_from{-1};
  LayerId storing{0};  // the layer being fetched; the number of layers once all are
  std::optional<std::string> stop_why;
  bool halted = false;  // before the last step: what is stored is the level that stood
  Finish outcome;       // how the run will end once its model is stored
};

/// One transition.
[[nodiscard]] Decision step(CoordinatorState& state, const Input& input, Instant now);

}  // namespace planaria::protocol
