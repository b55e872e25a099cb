// tests/protocol/simulated_cluster.hpp: the network, time and processes of cluster.hpp. Private to
// the simulation.
#pragma once

#include <deque>
#include <functional>
#include <map>
#include <memory>
#include <set>

#include <planaria/base/random.hpp>

#include "protocol/cluster.hpp"
#include "protocol/cluster_watch.hpp"
#include "protocol/toy_process.hpp"

namespace planaria::protocol {

using Bytes = std::vector<std::byte>;

template <class T>
T take(std::deque<T>& queue) {
  T front = std::move(queue.front());
  queue.pop_front();
  return front;
}

// A process, and its connection to the coordinator.
struct Process {
  bool alive = true;
  bool stopped = false;
  bool duplicates = false;
  std::uint64_t connection = 0;
  std::optional<WorkerId> worker;  // as the coordinator knows it
  agent::AgentState agent;
  std::unique_ptr<ToyProcess> toy;
  std::optional<agent::Finish> end;
  Instant alive_due;
  std::deque<agent::Input> local;  // results of its compute thread, and what it noticed
  std::deque<Bytes> from_coordinator;
  std::map<std::size_t, std::deque<std::pair<WorkerId, ToyFrame>>> from_peers;  // by process
  std::set<std::size_t> links;  // processes that it is connected to
};

// What a connection brings to the coordinator.
struct Line {
  std::size_t process = 0;
  std::deque<Bytes> messages;
  bool ends = false;    // after the messages
  bool closed = false;  // by the coordinator
};

class Cluster {
 public:
  explicit Cluster(const ClusterOptions& options);
  ClusterReport run();

 private:
  void story(const std::string& who, const std::string& what);

  // ---- time
  void pass_time();
  // Nothing is under way: time goes on to what is due next.
  bool skip_time(std::size_t next_fault);
  // Everything that may happen next: the head of each queue.
  std::vector<std::function<void()>> deliveries();
  static std::vector<std::function<void()>> deliveries_after_work();

  // ---- processes
  void start_process(int wanted);
  void begin_process(std::size_t index, int wanted);
  ToyProcess::World world_of(std::size_t index);
  // The process that calls itself so, alive or not.
  std::optional<std::size_t> process_called(WorkerId worker) const;
  // Who listens there: a process that joins anew has another address.
  std::optional<std::size_t> process_at(const std::string& address) const;
  bool connect(std::size_t index, const Member& member);
  void unlink(std::size_t a, std::size_t b, const std::string& why);
  void unlink_all(std::size_t index, const std::string& why);
  void strike(const ClusterFault& fault);
  void crash(std::size_t index);

  // ---- the coordinator
  void deliver_to_coordinator(std::uint64_t connection);
  std::optional<WorkerId> worker_of(std::uint64_t connection) const;
  void connection_ended(std::uint64_t connection);
  void to_coordinator(const Input& input);
  // The process that the coordinator means, over the connection that it was admitted on.
  Process* process_of(WorkerId worker);
  void carry_out(const Admit& admit);
  void carry_out(const TurnAway& turned);
  void carry_out(const Send& send);
  void carry_out(const Disconnect& disconnect);
  void carry_out(const Emit& emit);
  void carry_out(const SpecFixed&);
  void carry_out(const LedgerLine& line);
  void carry_out(const StoreModel& store);
  void carry_out(const LayerStored& stored);
  void carry_out(const Finish& finish);

  // ---- the agents
  void deliver_from_coordinator(std::size_t index);
  void to_agent(std::size_t index, const agent::Input& input);
  template <class Queued>
  void carry_out(std::size_t index, const Queued& command) {
    if constexpr (std::is_same_v<Queued, agent::Apply>) {
      watch_.applied(*processes_[index].agent.worker, command.record);
    }
    processes_[index].toy->queue(command);
  }
  void carry_out(std::size_t index, const agent::TellEvaluation& told);
  void carry_out(std::size_t index, const agent::SendMessage& send);
  void carry_out(std::size_t index, const agent::Abort& abort);
  // It leaves as a worker and comes back as another.
  void carry_out(std::size_t index, const agent::Rejoin&);
  void carry_out(std::size_t index, const agent::Finish& finish);

  // ---- the watch from outside
  std::map<WorkerId, const ToyStore*> stores() const;
  bool over() const;
  void finish_checks();

  const ClusterOptions& options_;
  Random random_;
  CoordinatorState state_;
  ClusterReport report_;
  ClusterWatch watch_;
  Instant now_;
  Instant tick_due_;
  int idle_rounds_ = 0;
  std::deque<Process> processes_;  // references stay while it grows
  std::map<std::uint64_t, Line> lines_;
  std::map<std::uint64_t, WorkerId> admitted_;
  std::set<std::pair<std::size_t, std::size_t>> cut_;
  std::uint64_t next_connection_ = 1;
  int layers_stored_ = 0;
  bool spec_fixed_ = false;
};

}  // namespace planaria::protocol
