#include "runtime/stage.hpp"

#include <algorithm>
#include <cmath>
#include <stdexcept>

#include <ATen/ATen.h>
#include <c10/util/Exception.h>
#include <fmt/format.h>
#include <torch/csrc/autograd/autograd.h>

#include <planaria/base/check.hpp>
#include <planaria/base/hash.hpp>
#include <planaria/base/random.hpp>

#include "runtime/tensors.hpp"

namespace planaria::runtime {
namespace {

bool passes_gradient(const at::Tensor& tensor) {
  return at::isFloatingType(tensor.scalar_type());
}

// Keeps the streams of an evaluation apart from those of the step before it.
constexpr std::uint64_t evaluation_stream = 0x6576616cULL;  // "eval"

// What a model may not do and only shows when it does it: bad input, not a failure.
struct RefusedModel : std::runtime_error {
  using std::runtime_error::runtime_error;
};

std::uint64_t hash_of(const at::Tensor& tensor) {
  const at::Tensor host = on_host(tensor);
  return xxh3_64(bytes_of(host));
}

// The buffers of a layer as they were before its forward: one that it writes is refused by name.
// Some kernels write without counting a version, so a layer's first forward compares content too.
class BufferGuard {
 public:
  explicit BufferGuard(HeldLayer& held)
      : held_(held), by_content_(!std::exchange(held.buffers_compared, true)) {
    for (const auto& [name, buffer] : held.buffers) {
      versions_.push_back(buffer._version());
      if (by_content_) hashes_.push_back(hash_of(buffer));
    }
  }
  void verify() const {
    for (std::size_t i = 0; i < versions_.size(); ++i) {
      const auto& [name, buffer] = held_.buffers[i];
      const bool same =
          buffer._version() == versions_[i] && (!by_content_ || hash_of(buffer) == hashes_[i]);
      if (same) continue;
      throw RefusedModel(fmt::format(
          "layer {}: buffer {} was written in forward, where the order of micro-batches "
          "is the layout's; hand out statistics instead (runtime/statistics.hpp)",
          held_.definition->name, name));
    }
  }

 private:
  const HeldLayer& held_;
  bool by_content_;
  std::vector<std::int64_t> versions_;
  std::vector<std::uint64_t> hashes_;
};

// What the folding modules found in the forward that just ended.
Tensors take_statistics(HeldLayer& held) {
  Tensors all;
  std::vector<std::size_t> sizes;
  for (FoldsStatistics* module : held.folding) {
    Tensors found = module->take_statistics();
    sizes.push_back(found.size());
    for (const at::Tensor& tensor : found) all.push_back(canonical(tensor));
  }
  held.folding_sizes = std::move(sizes);
  return all;
}

}  // namespace

std::string sentence_of(const std::exception& error) {
  std::string text;
  if (const auto* torch_error = dynamic_cast<const c10::Error*>(&error)) {
    text = torch_error->what_without_backtrace();
  } else {
    text = error.what();
  }
  return text.substr(0, text.find('\n'));
}

Stage::Stage(const StageOptions& options)
    : options_(options), tree_(options.trainer->micro_batches, options.trainer->lane_size) {}

LayerRange Stage::range() const {
  check(range_.has_value(), "the range of a stage that does not compute");
  return *range_;
}

bool Stage::holds_last() const {
  return range_ && range_->last.value == static_cast<int>(options_.trainer->layers.size()) - 1;
}

void Stage::compute_on(const std::optional<LayerRange>& range) {
  range_ = range;
  work_ = nullptr;
  in_flight_.clear();
  if (!range) return;
  for (LayerId id = range->first; id <= range->last; id = id.next()) {
    check(holds(id), "a layer that is to compute is not held");
  }
}

// Layers are held in ascending order, so those of the range lie side by side.
std::span<HeldLayer> Stage::active_layers() {
  if (!range_) return {};
  return {&layer(range_->first), static_cast<std::size_t>(range_->size())};
}

// Data comes from host memory, wherever it is computed.
void Stage::move_here(Tensors& tensors) const {
  if (options_.device.is_cpu()) return;
  for (at::Tensor& tensor : tensors) tensor = options_.device.here(tensor);
}

void Stage::tell_layer(char kind, MicroBatchId micro_batch, LayerId layer) const {
  if (options_.before_layer) options_.before_layer(kind, step_, micro_batch, layer);
}

void Stage::tell_action(char kind, MicroBatchId micro_batch, LayerId first, LayerId last) const {
  if (options_.on_action) options_.on_action(kind, step_, micro_batch, first, last);
}

// The one place where exceptions of LibTorch and of user code in a step end and become a fault.
template <class Work>
Result<Tensors> Stage::guarded(MicroBatchId micro_batch, LayerId layer, Work&& work) {
  std::string sentence;
  FaultKind kind = FaultKind::unavailable;
  try {
    return work();
  } catch (const RefusedModel& refused) {
    sentence = refused.what();
    kind = FaultKind::invalid_input;
  } catch (const std::exception& error) {
    sentence = sentence_of(error);
  } catch (...) {
    sentence = "an exception that is not a std::exception";
  }
  failure_ = protocol::Failed{sentence, kind, step_, micro_batch, layer};
  return Fault{kind, sentence};
}

Result<Tensors> Stage::forward(MicroBatchId micro_batch, Tensors inputs, Tensors targets) {
  move_here(inputs);
  move_here(targets);
  tell_action('F', micro_batch, range().first, range().last);
  for (HeldLayer& held : active_layers()) {
    PLANARIA_TRY(outputs, guarded(micro_batch, held.id, [&] {
                   tell_layer('F', micro_batch, held.id);
                   return forward_layer(held, micro_batch, std::move(inputs), targets);
                 }));
    inputs = std::move(outputs);
  }
  return inputs;
}

Tensors Stage::forward_layer(HeldLayer& held, MicroBatchId micro_batch, Tensors inputs,
                             const Tensors& targets) {
  InFlight work;
  // The graph is cut at every layer, not only at stages, so that gradients are summed in the same
  // order wherever the cuts between workers are.
  for (const at::Tensor& input : inputs) {
    at::Tensor leaf = input.detach();
    if (held.id.value > 0 && passes_gradient(leaf)) leaf.requires_grad_(true);
    work.inputs.push_back(std::move(leaf));
  }
  {
    const auto turn = options_.generator->take();
    options_.device.seed(mix({options_.trainer->seed, static_cast<std::uint64_t>(step_.value),
                              static_cast<std::uint64_t>(micro_batch.value),
                              static_cast<std::uint64_t>(held.id.value)}));
    const BufferGuard buffers(held);
    work.outputs = held.layer->forward(work.inputs);
    buffers.verify();
    if (held.is_last_of(*options_.trainer)) {
      const at::Tensor loss = options_.trainer->loss(work.outputs, targets);
      notes_.losses[micro_batch] = loss.item<double>();
      work.scaled_loss = loss / static_cast<double>(options_.trainer->micro_batches);
      work.outputs.clear();
    }
  }
  if (!held.folding.empty()) held.statistics[micro_batch] = take_statistics(held);
  Tensors outputs;
  for (const at::Tensor& output : work.outputs) outputs.push_back(canonical(output.detach()));
  // The graph goes where backward will not come.
  if (held.id >= work_->lowest_needed(micro_batch)) {
    in_flight_.emplace(std::pair{micro_batch, held.id}, std::move(work));
  }
  return outputs;
}

Result<Tensors> Stage::backward(MicroBatchId micro_batch, Tensors gradients) {
  move_here(gradients);
  const LayerId lowest = std::max(range().first, work_->lowest_needed(micro_batch));
  tell_action('G', micro_batch, range().last, lowest);
  const LaneId lane = tree_.lane_of(micro_batch);
  const bool lane_ends = tree_.micro_batches_of(lane).last == micro_batch;
  const std::span<HeldLayer> active = active_layers();
  for (auto held = active.rbegin(); held != active.rend() && held->id >= lowest; ++held) {
    PLANARIA_TRY(passed, guarded(micro_batch, held->id, [&] {
                   tell_layer('G', micro_batch, held->id);
                   return backward_layer(*held, micro_batch, gradients);
                 }));
    gradients = std::move(passed);
    if (lane_ends) end_lane(*held, lane);
  }
  return gradients;
}

Tensors Stage::backward_layer(HeldLayer& held, MicroBatchId micro_batch, const Tensors& gradients) {
  const auto found = in_flight_.find({micro_batch, held.id});
  check(found != in_flight_.end(), "backward of a micro-batch that was not forwarded");
  InFlight work = std::move(found->second);
  in_flight_.erase(found);

  if (work.scaled_loss.defined()) {
    torch::autograd::backward({work.scaled_loss}, {});
  } else {
    Tensors roots;
    Tensors root_gradients;
    std::size_t next = 0;
    for (const at::Tensor& output : work.outputs) {
      if (!passes_gradient(output)) continue;
      const at::Tensor& gradient = gradients.at(next++);
      if (!output.requires_grad()) continue;  // everything below is frozen
      roots.push_back(output);
      root_gradients.push_back(gradient);
    }
    check_equal(next, gradients.size(), "gradients for a layer's floating-point outputs");
    if (!roots.empty()) torch::autograd::backward(roots, root_gradients);
  }

  Tensors passed;
  for (const at::Tensor& input : work.inputs) {
    if (!input.requires_grad()) continue;
    passed.push_back(input.grad().defined() ? canonical(input.grad()) : at::zeros_like(input));
  }
  return passed;
}

void Stage::end_lane(HeldLayer& held, LaneId lane) {
  Gradients sum;
  for (const auto& [name, parameter] : held.trainable) {
    sum.push_back(std::exchange(parameter.mutable_grad(), at::Tensor()));
  }
  if (!work_->needs(held.id, lane)) return;  // computed only for what others lack
  held.fold->put(TreeNode{0, lane.value}, std::move(sum), add_gradients);
}

void Stage::begin_evaluation() {
  evaluation_losses_.clear();
  for (HeldLayer& held : active_layers()) held.layer->module().eval();
}

void Stage::end_evaluation() {
  for (HeldLayer& held : active_layers()) held.layer->module().train();
}

Result<Tensors> Stage::evaluate(Step level, MicroBatchId micro_batch, Tensors inputs,
                                Tensors targets) {
  const at::NoGradGuard no_grad;
  move_here(inputs);
  move_here(targets);
  for (HeldLayer& held : active_layers()) {
    PLANARIA_TRY(outputs, guarded(micro_batch, held.id, [&] {
                   return evaluate_layer(held, level, micro_batch, inputs, targets);
                 }));
    inputs = std::move(outputs);
  }
  return inputs;
}

Tensors Stage::evaluate_layer(HeldLayer& held, Step level, MicroBatchId micro_batch,
                              const Tensors& inputs, const Tensors& targets) {
  const auto turn = options_.generator->take();
  options_.device.seed(mix(
      {options_.trainer->seed, evaluation_stream, static_cast<std::uint64_t>(level.value),
       static_cast<std::uint64_t>(micro_batch.value), static_cast<std::uint64_t>(held.id.value)}));
  const BufferGuard buffers(held);
  Tensors outputs = held.layer->forward(inputs);
  buffers.verify();
  if (held.is_last_of(*options_.trainer)) {
    evaluation_losses_[micro_batch] = options_.trainer->loss(outputs, targets).item<double>();
    return {};
  }
  for (at::Tensor& output : outputs) output = canonical(output);
  return outputs;
}

}  // namespace planaria::runtime
