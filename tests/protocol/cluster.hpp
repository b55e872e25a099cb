// tests/protocol/cluster.hpp: a coordinator and N agents with toy workers, whole runs in memory.
// Is: a driver that delivers what is under way in an order drawn from a seed (each connection stays
// first come first served), loses one process where asked, and watches from outside. Is not: time;
// the cluster simulation comes with the failures it is for.
#pragma once

#include <functional>
#include <optional>
#include <string>
#include <vector>

#include <planaria/protocol/agent.hpp>
#include <planaria/protocol/coordinator.hpp>

namespace planaria::protocol {

struct ClusterOptions {
  std::uint64_t seed = 0;
  CoordinatorOptions coordinator;
  RunSpec spec;
  /// Process 0 to workers-1 that vanishes before the so-manieth delivery; nothing: none does.
  std::optional<int> lost_process;
  int lost_before_delivery = 0;
  /// Every worker's own code throws when it computes this step.
  std::optional<Step> throws_in_step;
  /// The coordinator gets a signal before the so-manieth delivery.
  std::optional<int> stop_before_delivery;
  /// The machines; a planted bug is a lambda around the plain step.
  std::function<Decision(CoordinatorState&, const Input&, Instant)> coordinator_step = step;
  std::function<agent::Decision(agent::AgentState&, const agent::Input&)> agent_step = agent::step;
};

struct ClusterReport {
  std::string broken;             // the first thing seen that must not be; empty where all is well
  std::optional<Finish> outcome;  // the coordinator's
  std::vector<agent::Finish> ends;    // of the processes that lived, in their order
  std::vector<CommitRecord> records;  // in the order they were sent first
  std::vector<Event> events;
  std::vector<LayerState> stored;
  bool lost_while_joining = false;  // then a new process took the place
  int deliveries = 0;
};

/// Runs until nothing is under way.
[[nodiscard]] ClusterReport run_cluster(const ClusterOptions& options);

}  // namespace planaria::protocol
