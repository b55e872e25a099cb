#include "runtime/executor.hpp"

#include <algorithm>

#include <fmt/format.h>

#include <planaria/base/check.hpp>
#include <planaria/schedule/validate.hpp>

#include "runtime/data_samples.hpp"
#include "runtime/process.hpp"
#include "runtime/shadow_exchange.hpp"
#include "runtime/tensors.hpp"

namespace planaria::runtime {

using transport::FrameKey;
using transport::FrameKind;

Executor::Executor(const ExecutorContext& context, protocol::NewView view, Stage& stage,
                   Exchange exchange)
    : context_(context),
      view_(std::move(view)),
      stage_(stage),
      exchange_(std::move(exchange)),
      places_(places_of(view_.layout, context.self)),
      shadowed_(shadowed_by(view_.layout, context.self)) {
  std::reverse(shadowed_.begin(), shadowed_.end());
  if (computes()) joined_ = joined_with(view_.layout, places_.front().pipeline);
}

Result<std::unique_ptr<Executor>> Executor::create(const ExecutorContext& context,
                                                   const protocol::NewView& view, Stage& stage,
                                                   Exchange exchange) {
  std::unique_ptr<Executor> executor(new Executor(context, view, stage, std::move(exchange)));
  if (executor->computes()) {
    const auto first = static_cast<std::size_t>(executor->joined_.front());
    const protocol::StepWork whole(view.layout, executor->tree(), {});
    PLANARIA_TRY(actions, executor->actions_of(view.schedules.at(first), whole));
    executor->actions_ = std::move(actions);
  }
  stage.compute_on(chunks_of(view.layout, context.self));
  return executor;
}

LaneTree Executor::tree() const {
  return {context_.trainer->micro_batches, context_.trainer->lane_size};
}

// The order in which the actions count them: pipelines that run as one, one behind another.
std::vector<MicroBatchId> Executor::numbered(const protocol::StepWork& work) const {
  std::vector<MicroBatchId> ids;
  for (const int pipeline : joined_) {
    const auto more = work.micro_batches_of(pipeline);
    ids.insert(ids.end(), more.begin(), more.end());
  }
  return ids;
}

const std::vector<StageAssignment>& Executor::stages_of(int pipeline) const {
  return view_.layout.pipelines[static_cast<std::size_t>(pipeline)].stages;
}

// Reads and proves the schedule of this worker's pipelines, and returns its own actions: those of
// the first pipeline it is in, of the rank whose chunk 0 is its first stage.
Result<std::vector<Action>> Executor::actions_of(const std::string& text,
                                                 const protocol::StepWork& work) const {
  const int width = static_cast<int>(joined_.size());
  const Place& place = places_.front();
  PLANARIA_TRY(schedule, schedule_from_text(text, "the view's schedule", width));
  PLANARIA_TRY_VOID(validate(schedule, {.lane_size = context_.trainer->lane_size}));
  const auto stages = stages_of(place.pipeline).size();
  const std::vector<MicroBatchId> ids = numbered(work);
  if (schedule.stages() != static_cast<int>(stages) ||
      schedule.micro_batches != static_cast<int>(ids.size())) {
    return Fault::infeasible(fmt::format(
        "the schedule of pipeline {} is for {} stages and {} micro-batches, must be for {} and {}",
        joined_.front(), schedule.stages(), schedule.micro_batches, stages, ids.size()));
  }
  const int rank = place.stages.front();
  std::vector<int> computed;
  for (int chunk = 0; rank < schedule.depth() && chunk < schedule.chunks; ++chunk) {
    computed.push_back(schedule.stage_of(rank, chunk));
  }
  if (computed != place.stages) {
    return Fault::infeasible(fmt::format(
        "the schedule of pipeline {} has chunks in stages {}, worker {} computes stages {}",
        joined_.front(), fmt::join(computed, ", "), context_.self.value,
        fmt::join(place.stages, ", ")));
  }
  const auto own = std::ranges::find(joined_, place.pipeline) - joined_.begin();
  auto& actions =
      schedule.ranks[(static_cast<std::size_t>(own) * static_cast<std::size_t>(schedule.depth())) +
                     static_cast<std::size_t>(rank)];
  PLANARIA_TRY_VOID(verify_own(actions, ids, work));
  return std::move(actions);
}

// Just the micro-batches of the worker's pipelines, or one would wait for who never computes them.
Result<void> Executor::verify_own(const std::vector<Action>& actions,
                                  const std::vector<MicroBatchId>& ids,
                                  const protocol::StepWork& work) const {
  const auto ascending = work.micro_batches_of(context_.self);
  const std::set<MicroBatchId> own(ascending.begin(), ascending.end());
  std::set<MicroBatchId> missing = own;
  for (const Action& action : actions) {
    const MicroBatchId id = ids.at(static_cast<std::size_t>(action.micro_batch));
    missing.erase(id);
    if (own.contains(id)) continue;
    return Fault::infeasible(fmt::format(
        "the schedule of pipeline {} has {} with worker {}, whose pipelines have not that "
        "micro-batch",
        joined_.front(), text_of(action), context_.self.value));
  }
  if (missing.empty()) return {};
  return Fault::infeasible(
      fmt::format("the schedule of pipeline {} has micro-batch {} elsewhere "
                  "than with worker {}",
                  joined_.front(), missing.begin()->value, context_.self.value));
}

bool Executor::splits_backward() const {
  return std::ranges::any_of(
      actions_, [](const Action& action) { return action.kind == ActionKind::backward_input; });
}

FrameKey Executor::key(FrameKind kind, LayerId boundary, MicroBatchId micro_batch) const {
  return {kind, view_.view, step_, boundary, micro_batch, 0};
}

std::optional<WorkerId> Executor::neighbour(int pipeline, int chunk, int offset) const {
  const auto& stages = stages_of(pipeline);
  const int stage = places_.front().stages[static_cast<std::size_t>(chunk)] + offset;
  if (stage < 0 || stage >= static_cast<int>(stages.size())) return std::nullopt;
  return stages[static_cast<std::size_t>(stage)].worker;
}

std::optional<WorkerId> Executor::neighbour(WorkPlace at, int offset) const {
  return neighbour(work_->pipeline_of(at.micro_batch), at.chunk, offset);
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
  work_.emplace(view_.layout, tree(), salvage);
  left_.clear();
  stage_.begin_step(step, *work_, context_.self);
  recomputed_.clear();
  handed_over_.clear();
  if (!computes()) return {};
  micro_batches_ = numbered(*work_);
  std::vector<Action> actions = salvage ? std::vector<Action>{} : actions_;
  if (salvage && !micro_batches_.empty()) {
    const auto& work = salvage->work.at(static_cast<std::size_t>(joined_.front()));
    PLANARIA_TRY(mine, actions_of(work.schedule, *work_));
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
  if (!computes()) return report();
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
  if (const auto previous = neighbour(at, -1)) {
    PLANARIA_TRY(received,
                 receive(*previous, key(FrameKind::activation, range.first, at.micro_batch)));
    inputs = std::move(received);
  } else {
    PLANARIA_TRY(loaded, load(at.micro_batch, Side::read));
    inputs = std::move(loaded);
  }
  const auto next = neighbour(at, +1);
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
  if (const auto next = neighbour(at, +1)) {
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
  const auto previous = neighbour(at, -1);
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
  auto& notes = side == Side::read ? stage_.notes().read : stage_.notes().labelled;
  notes[micro_batch] = hash_of_samples(tensors);
  return tensors;
}

Result<Tensors> Executor::read_samples(Step step, MicroBatchId micro_batch,
                                       std::span<const std::int64_t> ids, Side side) {
  const LayerId layer = side == Side::read ? LayerId{0} : stage_.last_layer();
  std::string sentence;
  try {
    return samples_of(*context_.trainer->dataset, ids,
                      side == Side::read ? SampleEnd::inputs : SampleEnd::targets);
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
  for (const MicroBatchId id : work_->micro_batches_of(context_.self)) {
    if (stage_.holds_first()) report.read.push_back({id, notes.read.at(id)});
    if (!stage_.holds_last()) continue;
    report.labelled.push_back({id, notes.labelled.at(id)});
    report.losses.push_back({id, notes.losses.at(id)});
  }
  report.resident_bytes = resident_bytes();
  return report;
}

}  // namespace planaria::runtime
