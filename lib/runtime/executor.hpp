// runtime/executor.hpp: one worker's part of a step. Private.
// Is: a walk along the schedule's actions of this rank: data, activations and gradients in and out,
// then the reduction and the report. Is not: decisions (protocol/) or arithmetic (stage,
// reduction).
#pragma once

#include <atomic>
#include <optional>

#include <planaria/base/ids.hpp>
#include <planaria/base/result.hpp>
#include <planaria/model/sample_order.hpp>
#include <planaria/protocol/messages.hpp>
#include <planaria/schedule/actions.hpp>

#include "runtime/exchange.hpp"
#include "runtime/stage.hpp"

namespace planaria::runtime {

struct ExecutorContext {
  WorkerId self;
  const TrainerOptions* trainer = nullptr;
  const SampleOrder* order = nullptr;
  /// Set by another thread when what is computed is no longer wanted; looked at between actions.
  const std::atomic<bool>* aborted = nullptr;
};

class Executor {
 public:
  /// Proves the schedule of this worker's pipeline before anything runs (infeasible).
  [[nodiscard]] static Result<std::unique_ptr<Executor>> create(const ExecutorContext& context,
                                                                const protocol::NewView& view,
                                                                Stage& stage, Exchange exchange);
  /// Computes one step up to the report. Faults: Exchange's; cancelled after an abort; unavailable
  /// where user code failed (Stage::failure, or failure() for the data set).
  [[nodiscard]] Result<protocol::Report> compute(Step step);
  /// Where the data set failed, after a fault of compute().
  [[nodiscard]] const std::optional<protocol::Failed>& failure() const { return failure_; }

 private:
  Executor(const ExecutorContext& context, protocol::NewView view, Stage& stage, Exchange exchange,
           Place place, std::vector<Action> actions);
  [[nodiscard]] Result<void> forward(MicroBatchId micro_batch);
  [[nodiscard]] Result<void> backward(MicroBatchId micro_batch);
  enum class Side { read, labelled };
  [[nodiscard]] Result<Tensors> load(MicroBatchId micro_batch, Side side);
  [[nodiscard]] protocol::Report report() const;
  [[nodiscard]] transport::FrameKey key(transport::FrameKind kind, LayerId boundary,
                                        MicroBatchId micro_batch) const;
  [[nodiscard]] std::optional<WorkerId> neighbour(int offset) const;

  ExecutorContext context_;
  protocol::NewView view_;
  Stage& stage_;
  Exchange exchange_;
  Place place_;
  std::vector<Action> actions_;
  MicroBatchRange share_;
  Step step_;
  std::vector<protocol::MicroBatchHash> read_;
  std::vector<protocol::MicroBatchHash> labelled_;
  std::optional<protocol::Failed> failure_;
};

}  // namespace planaria::runtime
