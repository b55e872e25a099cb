// runtime/executor.hpp: one worker's part of a step. Private.
// Is: a walk along the schedule's actions of this rank: data, activations and gradients in and out,
// then the reduction, what shadows get of it, and the report; and a shadow's side of that. A worker
// without a role computes nothing. Is not: decisions (protocol/) or arithmetic (stage, reduction).
#pragma once

#include <atomic>
#include <map>
#include <optional>
#include <set>
#include <span>
#include <string>
#include <vector>

#include <planaria/base/ids.hpp>
#include <planaria/base/result.hpp>
#include <planaria/host/fault_striker.hpp>
#include <planaria/model/sample_order.hpp>
#include <planaria/protocol/messages.hpp>
#include <planaria/schedule/actions.hpp>

#include "runtime/exchange.hpp"
#include "runtime/reduction.hpp"
#include "runtime/spans.hpp"
#include "runtime/stage.hpp"

namespace planaria::runtime {

struct ExecutorContext {
  WorkerId self;
  const TrainerOptions* trainer = nullptr;
  const SampleOrder* order = nullptr;
  /// Set by another thread when what is computed is no longer wanted; looked at between actions.
  const std::atomic<bool>* aborted = nullptr;
  const Spans* spans = nullptr;
  EvaluationOrder evaluation = {};
  host::FaultStriker* striker = nullptr;  // outlives the executor
};

class Executor {
 public:
  /// Proves the schedule of this worker's pipelines before anything runs (infeasible), and makes
  /// the stage compute on the worker's range in the view, all of which it must hold; on nothing
  /// where it has none.
  [[nodiscard]] static Result<std::unique_ptr<Executor>> create(const ExecutorContext& context,
                                                                const protocol::NewView& view,
                                                                Stage& stage, Exchange exchange);
  /// Whether this worker computes in the view, and so reports.
  [[nodiscard]] bool computes() const { return !places_.empty(); }
  /// Whether this worker's schedule has backwards in halves.
  [[nodiscard]] bool splits_backward() const;
  /// Whether this worker shadows in the view, and so sends a ShadowReport.
  [[nodiscard]] bool shadows() const { return !shadowed_.empty(); }
  /// Begins a step on every worker, and computes it, or what `salvage` leaves of it, up to the
  /// report, whose rate is the caller's to fill in; without a place the report is empty and not to
  /// be sent. Faults: Exchange's; cancelled after an abort; infeasible for a schedule that does not
  /// fit; unavailable where user code failed (Stage::failure, or failure() for the data set).
  [[nodiscard]] Result<protocol::Report> compute(
      Step step, const std::optional<protocol::Salvage>& salvage = {});
  /// Receives the reduced gradients of the layers that this worker shadows, after compute() of the
  /// same step. The report lists those that stand at step-1; the stage keeps the gradients of the
  /// others, which are being filled. Faults: Exchange's; cancelled; corrupt where a gradient does
  /// not fit its layer.
  [[nodiscard]] Result<protocol::ShadowReport> receive_shadows(Step step);
  /// Computes this worker's part of the evaluation at `level`; only the last stage's has losses,
  /// and a worker without a place computes nothing. Faults as compute().
  [[nodiscard]] Result<protocol::Evaluated> evaluate(Step level);
  /// Where the data set failed, after a fault of compute() or evaluate().
  [[nodiscard]] const std::optional<protocol::Failed>& failure() const { return failure_; }

 private:
  Executor(const ExecutorContext& context, protocol::NewView view, Stage& stage, Exchange exchange);
  [[nodiscard]] LaneTree tree() const;
  [[nodiscard]] const std::vector<StageAssignment>& stages_of(int pipeline) const;
  [[nodiscard]] std::vector<MicroBatchId> numbered(const protocol::StepWork& work) const;
  [[nodiscard]] Result<std::vector<Action>> actions_of(const std::string& text,
                                                       const protocol::StepWork& work) const;
  [[nodiscard]] Result<void> verify_own(const std::vector<Action>& actions,
                                        const std::vector<MicroBatchId>& ids,
                                        const protocol::StepWork& work) const;
  [[nodiscard]] Result<void> begin_work(Step step, const std::optional<protocol::Salvage>& salvage);
  [[nodiscard]] ReductionContext reduction() const;
  [[nodiscard]] WorkPlace place_in_step(const Action& action) const;
  [[nodiscard]] Result<void> run_measured(const Action& action);
  [[nodiscard]] Result<void> run(const Action& action);
  [[nodiscard]] Result<void> forward(WorkPlace at);
  [[nodiscard]] Result<void> backward(WorkPlace at, ActionKind kind);
  [[nodiscard]] Result<void> reduce_gradients();
  enum class Side { read, labelled };
  [[nodiscard]] Result<Tensors> load(MicroBatchId micro_batch, Side side);
  [[nodiscard]] Result<Tensors> read_samples(Step step, MicroBatchId micro_batch,
                                             std::span<const std::int64_t> ids, Side side);
  struct EvaluationShare {
    int pipeline, first, end;  // its micro-batches [first, end)
  };
  [[nodiscard]] Result<void> evaluate_share(Step level, const EvaluationShare& share);
  [[nodiscard]] Result<void> evaluate_in_turn(Step level, WorkPlace at,
                                              const EvaluationShare& share);
  [[nodiscard]] Result<void> evaluate_one(Step level, WorkPlace at, int pipeline);
  [[nodiscard]] transport::FrameKey evaluation_key(transport::FrameKind kind, Step level,
                                                   LayerId boundary,
                                                   MicroBatchId micro_batch) const;
  [[nodiscard]] protocol::Report report() const;
  [[nodiscard]] transport::FrameKey key(transport::FrameKind kind, LayerId boundary,
                                        MicroBatchId micro_batch) const;
  /// The worker of the stage before (-1) or behind (+1) a chunk's; nothing at an end.
  [[nodiscard]] std::optional<WorkerId> neighbour(int pipeline, int chunk, int offset) const;
  [[nodiscard]] std::optional<WorkerId> neighbour(WorkPlace at, int offset) const;
  /// What crosses a boundary, to another worker or, with the same key, within this one.
  void hand_over(WorkerId to, const transport::FrameKey& key, Tensors tensors);
  [[nodiscard]] Result<Tensors> receive(WorkerId from, const transport::FrameKey& key);

  ExecutorContext context_;
  protocol::NewView view_;
  Stage& stage_;
  Exchange exchange_;
  std::vector<Place> places_;       // by pipeline; none: this worker does not compute
  std::vector<int> joined_;         // the pipelines that run as one with its own
  std::vector<LayerId> shadowed_;   // descending, as gradients come
  std::vector<Action> actions_;     // of a whole step
  std::set<WorkPlace> recomputed_;  // of the step in flight: what has an R
  Step step_;
  std::optional<protocol::StepWork> work_;              // of the step in flight
  std::vector<Action> left_;                            // of it, what is to be done
  std::vector<MicroBatchId> micro_batches_;             // by the actions' number
  std::map<transport::FrameKey, Tensors> handed_over_;  // between chunks of this worker
  std::optional<protocol::Failed> failure_;
  Instant ready_at_;  // when the action in hand had its inputs, where that is measured
};

}  // namespace planaria::runtime
