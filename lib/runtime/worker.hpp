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
#include <set>
#include <string>
#include <thread>
#include <vector>

#include <planaria/base/clock.hpp>
#include <planaria/host/fault_striker.hpp>
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
#include "runtime/state_arrivals.hpp"

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
  // returns at once, with nothing. Losses, other layouts and roll-backs are dealt with inside these
  // calls: the loop sees each step once.

  /// Joins the run and builds this worker's place in it.
  void join();
  /// Waits for the next step; nothing when there is none. Ends the step before: after the last one,
  /// hands over the state.
  [[nodiscard]] std::optional<Step> begin_step();
  /// Computes this worker's part of the step; an idle worker has none.
  void forward_backward();
  /// Reports, waits for the step's record and applies it. Nothing, and no outcome, where the run
  /// went on without this worker, which has joined anew: begin_step() says where it stands.
  [[nodiscard]] std::optional<StepMetrics> commit(double rate);
  /// Evaluates at this level, together with all other workers.
  [[nodiscard]] std::optional<EvaluationMetrics> evaluate();
  /// Tells the coordinator that this worker cannot go on, and waits for the end it brings.
  void fail(const std::string& why);
  [[nodiscard]] const std::optional<TrainingOutcome>& outcome() const { return outcome_; }
  /// Whether the last step is applied and begin_step() not yet called to hand the state over.
  [[nodiscard]] bool last_applied() const { return last_applied_; }
  [[nodiscard]] WorkerId id() const { return self_; }
  [[nodiscard]] const Layout& layout() const { return view_.layout; }

  /// Asks for a stop: any thread, harmless after the end.
  void stop(const std::string& why);

 private:
  // ---- any thread (worker_messages.cpp)
  void deliver(const protocol::agent::Input& input);
  void carry_out_at_once(const protocol::agent::Command& command);
  void on_connected(transport::PeerId peer, const transport::PeerInfo& info);
  void on_lost(transport::PeerId peer, const Fault& fault);
  void on_control(transport::PeerId peer, const transport::Buffer& payload);
  void on_state(const transport::FrameKey& key, transport::Buffer payload);
  void send_to_coordinator(const protocol::Message& message);
  void tell_alive();

  // ---- compute thread: the loop (worker.cpp)
  [[nodiscard]] protocol::agent::Command wait_for_command();
  void drop_command();
  void carry_out_between_steps(const protocol::agent::Command& command);
  [[nodiscard]] bool stale(const protocol::agent::Compute& command);
  [[nodiscard]] bool compute(const protocol::agent::Compute& command);
  void report(double rate);
  void receive_shadows(Step step);
  void do_again(const protocol::agent::Command& command);
  [[nodiscard]] std::optional<EvaluationMetrics> wait_for_evaluation(Step level);
  void tell_fault(const Fault& fault);

  // ---- compute thread: coming, going, views (worker_views.cpp)
  [[nodiscard]] Result<void> connect_to_coordinator();
  void carry_out(const protocol::agent::Connect& command);
  void carry_out(const protocol::agent::Prepare& command);
  [[nodiscard]] std::optional<StepMetrics> carry_out(const protocol::agent::Apply& command);
  void carry_out(const protocol::agent::HandOver& command);
  void carry_out(const protocol::agent::Rejoin& command);
  void carry_out(const protocol::agent::SendCopies& command);
  void carry_out(const protocol::agent::SendLayerState& command);
  [[nodiscard]] Result<void> prepare(const protocol::NewView& view);
  void tell_modules_without_split();
  [[nodiscard]] Result<void> take_roles(const protocol::NewView& view);
  [[nodiscard]] Result<void> receive_moves(const protocol::NewView& view);
  [[nodiscard]] PeerMap wait_for_peers(const protocol::NewView& view);
  [[nodiscard]] std::vector<protocol::LayerBytes> held_bytes() const;
  void begin_first_view(const protocol::NewView& view);
  void make_striker(bool joined_later);
  void tell_striker_of(const protocol::NewView& view);
  void drop_layers_without_role();
  void install_arrived();
  void send_copies(const std::vector<protocol::Move>& moves, Step level);
  void strike(host::FaultPhase phase, Step step);

  // ---- what is told (worker_reports.cpp)
  void open_events();
  void write_computed(char kind, Step step, MicroBatchId micro_batch, LayerId first, LayerId last);
  void write_fault(Step step, const Json& fields);
  void write_span(const Span& span);
  [[nodiscard]] StepMetrics metrics_of(const protocol::CommitRecord& record);
  [[nodiscard]] protocol::Applied applied(Step step);

  WorkerOptions options_;
  host::RunClock clock_;  // one zero for every process of a run
  std::optional<SampleOrder> order_;

  std::mutex mutex_;  // guards what follows, up to aborted_
  std::condition_variable changed_;
  protocol::agent::AgentState agent_;
  std::deque<protocol::agent::Command> commands_;
  PeerMap peers_;
  std::set<WorkerId> gone_;  // were connected, or could not be reached
  std::optional<transport::PeerId> coordinator_;
  std::map<Step, protocol::Evaluation> evaluations_;  // not yet asked for
  ViewNumber floor_{0};                               // commands of older views are given up
  bool leaving_ = false;
  std::atomic<bool> aborted_{false};  // what is being computed belongs to a view below floor_
  StateArrivals arrivals_;

  std::optional<TrainingOutcome> outcome_;
  std::string address_;  // where peers reach this worker
  WorkerId self_{-2};
  protocol::NewView view_;
  bool built_ = false;
  bool rejoined_ = false;         // this process was another worker before
  bool told_of_modules_ = false;  // that cannot put off their weight gradients
  Step level_{0};
  Step done_{0};               // the newest step whose metrics the loop has, or must not see
  Step current_{0};            // the step that the loop is in
  Step shown_step_{0};         // the step that spans belong to
  bool last_applied_ = false;  // and not yet told: the loop may still evaluate
  std::optional<protocol::Report> report_;
  std::optional<JsonLines> events_;
  std::string line_;
  Spans spans_;
  Instant record_came_;
  host::FaultStriker striker_;
  std::unique_ptr<Stage> stage_;
  std::unique_ptr<Executor> executor_;

  std::thread heart_;
  std::unique_ptr<transport::Transport> transport_;  // last: its threads use everything above
};

}  // namespace planaria::runtime
