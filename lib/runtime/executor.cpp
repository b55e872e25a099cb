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
                   Exchange exchange, std::optional<Place> place, std::vector<Action> actions)
    : context_(context),
      view_(std::move(view)),
      stage_(stage),
      exchange_(std::move(exchange)),
      place_(place),
      shadowed_(shadowed_by(view_.layout, context.self)),
      actions_(std::move(actions)) {
  std::reverse(shadowed_.begin(), shadowed_.end());
}

Result<std::unique_ptr<Executor>> Executor::create(const ExecutorContext& context,
                                                   const protocol::NewView& view, Stage& stage,
                                                   Exchange exchange) {
  const auto place = place_of(view.layout, context.self);
  std::vector<Action> actions;
  std::optional<LayerRange> range;
  if (place) {
    const auto pipeline = static_cast<std::size_t>(place->pipeline);
    const auto& stages = stages_of(view.layout, *place);
    PLANARIA_TRY(mine,
                 actions_of(context, view.schedules.at(pipeline), static_cast<int>(stages.size()),
                            view.layout.pipelines[pipeline].micro_batches, *place));
    actions = std::move(mine);
    range = stages[static_cast<std::size_t>(place->stage)].layers;
  }
  stage.compute_on(range);
  return std::unique_ptr<Executor>(
      new Executor(context, view, stage, std::move(exchange), place, std::move(actions)));
}

Result<std::vector<Action>> Executor::actions_of(const ExecutorContext& context,
                                                 const std::string& text, int stages,
                                                 int micro_batches, Place place) {
  PLANARIA_TRY(schedule, schedule_from_text(text, "the view's schedule"));
  PLANARIA_TRY_VOID(validate(schedule, {.lane_size = context.trainer->lane_size}));
  if (schedule.stages() != stages || schedule.micro_batches != micro_batches) {
    return Fault::infeasible(fmt::format(
        "the schedule of pipeline {} is for {} stages and {} micro-batches, must be for {} and {}",
        place.pipeline, schedule.stages(), schedule.micro_batches, stages, micro_batches));
  }
  std::vector<Action> actions = schedule.ranks[static_cast<std::size_t>(place.stage)];
  for (const Action& action : actions) {
    if (action.kind != ActionKind::forward && action.kind != ActionKind::backward) {
      return Fault::infeasible(
          fmt::format("the schedule has {}, the executor runs F and G", text_of(action)));
    }
  }
  return actions;
}

FrameKey Executor::key(FrameKind kind, LayerId boundary, MicroBatchId micro_batch) const {
  return {kind, view_.view, step_, boundary, micro_batch, 0};
}

std::optional<WorkerId> Executor::neighbour(int offset) const {
  const auto& stages = stages_of(view_.layout, *place_);
  const int stage = place_->stage + offset;
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
  if (!place_) return {};
  micro_batches_ = work_->micro_batches_of(place_->pipeline);
  std::vector<Action> actions = salvage ? std::vector<Action>{} : actions_;
  if (salvage && !micro_batches_.empty()) {
    const auto& work = salvage->work.at(static_cast<std::size_t>(place_->pipeline));
    PLANARIA_TRY(mine, actions_of(context_, work.schedule,
                                  static_cast<int>(stages_of(view_.layout, *place_).size()),
                                  static_cast<int>(micro_batches_.size()), *place_));
    actions = std::move(mine);
  }
  for (const Action& action : actions) {
    const MicroBatchId micro_batch =
        micro_batches_.at(static_cast<std::size_t>(action.micro_batch));
    const bool comes = action.kind == ActionKind::forward ||
                       work_->lowest_needed(micro_batch) <= stage_.range().last;
    if (comes) left_.push_back(action);
  }
  return {};
}

Result<protocol::Report> Executor::compute(Step step,
                                           const std::optional<protocol::Salvage>& salvage) {
  failure_.reset();
  PLANARIA_TRY_VOID(begin_work(step, salvage));
  for (const Action& action : left_) {
    if (context_.aborted->load()) return Fault::cancelled("the step was aborted");
    const MicroBatchId micro_batch =
        micro_batches_.at(static_cast<std::size_t>(action.micro_batch));
    if (action.kind == ActionKind::forward) {
      PLANARIA_TRY_VOID(forward(micro_batch));
    } else {
      PLANARIA_TRY_VOID(backward(micro_batch));
    }
  }
  if (!place_) return report();
  PLANARIA_TRY_VOID(reduce_gradients());
  const auto span = context_.spans->measure("report");
  return report();
}

Result<Tensors> Executor::receive(WorkerId from, const FrameKey& key) {
  const auto span = context_.spans->measure("wait", key.micro_batch);
  return exchange_.receive(from, key);
}

Result<void> Executor::forward(MicroBatchId micro_batch) {
  Tensors inputs;
  if (const auto previous = neighbour(-1)) {
    PLANARIA_TRY(received,
                 receive(*previous, key(FrameKind::activation, stage_.range().first, micro_batch)));
    inputs = std::move(received);
  } else {
    PLANARIA_TRY(loaded, load(micro_batch, Side::read));
    inputs = std::move(loaded);
  }
  const auto next = neighbour(+1);
  Tensors targets;
  if (!next) {
    PLANARIA_TRY(loaded, load(micro_batch, Side::labelled));
    targets = std::move(loaded);
  }
  Tensors outputs;
  {
    const auto span = context_.spans->measure("forward", micro_batch);
    PLANARIA_TRY(computed, stage_.forward(micro_batch, std::move(inputs), targets));
    outputs = std::move(computed);
  }
  if (next) {
    const auto span = context_.spans->measure("send", micro_batch);
    exchange_.send(*next, key(FrameKind::activation, stage_.range().last.next(), micro_batch),
                   outputs);
  }
  return {};
}

Result<void> Executor::backward(MicroBatchId micro_batch) {
  Tensors gradients;
  if (const auto next = neighbour(+1)) {
    PLANARIA_TRY(received,
                 receive(*next, key(FrameKind::gradient, stage_.range().last.next(), micro_batch)));
    gradients = std::move(received);
  }
  Tensors passed;
  {
    const auto span = context_.spans->measure("backward", micro_batch);
    PLANARIA_TRY(computed, stage_.backward(micro_batch, std::move(gradients)));
    passed = std::move(computed);
  }
  const bool ends_here = work_->lowest_needed(micro_batch) >= stage_.range().first;
  const auto previous = neighbour(-1);
  if (previous && !ends_here) {
    const auto span = context_.spans->measure("send", micro_batch);
    exchange_.send(*previous, key(FrameKind::gradient, stage_.range().first, micro_batch), passed);
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
  const LayerId layer = side == Side::read ? stage_.range().first : stage_.range().last;
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
