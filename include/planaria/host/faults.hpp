// host/faults.hpp: faults on purpose, `planaria run --faults SPEC`, as values. Floor 7, pure.
// Is: SPEC read, proven possible, expanded and written again; when a worker strikes itself; and a
// machine that tells the launcher what to do when. Is not: signals, processes or clocks.
//
// An order at a step is carried out by the worker itself, at the point it names (strikes());
// orders at seconds and joins are the launcher's (FaultClock). A sentence names the option, the
// item as written, the field, its value and what is allowed. No state but FaultClock's; any thread.
#pragma once

#include <cstdint>
#include <map>
#include <optional>
#include <set>
#include <string>
#include <string_view>
#include <variant>
#include <vector>

#include <planaria/base/clock.hpp>
#include <planaria/base/ids.hpp>
#include <planaria/base/json.hpp>
#include <planaria/base/result.hpp>
#include <planaria/model/layout.hpp>

namespace planaria::host {

/// Where a worker finds the orders it carries out itself: orders_for_workers()'s text.
inline constexpr const char* env_faults = "PLANARIA_FAULTS";

enum class FaultAct { kill, stop, throws, join, notice, partition, kill_coordinator };

/// Points of a worker's step: before an action of the schedule, before it reduces, after it has
/// reported that it holds its gradients, after the commit record has come and before it is applied,
/// while layers are sent to new holders, while filling, and while it has no role in the step.
enum class FaultPhase { forward, backward, reduce, reported, committed, migrate, fill, idle };

/// Return the name in SPEC: "kill-coordinator", "forward".
[[nodiscard]] const char* name_of(FaultAct kind);
[[nodiscard]] const char* name_of(FaultPhase phase);

/// Seconds since the first step began.
struct AtSeconds {
  double s = 0;
  friend bool operator==(const AtSeconds&, const AtSeconds&) = default;
};
using FaultTime = std::variant<Step, AtSeconds>;

/// The worker that was the last to join after the run began, whether it lives or not.
struct LatestJoined {
  friend bool operator==(const LatestJoined&, const LatestJoined&) = default;
};
/// The worker that a view was the last to promote (promoted_by).
struct LatestPromoted {
  friend bool operator==(const LatestPromoted&, const LatestPromoted&) = default;
};
struct Zone {
  std::string name;
  friend bool operator==(const Zone&, const Zone&) = default;
};
/// Nobody in particular for throw, join and kill-coordinator.
using FaultTarget = std::variant<std::monostate, WorkerId, LatestJoined, LatestPromoted, Zone>;

/// One item of SPEC: what befalls whom when.
struct FaultOrder {
  FaultAct kind = FaultAct::kill;
  FaultTime when = Step{1};
  FaultTarget who;
  std::optional<FaultPhase> phase;          // orders at a step; nothing: the first point it reaches
  std::optional<double> for_s;              // stop, partition; nothing: until the run ends
  std::optional<double> grace_s;            // notice
  int count = 1;                            // join: how many start
  std::optional<MicroBatchId> micro_batch;  // throw
  std::optional<LayerId> layer;             // throw
  std::string written;                      // as the user wrote it, for sentences only

  /// Compares what is ordered, not how it was written.
  friend bool operator==(const FaultOrder& a, const FaultOrder& b);
};

/// `random:kills=5:stops=1:joins=3:seed=3`: orders that expand() makes of a seed.
struct RandomFaults {
  int kills = 0, stops = 0, joins = 0;
  std::uint64_t seed = 0;
  std::string written;  // as the user wrote it, for sentences only
  friend bool operator==(const RandomFaults& a, const RandomFaults& b);
};

struct FaultPlan {
  std::vector<FaultOrder> orders;
  std::optional<RandomFaults> random;
  friend bool operator==(const FaultPlan&, const FaultPlan&) = default;
};

/// Reads SPEC: comma-separated items; invalid_input for the first malformed one. O(length).
[[nodiscard]] Result<FaultPlan> faults_from_text(std::string_view text);
/// Return what faults_from_text() reads as the same value.
[[nodiscard]] std::string text_of(const FaultOrder& order);
[[nodiscard]] std::string text_of(const RandomFaults& random);
[[nodiscard]] std::string text_of(const FaultPlan& plan);

/// The run that a plan must fit. What is nothing is not known yet and not compared.
struct FaultBounds {
  int workers = 1;
  int spares = 0;
  std::optional<std::int64_t> steps;
  std::optional<int> micro_batches;
  std::optional<int> layers;
};
/// Proves that every order can strike; invalid_input for the first that cannot, or that this
/// version does not know how to carry out ("not supported yet"). Numbers of workers are those of
/// the start (0 to workers + spares - 1), then in the order of joining. O(orders^2), at most 1000
/// orders.
[[nodiscard]] Result<void> check_faults(const FaultPlan& plan, const FaultBounds& bounds);

/// Returns the orders that `random` stands for beside `others`, in the order of their steps: spread
/// evenly over the steps, no worker named twice nor one that `others` names, joiners by the numbers
/// they will get. At least 2 workers stay at any step: a stopped one counts as lost, every loss of
/// `others` as past and none of their joins, a join of `random` from its step on. Same arguments,
/// same orders. invalid_input where that many losses cannot be. Needs bounds.steps. O(orders x
/// workers).
[[nodiscard]] Result<std::vector<FaultOrder>> expand(const RandomFaults& random,
                                                     const FaultBounds& bounds,
                                                     const std::vector<FaultOrder>& others = {});

// ---- within a worker

/// Returns the orders that workers carry out themselves (kill, stop and throw at a step), for
/// PLANARIA_FAULTS; empty where there are none. At most 128 KiB, as an environment's text may be.
[[nodiscard]] std::string orders_for_workers(const FaultPlan& plan);

/// Where a worker stands.
struct FaultPoint {
  Step step;
  FaultPhase phase = FaultPhase::forward;
  std::optional<MicroBatchId> micro_batch;  // forward and backward
  std::optional<LayerId> layer;             // forward and backward
};
/// What a worker knows of itself and of the others.
struct FaultWorker {
  WorkerId self;
  bool joined_later = false;  // after the run began
  std::optional<WorkerId> joined, promoted;
};
/// Returns whether `order` strikes `worker` at `point`. An order for a worker of the start strikes
/// in its step only; one for `joined`, `promoted` or a worker that joined later, and one that waits
/// for a phase outside the steps' own rhythm (migrate, fill), from its step on. A kill or stop
/// strikes once, which the caller remembers; a throw strikes every worker that computes its
/// micro-batch there, in forward unless it says backward.
[[nodiscard]] bool strikes(const FaultOrder& order, const FaultWorker& worker,
                           const FaultPoint& point);

/// Returns whom the step from layout `before` to `after` promotes: the worker that computes a layer
/// it only shadowed; without one, a worker that computed nothing. Of several the highest number.
[[nodiscard]] std::optional<WorkerId> promoted_by(const Layout& before, const Layout& after);

/// Returns the fields of the event `fault_injected`, which FaultClock reads back: worker, phase
/// where it is known, kind, and the order's text.
[[nodiscard]] Json fields_of_strike(const FaultOrder& order, WorkerId worker,
                                    std::optional<FaultPhase> phase);

// ---- within the launcher

struct Kill {
  WorkerId worker;
  friend bool operator==(const Kill&, const Kill&) = default;
};
struct Stop {
  WorkerId worker;
  std::optional<double> for_s;  // the clock says Continue then
  friend bool operator==(const Stop&, const Stop&) = default;
};
struct Continue {
  WorkerId worker;
  friend bool operator==(const Continue&, const Continue&) = default;
};
struct StartWorkers {
  int count = 1;
  friend bool operator==(const StartWorkers&, const StartWorkers&) = default;
};
using FaultAction = std::variant<Kill, Stop, Continue, StartWorkers>;

/// An action and the order it carries out, for `fault_injected`; nothing for a Continue.
struct FaultCommand {
  FaultAction action;
  std::optional<FaultOrder> order;
};
struct FaultDecision {
  std::vector<FaultCommand> commands;
  std::string explanation;
};

/// The state of a plan being carried out. Worker numbers are not used twice in a run.
struct FaultClock {
  struct Tracked {
    FaultOrder order;
    bool struck = false;
  };
  std::vector<Tracked> orders;
  std::optional<Instant> began;  // the first step
  Step step;                     // in flight; 0 before the first
  std::set<WorkerId> present;    // joined, not lost, not killed from here
  std::optional<WorkerId> joined, promoted;
  std::optional<Layout> layout;
  std::map<WorkerId, std::optional<Instant>> stopped;  // until when; nothing: until the run ends
  bool over = false;
};
/// Begins with none of the plan's orders struck. The plan's random faults are expanded before.
[[nodiscard]] FaultClock fault_clock(const FaultPlan& plan);

/// One transition on an event of the run, or on time alone where `event` is null: `run_started`,
/// `step_committed`, `rolled_back`, `view`, `worker_joined`, `worker_lost`, `run_ended`, and
/// `fault_injected` of the workers, which says that an order has struck (a stopped worker is
/// continued `for_s` after). Other events, and fields of another type, change nothing. Same state,
/// event and now: same decision. O(orders).
[[nodiscard]] FaultDecision step(FaultClock& state, const Json& event, Instant now);
/// Returns when step() has something to do by time alone, after `now`.
[[nodiscard]] std::optional<Instant> next_due(const FaultClock& state, Instant now);
/// Returns the orders that have not struck, as written.
[[nodiscard]] std::vector<std::string> unstruck(const FaultClock& state);
/// Returns orders_for_workers() without those that have struck: what a worker gets that starts
/// later, so that it does not take an order for `joined` that another has taken.
[[nodiscard]] std::string orders_for_newcomers(const FaultClock& state);

}  // namespace planaria::host
