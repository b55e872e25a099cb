// One worker's part of an evaluation: forward only, pipelines share the micro-batches out.
#include "runtime/executor.hpp"

namespace planaria::runtime {
namespace {

using transport::FrameKey;
using transport::FrameKind;

// So many micro-batches may be on their way between two stages: enough to keep both busy, few
// enough that a fast stage does not fill a slow one's memory.
constexpr int in_flight_max = 4;

// Frames of an evaluation at level n beside those of step n.
constexpr std::int32_t evaluation_part = 1;

}  // namespace

FrameKey Executor::evaluation_key(FrameKind kind, Step level, LayerId boundary,
                                  MicroBatchId micro_batch) const {
  return {kind, view_.view, level, boundary, micro_batch, evaluation_part};
}

Result<protocol::Evaluated> Executor::evaluate(Step level) {
  failure_.reset();
  if (!place_) return protocol::Evaluated{view_.view, level, {}};
  const std::int64_t count = context_.evaluation.micro_batches();
  const auto pipelines = static_cast<std::int64_t>(view_.layout.pipelines.size());
  const auto first = static_cast<int>(count * place_->pipeline / pipelines);
  const auto end = static_cast<int>(count * (place_->pipeline + 1) / pipelines);
  const auto previous = neighbour(-1);
  const auto next = neighbour(+1);
  stage_.begin_evaluation();
  Result<void> outcome;
  for (int i = first; i < end && outcome; ++i) {
    if (context_.aborted->load()) outcome = Fault::cancelled("the evaluation was aborted");
    if (outcome && next && i - first >= in_flight_max) {
      const auto credit = exchange_.receive(
          *next, evaluation_key(FrameKind::gradient, level, stage_.range().last.next(),
                                MicroBatchId{i - in_flight_max}));
      if (!credit) outcome = credit.fault();
    }
    if (outcome) outcome = evaluate_one(level, MicroBatchId{i});
    if (outcome && previous && i + in_flight_max < end) {
      exchange_.send(
          *previous,
          evaluation_key(FrameKind::gradient, level, stage_.range().first, MicroBatchId{i}), {});
    }
  }
  stage_.end_evaluation();
  if (!outcome) return outcome.fault();
  protocol::Evaluated evaluated{view_.view, level, {}};
  for (const auto& [micro_batch, loss] : stage_.evaluation_losses()) {
    evaluated.losses.push_back({micro_batch, loss});
  }
  return evaluated;
}

Result<void> Executor::evaluate_one(Step level, MicroBatchId micro_batch) {
  const std::vector<std::int64_t> ids = context_.evaluation.ids(micro_batch);
  Tensors inputs;
  if (const auto previous = neighbour(-1)) {
    PLANARIA_TRY(received, receive(*previous, evaluation_key(FrameKind::activation, level,
                                                             stage_.range().first, micro_batch)));
    inputs = std::move(received);
  } else {
    PLANARIA_TRY(loaded, read_samples(level, micro_batch, ids, Side::read));
    inputs = std::move(loaded);
  }
  const auto next = neighbour(+1);
  Tensors targets;
  if (!next) {
    PLANARIA_TRY(loaded, read_samples(level, micro_batch, ids, Side::labelled));
    targets = std::move(loaded);
  }
  PLANARIA_TRY(outputs, stage_.evaluate(level, micro_batch, std::move(inputs), targets));
  if (next) {
    exchange_.send(
        *next,
        evaluation_key(FrameKind::activation, level, stage_.range().last.next(), micro_batch),
        outputs);
  }
  return {};
}

}  // namespace planaria::runtime
