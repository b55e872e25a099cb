// tests/protocol/cluster.hpp: a coordinator and N workers' processes, whole runs in memory.
// Is: the network, time and faults around the very machines of production: everything under way is
// delivered in an order drawn from a seed (each connection stays first come first served), and a
// watcher outside compares with the truth after every delivery. Is not: threads or a wall clock.
#pragma once

#include <functional>
#include <optional>
#include <string>
#include <vector>

#include <planaria/protocol/agent.hpp>
#include <planaria/protocol/coordinator.hpp>

namespace planaria::protocol {

/// What happens before the so-manieth delivery.
struct ClusterFault {
  enum class Kind {
    crash,      // process `process` is killed; some of what it sent last is lost
    stop,       // it stands still, its connections open
    go_on,      // and runs again
    join,       // another process starts
    cut,        // `process` and `other` lose their connection
    duplicate,  // what process `process` sends next to the coordinator arrives twice
    signal,     // the coordinator is asked to stop
  };
  int before_delivery = 0;
  Kind kind = Kind::crash;
  int process = 0;
  int other = 0;
};

/// User code throws where `layer` computes `micro_batch` in `step`, the first `times` times.
struct ClusterThrow {
  Step step;
  MicroBatchId micro_batch;
  LayerId layer;
  int times = 1;
};

struct ClusterOptions {
  std::uint64_t seed = 0;
  CoordinatorOptions coordinator;
  RunSpec spec;
  std::vector<ClusterFault> faults;  // ascending
  std::optional<ClusterThrow> throws;
  int evaluate_every = 0;  // levels that every training loop evaluates; 0: none
  /// How long an undelivered message may wait behind others, in milliseconds each: time passes so
  /// fast beside deliveries.
  double ms_per_delivery = 0.05;
  bool tell_story = false;
  /// The machines; a planted bug is a lambda around the plain step.
  std::function<Decision(CoordinatorState&, const Input&, Instant)> coordinator_step = step;
  std::function<agent::Decision(agent::AgentState&, const agent::Input&)> agent_step = agent::step;
};

struct ClusterReport {
  std::string broken;             // the first thing seen that must not be; empty where all is well
  std::optional<Finish> outcome;  // the coordinator's
  std::vector<CommitRecord> records;  // of steps 1, 2, ...
  std::vector<Event> events;
  std::vector<LayerState> stored;
  int deliveries = 0;
  int computed = 0;  // (step, micro-batch, layer)
  int redone = 0;    // of them, not for the first time
  int salvaged = 0;  // (layer, lane) whose sum was used in a step that began again
  int rolled_back = 0;
  int losses = 0;           // members that went, whatever the reason
  int evicted_silent = 0;   // of them, as they were not heard
  int evicted_cut_off = 0;  // of them, as others could not reach them
  int late_fills = 0;       // shadow reports that counted after their record
  int planned_views = 0;
  int rerouted_views = 0;          // with pipelines that share workers
  int moves = 0;                   // of views after losses
  int evaluations = 0;             // levels of which somebody heard one
  int thrown = 0;                  // exceptions of user code
  std::vector<std::string> story;  // one line a decision, where asked for
};

/// Runs until the coordinator and all that live have finished, or nothing can happen any more.
[[nodiscard]] ClusterReport run_cluster(const ClusterOptions& options);

}  // namespace planaria::protocol
