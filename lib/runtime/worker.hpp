// runtime/worker.hpp: one worker of a run, from joining to the end. Private.
// Is: the pure agent wired to a transport, a stage and an executor, driven step by step from one
// thread, the compute thread; the transport's I/O thread hands messages to the agent whatever
// compute does. Is not: decisions (the agent's and the coordinator's) or the loop (Session's user,
// or Trainer).
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
#include "runtime/spans.hpp"
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
};

class Worker {
 public:
  Worker(WorkerOptions options, std::unique_ptr<transport::Transport> transport);
  ~Worker();

  // ---- compute thread. Once the run is over for this worker, outcome() says how, and every call
  // returns at once, with nothing.

  /// Joins the run and builds this worker's place in it.
  void join();
  /// Waits for the next step; nothing when there is none. Ends the step before: after the last one,
  /// hands over the state.
  [[nodiscard]] std::optional<Step> begin_step();
  /// Computes this worker's part of the step; an idle worker has none.
  void forward_backward();
  /// Reports, waits for the step's record and applies it.
  [[nodiscard]] std::optional<StepMetrics> commit(double rate);
  /// Evaluates at this level, together with all other workers.
  [[nodiscard]] std::optional<EvaluationMetrics> evaluate();
  /// Tells the coordinator that this worker cannot go on, and waits for the end it brings.
  void fail(const std::string& why);
  [[nodiscard]] const std::optional<TrainingOutcome>& outcome() const { return outcome_; }
  /// Whether the last step is applied and begin_step() not yet called to hand the state over.
  [[nodiscard]] bool last_applied() const { return last_applied_; }
  [[nodiscard]] WorkerId id() const { return self_; }
  [[nodiscard]] const Layout& layout() const { return layout_; }

  /// Asks for a stop: any thread, harmless after the end.
  void stop(const std::string& why);

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
  [[nodiscard]] protocol::agent::Command wait_for_command();
  void drop_command();
  bool carry_out_between_steps(const protocol::agent::Command& command);
  void carry_out(const protocol::agent::Build& command);
  [[nodiscard]] std::optional<StepMetrics> carry_out(const protocol::agent::Apply& command);
  void carry_out(const protocol::agent::SendLayerState& command);
  [[nodiscard]] Result<void> build(const protocol::NewView& view);
  [[nodiscard]] Result<PeerMap> connect_to_peers(const protocol::NewView& view);
  void open_events();
  void write_computed(char kind, Step step, MicroBatchId micro_batch, LayerId first, LayerId last);
  void write_span(const Span& span);
  [[nodiscard]] StepMetrics metrics_of(const protocol::CommitRecord& record);
  void tell_applied();
  [[nodiscard]] protocol::Applied applied(Step step);
  void tell_fault(const Fault& fault);

  WorkerOptions options_;
  host::RunClock clock_;  // one zero for every process of a run
  std::optional<SampleOrder> order_;

  std::mutex mutex_;  // guards the agent, the queue and the peers
  std::condition_variable changed_;
  protocol::agent::AgentState agent_;
  std::deque<protocol::agent::Command> commands_;
  PeerMap peers_;
  std::optional<transport::PeerId> coordinator_;
  std::optional<protocol::Evaluation> evaluation_;  // the newest
  bool leaving_ = false;
  std::atomic<bool> aborted_{false};

  std::optional<TrainingOutcome> outcome_;
  WorkerId self_{-2};
  ViewNumber view_;
  Layout layout_;
  bool built_ = false;
  Step level_{0};
  Step shown_step_{0};         // the step that spans belong to
  bool last_applied_ = false;  // and not yet told: the loop may still evaluate
  std::optional<protocol::Report> report_;
  std::optional<JsonLines> events_;
  std::string line_;
  Spans spans_;
  Instant record_came_;
  std::unique_ptr<Stage> stage_;
  std::unique_ptr<Executor> executor_;

  std::unique_ptr<transport::Transport> transport_;  // last: its threads use everything above
};

}  // namespace planaria::runtime
