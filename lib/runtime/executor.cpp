#include "runtime/executor.hpp"

#include <algorithm>

#include <fmt/format.h>

#include <planaria/base/check.hpp>
#include <planaria/base/hash.hpp>
#include <planaria/schedule/validate.hpp>

#include "runtime/process.hpp"
#include "runtime/shadow_exchange.hpp"
#include "runtime/tensors.hpp"

namespace planaria::runtime {

using transport::FrameKey;
using transport::FrameKind;

namespace {

const std::vector<StageAssignment>& stages_of(const Layout& layout, Place place) {
  return layout.pipelines[static_cast<std::size_t>(place.pipeline)].stages;
}

}  // namespace

Executor::Executor(const ExecutorContext& context, protocol::NewView view, Stage& stage,
                   Exchange exchange)
    : context_(context),
      view_(std::move(view)),
      stage_(stage),
      exchange_(std::move(exchange)),
      place_(place_of(view_.layout, context.self)),
      shadowed_(shadowed_by(view_.layout, context.self)) {
  std::reverse(shadowed_.begin(), shadowed_.end());
}

Result<std::unique_ptr<Executor>> Executor::create(const ExecutorContext& context,
                                                   const protocol::NewView& view, Stage& stage,
                                                   Exchange exchange) {
  std::unique_ptr<Executor> executor(new Executor(context, view, stage, std::move(exchange)));
  if (const auto& place = executor->place_) {
    const auto pipeline = static_cast<std::size_t>(place->pipeline);
    PLANARIA_TRY(actions, executor->actions_of(view.schedules.at(pipeline),
                                               view.layout.pipelines[pipeline].micro_batches));
    executor->actions_ = std::move(actions);
  }
  stage.compute_on(chunks_of(view.layout, context.self));
  return executor;
}

// Reads and proves the schedule of this worker's pipeline, and returns its rank's actions: the rank
// whose chunk 0 is the worker's first stage.
Result<std::vector<Action>> Executor::actions_of(const std::string& text, int micro_batches) {
  PLANARIA_TRY(schedule, schedule_from_text(text, "the view's schedule"));
  PLANARIA_TRY_VOID(validate(schedule, {.lane_size = context_.trainer->lane_size}));
  const auto& stages = stages_of(view_.layout, *place_);
  if (schedule.stages() != static_cast<int>(stages.size()) ||
      schedule.micro_batches != micro_batches) {
    return Fault::infeasible(fmt::format(
        "the schedule of pipeline {} is for {} stages and {} micro-batches, must be "
        "for {} and {}",
        place_->pipeline, schedule.stages(), schedule.micro_batches, stages.size(), micro_batches));
  }
  const int rank = place_->stages.front();
  std::vector<int> computed;
  for (int chunk = 0; rank < schedule.depth() && chunk < schedule.chunks; ++chunk) {
    computed.push_back(schedule.stage_of(rank, chunk));
  }
  if (computed != place_->stages) {
    return Fault::infeasible(fmt::format(
        "the schedule of pipeline {} has chunks in stages {}, worker {} computes stages {}",
        place_->pipeline, fmt::join(computed, ", "), context_.self.value,
        fmt::join(place_->stages, ", ")));
  }
  return schedule.ranks[static_cast<std::size_t>(rank)];
}

bool Executor::splits_backward() const {
  return std::ranges::any_of(
      actions_, [](const Action& action) { return action.kind == ActionKind::backward_input; });
}

FrameKey Executor::key(FrameKind kind, LayerId boundary, MicroBatchId micro_batch) const {
  return {kind, view_.view, step_, boundary, micro_batch, 0};
}

std::optional<WorkerId> Executor::neighbour(int chunk, int offset) const {
  const auto& stages = stages_of(view_.layout, *place_);
  const int stage = place_->stages[static_cast<std::size_t>(chunk)] + offset;
  if (stage < 0 || stage >= static_cast<int>(stages.size())) return std::nullopt;
  return stages[static_cast<std::size_t>(stage)].worker;
}

ReductionContext Executor::reduction() const {
  return {context_.self, view_.view, step_, &view_.layout, context_.trainer, &*work_};
}

Result<void> Executor::reduce_gradients() {
  if (context_.striker != nullptr) {
    context_.striker->at({step_, host::FaultPhase::reduce, std::nullopt, std::nullopt});
  }
  const auto span = context_.spans->measure("reduce");
  PLANARIA_TRY_VOID(reduce(reduction(), stage_, exchange_));
  lend_to_shadows(reduction(), stage_, exchange_);
  return {};
}

// What a lane asks of the stages is the same rule everywhere (protocol/salvage.hpp), so that a
// stage that does not come to a micro-batch's backward is waited for by nobody.
Result<void> Executor::begin_work(Step step, const std::optional<protocol::Salvage>& salvage) {
  step_ = step;
  work_.emplace(view_.layout,
                LaneTree(context_.trainer->micro_batches, context_.trainer->lane_size), salvage);
  left_.clear();
  stage_.begin_step(step, *work_, context_.self);
  recomputed_.clear();
  handed_over_.clear();
  if (!place_) return {};
  micro_batches_ = work_->micro_batches_of(place_->pipeline);
  std::vector<Action> actions = salvage ? std::vector<Action>{} : actions_;
  if (salvage && !micro_batches_.empty()) {
    const auto& work = salvage->work.at(static_cast<std::size_t>(place_->pipeline));
    PLANARIA_TRY(mine, actions_of(work.schedule, static_cast<int>(micro_batches_.size())));
    actions = std::move(mine);
  }
  for (const Action& action : actions) {
    const WorkPlace at = place_in_step(action);
    const bool comes = action.kind == ActionKind::forward ||
                       work_->lowest_needed(at.micro_batch) <= stage_.range(at.chunk).last;
    if (comes) left_.push_back(action);
    if (comes && action.kind == ActionKind::recompute) recomputed_.insert(at);
  }
  return {};
}

WorkPlace Executor::place_in_step(const Action& action) const {
  return {micro_batches_.at(static_cast<std::size_t>(action.micro_batch)), action.chunk};
}

Result<protocol::Report> Executor::compute(Step step,
                                           const std::optional<protocol::Salvage>& salvage) {
  failure_.reset();
  PLANARIA_TRY_VOID(begin_work(step, salvage));
  for (const Action& action : left_) {
    if (context_.aborted->load()) return Fault::cancelled("the step was aborted");
    PLANARIA_TRY_VOID(run_measured(action));
  }
  if (!place_) return report();
  PLANARIA_TRY_VOID(reduce_gradients());
  const auto span = context_.spans->measure("report");
  return report();
}

Result<void> Executor::run_measured(const Action& action) {
  if (!context_.spans->listens()) return run(action);
  ready_at_ = context_.spans->now();  // or when its last input came
  PLANARIA_TRY_VOID(run(action));
  context_.spans->add({"action", place_in_step(action).micro_batch, ready_at_,
                       context_.spans->now(), static_cast<char>(action.kind), action.chunk});
  return {};
}

// An overlapped pair runs one after the other: a worker has one device.
Result<void> Executor::run(const Action& action) {
  const WorkPlace at = place_in_step(action);
  switch (action.kind) {
    case ActionKind::forward:
      return forward(at);
    case ActionKind::backward_input:
    case ActionKind::backward:
      return backward(at, action.kind);
    case ActionKind::backward_weight: {
      const auto span = context_.spans->measure("backward_weight", at.micro_batch);
      return stage_.backward_weight(at);
    }
    case ActionKind::recompute: {
      const auto span = context_.spans->measure("recompute", at.micro_batch);
      return stage_.recompute(at);
    }
  }
  check_failed("an action of no known kind", "");
}

void Executor::hand_over(WorkerId to, const FrameKey& key, Tensors tensors) {
  if (to == context_.self) {
    handed_over_.emplace(key, std::move(tensors));
    return;
  }
  const auto span = context_.spans->measure("send", key.micro_batch);
  exchange_.send(to, key, tensors);
}

Result<Tensors> Executor::receive(WorkerId from, const FrameKey& key) {
  if (from == context_.self) {
    const auto found = handed_over_.extract(key);
    check(!found.empty(), "a chunk's result is there before another chunk of the worker needs it");
    return std::move(found.mapped());
  }
  Result<Tensors> received = [&] {
    const auto span = context_.spans->measure("wait", key.micro_batch);
    return exchange_.receive(from, key);
  }();
  if (context_.spans->listens()) ready_at_ = context_.spans->now();
  return received;
}

Result<void> Executor::forward(WorkPlace at) {
  const LayerRange range = stage_.range(at.chunk);
  Tensors inputs;
  if (const auto previous = neighbour(at.chunk, -1)) {
    PLANARIA_TRY(received,
                 receive(*previous, key(FrameKind::activation, range.first, at.micro_batch)));
    inputs = std::move(received);
  } else {
    PLANARIA_TRY(loaded, load(at.micro_batch, Side::read));
    inputs = std::move(loaded);
  }
  const auto next = neighbour(at.chunk, +1);
  Tensors targets;
  if (!next) {
    PLANARIA_TRY(loaded, load(at.micro_batch, Side::labelled));
    targets = std::move(loaded);
  }
  const auto keep = recomputed_.contains(at) ? Stage::Keep::inputs : Stage::Keep::graph;
  Tensors outputs;
  {
    const auto span = context_.spans->measure("forward", at.micro_batch);
    PLANARIA_TRY(computed, stage_.forward(at, std::move(inputs), targets, keep));
    outputs = std::move(computed);
  }
  if (next) {
    hand_over(*next, key(FrameKind::activation, range.last.next(), at.micro_batch),
              std::move(outputs));
  }
  return {};
}

Result<void> Executor::backward(WorkPlace at, ActionKind kind) {
  const LayerRange range = stage_.range(at.chunk);
  const bool split = kind == ActionKind::backward_input;
  Tensors gradients;
  if (const auto next = neighbour(at.chunk, +1)) {
    PLANARIA_TRY(received,
                 receive(*next, key(FrameKind::gradient, range.last.next(), at.micro_batch)));
    gradients = std::move(received);
  }
  Tensors passed;
  {
    const auto span =
        context_.spans->measure(split ? "backward_input" : "backward", at.micro_batch);
    PLANARIA_TRY(computed, split ? stage_.backward_input(at, std::move(gradients))
                                 : stage_.backward(at, std::move(gradients)));
    passed = std::move(computed);
  }
  const bool ends_here = work_->lowest_needed(at.micro_batch) >= range.first;
  const auto previous = neighbour(at.chunk, -1);
  if (previous && !ends_here) {
    hand_over(*previous, key(FrameKind::gradient, range.first, at.micro_batch), std::move(passed));
  }
  return {};
}

// Reads one end of a micro-batch and notes a hash of the very bytes that are used.
Result<Tensors> Executor::load(MicroBatchId micro_batch, Side side) {
  const auto span = context_.spans->measure("load", micro_batch);
  const auto ids = context_.order->samples(step_, micro_batch);
  PLANARIA_TRY(tensors, read_samples(step_, micro_batch, ids, side));
  std::vector<std::span<const std::byte>> bytes;
  bytes.reserve(tensors.size());
  for (const at::Tensor& tensor : tensors) bytes.push_back(bytes_of(tensor));
  auto& notes = side == Side::read ? stage_.notes().read : stage_.notes().labelled;
  notes[micro_batch] = xxh3_64(bytes);
  return tensors;
}

Result<Tensors> Executor::read_samples(Step step, MicroBatchId micro_batch,
                                       std::span<const std::int64_t> ids, Side side) {
  const LayerId layer = side == Side::read ? LayerId{0} : stage_.last_layer();
  std::string sentence;
  try {
    const Dataset& dataset = *context_.trainer->dataset;
    Tensors tensors = side == Side::read ? dataset.inputs(ids) : dataset.targets(ids);
    for (at::Tensor& tensor : tensors) tensor = canonical(tensor);
    return tensors;
  } catch (const std::exception& error) {
    sentence = "the data set failed: " + sentence_of(error);
  }
  failure_ = protocol::Failed{sentence, FaultKind::unavailable, step, micro_batch, layer};
  return Fault::unavailable(sentence);
}

Result<protocol::ShadowReport> Executor::receive_shadows(Step step) {
  check_equal(step, step_, "the step of a shadow's gradients, and the step computed");
  const auto span = context_.spans->measure("shadow");
  protocol::ShadowReport report{view_.view, step, {}};
  for (const LayerId layer : shadowed_) {
    if (context_.aborted->load()) return Fault::cancelled("the step was aborted");
    PLANARIA_TRY(gradients, receive_lent(reduction(), layer, stage_, exchange_));
    PLANARIA_TRY(counts, stage_.shadow(layer, step, std::move(gradients)));
    if (!counts) continue;
    const HeldLayer& held = stage_.layer(layer);
    report.layers.push_back({layer, gradient_checksum(on_host(held.reduced), held.statistics)});
  }
  return report;
}

protocol::Report Executor::report() const {
  protocol::Report report;
  report.view = view_.view;
  report.step = step_;
  const auto active = stage_.active_layers();
  std::vector<Gradients> gradients;  // by layer
  Tensors all;
  for (const HeldLayer& held : active) {
    const Gradients& here = gradients.emplace_back(on_host(held.reduced));
    all.insert(all.end(), here.begin(), here.end());
  }
  const std::vector<double> norms = squared_norms(all);
  auto norm = norms.begin();
  for (std::size_t layer = 0; layer < gradients.size(); ++layer) {
    const HeldLayer& held = active[layer];
    double sum = 0;
    for (const auto& [path, parameter] : held.trainable) {
      if (!held.is_tied_copy(path)) sum += *norm;
      ++norm;
    }
    report.layers.push_back({held.id, sum, gradient_checksum(gradients[layer], held.statistics)});
  }
  const protocol::StepNotes& notes = stage_.notes();
  for (const MicroBatchId id : micro_batches_) {
    if (stage_.holds_first()) report.read.push_back({id, notes.read.at(id)});
    if (!stage_.holds_last()) continue;
    report.labelled.push_back({id, notes.labelled.at(id)});
    report.losses.push_back({id, notes.losses.at(id)});
  }
  report.resident_bytes = resident_bytes();
  return report;
}

}  // namespace planaria::runtime
