// One worker's part of an evaluation: forward only, pipelines share the micro-batches out.
#include <algorithm>

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

// Micro-batches go through the worker's chunks one after another, several micro-batches behind each
// other: chunk c comes to micro-batch i once chunk c-1's result has gone round the other workers.
Result<protocol::Evaluated> Executor::evaluate(Step level) {
  failure_.reset();
  handed_over_.clear();
  if (!computes()) return protocol::Evaluated{view_.view, level, {}};
  const std::int64_t count = context_.evaluation.micro_batches();
  const auto pipelines = static_cast<std::int64_t>(view_.layout.pipelines.size());
  stage_.begin_evaluation();
  Result<void> outcome;
  // Ascending on every worker, so that nobody waits for somebody who waits in another pipeline.
  for (const Place& place : places_) {
    if (!outcome) break;
    const std::int64_t number = place.pipeline;
    outcome = evaluate_share(level, {place.pipeline, static_cast<int>(count * number / pipelines),
                                     static_cast<int>(count * (number + 1) / pipelines)});
  }
  stage_.end_evaluation();
  if (!outcome) return outcome.fault();
  protocol::Evaluated evaluated{view_.view, level, {}};
  for (const auto& [micro_batch, loss] : stage_.evaluation_losses()) {
    evaluated.losses.push_back({micro_batch, loss});
  }
  return evaluated;
}

Result<void> Executor::evaluate_share(Step level, const EvaluationShare& share) {
  for (int i = share.first; i < share.end; i += in_flight_max) {
    const int group_end = std::min(i + in_flight_max, share.end);
    for (int chunk = 0; chunk < stage_.chunks(); ++chunk) {
      for (int j = i; j < group_end; ++j) {
        PLANARIA_TRY_VOID(evaluate_in_turn(level, {MicroBatchId{j}, chunk}, share));
      }
    }
  }
  return {};
}

Result<void> Executor::evaluate_in_turn(Step level, WorkPlace at, const EvaluationShare& share) {
  if (context_.aborted->load()) return Fault::cancelled("the evaluation was aborted");
  const LayerRange range = stage_.range(at.chunk);
  const int number = at.micro_batch.value;
  const auto other = [&](int offset) {
    auto worker = neighbour(share.pipeline, at.chunk, offset);
    return worker == context_.self ? std::nullopt : worker;
  };
  if (const auto next = other(+1); next && number - share.first >= in_flight_max) {
    const auto credit =
        exchange_.receive(*next, evaluation_key(FrameKind::gradient, level, range.last.next(),
                                                MicroBatchId{number - in_flight_max}));
    if (!credit) return credit.fault();
  }
  PLANARIA_TRY_VOID(evaluate_one(level, at, share.pipeline));
  if (const auto previous = other(-1); previous && number + in_flight_max < share.end) {
    exchange_.send(*previous,
                   evaluation_key(FrameKind::gradient, level, range.first, at.micro_batch), {});
  }
  return {};
}

Result<void> Executor::evaluate_one(Step level, WorkPlace at, int pipeline) {
  const LayerRange range = stage_.range(at.chunk);
  const std::vector<std::int64_t> ids = context_.evaluation.ids(at.micro_batch);
  Tensors inputs;
  if (const auto previous = neighbour(pipeline, at.chunk, -1)) {
    PLANARIA_TRY(received, receive(*previous, evaluation_key(FrameKind::activation, level,
                                                             range.first, at.micro_batch)));
    inputs = std::move(received);
  } else {
    PLANARIA_TRY(loaded, read_samples(level, at.micro_batch, ids, Side::read));
    inputs = std::move(loaded);
  }
  const auto next = neighbour(pipeline, at.chunk, +1);
  Tensors targets;
  if (!next) {
    PLANARIA_TRY(loaded, read_samples(level, at.micro_batch, ids, Side::labelled));
    targets = std::move(loaded);
  }
  PLANARIA_TRY(outputs, stage_.evaluate(level, at, std::move(inputs), targets));
  if (next) {
    hand_over(*next,
              evaluation_key(FrameKind::activation, level, range.last.next(), at.micro_batch),
              std::move(outputs));
  }
  return {};
}

}  // namespace planaria::runtime
