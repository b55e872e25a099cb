// runtime/worker.hpp: one worker of a run, from joining to the end. Private.
// Is: the pure agent wired to a transport, a stage and an executor. Threads: run() is the compute
// thread; the transport's I/O thread hands messages to the agent whatever compute does. Is not:
// decisions: those are the agent's and the coordinator's.
#pragma once

#include <atomic>
#include <condition_variable>
#include <deque>
#include <functional>
#include <map>
#include <memory>
#include <mutex>
#include <optional>
#include <string>
#include <vector>

#include <planaria/base/clock.hpp>
#include <planaria/host/run_options.hpp>
#include <planaria/model/run_spec.hpp>
#include <planaria/model/sample_order.hpp>
#include <planaria/observe/events.hpp>
#include <planaria/protocol/agent.hpp>
#include <planaria/runtime/trainer.hpp>
#include <planaria/transport/transport.hpp>

#include "runtime/executor.hpp"
#include "runtime/stage.hpp"

namespace planaria::runtime {

struct WorkerOptions {
  const TrainerOptions* trainer = nullptr;  // outlives the worker
  RunSpec spec;
  std::string coordinator;  // its address
  std::string listen;       // where this worker's peers reach it
  WorkerId wanted{-2};
  std::string run_dir;                 // for the worker's own events; empty: none
  GeneratorLock* generator = nullptr;  // outlives the worker
  std::vector<std::function<void(const StepMetrics&)>> listeners;
};

class Worker {
 public:
  Worker(WorkerOptions options, std::unique_ptr<transport::Transport> transport);
  ~Worker();
  /// Joins, trains, ends. Blocks; call once.
  [[nodiscard]] TrainingOutcome run();

 private:
  // ---- any thread
  void deliver(const protocol::agent::Input& input);
  void carry_out_at_once(const protocol::agent::Command& command);
  void on_connected(transport::PeerId peer, const transport::PeerInfo& info);
  void on_lost(transport::PeerId peer, const Fault& fault);
  void on_control(transport::PeerId peer, const transport::Buffer& payload);
  void send_to_coordinator(const protocol::Message& message);

  // ---- compute thread
  [[nodiscard]] Result<void> connect_to_coordinator();
  [[nodiscard]] protocol::agent::Command next_command();
  void carry_out(const protocol::agent::Build& command);
  void carry_out(const protocol::agent::Compute& command);
  void carry_out(const protocol::agent::Apply& command);
  void carry_out(const protocol::agent::SendLayerState& command);
  [[nodiscard]] Result<void> build(const protocol::NewView& view);
  [[nodiscard]] Result<PeerMap> connect_to_peers(const protocol::NewView& view);
  void open_events();
  void write_computed(char kind, Step step, MicroBatchId micro_batch, LayerId layer);
  void tell_listeners(const protocol::CommitRecord& record);
  [[nodiscard]] protocol::Applied applied(Step step);
  void fail(const Fault& fault);

  WorkerOptions options_;
  host::RunClock clock_;  // one zero for every process of a run
  std::optional<SampleOrder> order_;

  std::mutex mutex_;  // guards the agent, the queue and the peers
  std::condition_variable changed_;
  protocol::agent::AgentState agent_;
  std::deque<protocol::agent::Command> commands_;
  PeerMap peers_;
  std::optional<transport::PeerId> coordinator_;
  std::atomic<bool> aborted_{false};

  WorkerId self_{-2};
  ViewNumber view_;
  std::optional<JsonLines> events_;
  std::string line_;
  Instant record_came_;
  std::unique_ptr<Stage> stage_;
  std::unique_ptr<Executor> executor_;

  std::unique_ptr<transport::Transport> transport_;  // last: its threads use everything above
};

}  // namespace planaria::runtime
