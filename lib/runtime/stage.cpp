#include "runtime/stage.hpp"

#include <algorithm>
#include <cmath>
#include <stdexcept>

#include <ATen/ATen.h>
#include <c10/util/Exception.h>
#include <fmt/format.h>

#include <planaria/base/check.hpp>
#include <planaria/base/hash.hpp>
#include <planaria/base/random.hpp>

#include "runtime/tensors.hpp"

namespace planaria::runtime {
namespace {

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

LayerRange Stage::range(int chunk) const {
  return chunks_.at(static_cast<std::size_t>(chunk));
}

LayerId Stage::last_layer() const {
  return LayerId{static_cast<int>(options_.trainer->layers.size()) - 1};
}

bool Stage::computes(LayerId layer) const {
  return std::ranges::any_of(chunks_,
                             [&](const LayerRange& range) { return range.contains(layer); });
}

void Stage::compute_on(std::vector<LayerRange> chunks) {
  chunks_ = std::move(chunks);
  work_ = nullptr;
  in_flight_.clear();
  kept_.clear();
  for (const LayerRange& range : chunks_) {
    for (LayerId id = range.first; id <= range.last; id = id.next()) {
      check(holds(id), "a layer that is to compute is not held");
    }
  }
}

std::vector<std::reference_wrapper<HeldLayer>> Stage::active_layers() {
  std::vector<std::reference_wrapper<HeldLayer>> active;
  for (HeldLayer& held : layers_) {
    if (computes(held.id)) active.emplace_back(held);
  }
  return active;
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
Result<Tensors> Stage::guarded(MicroBatchId micro_batch, LayerId layer,
                               const std::function<Tensors()>& work) {
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

Result<Tensors> Stage::forward(WorkPlace at, Tensors inputs, Tensors targets, Keep keep) {
  move_here(inputs);
  move_here(targets);
  if (keep == Keep::inputs) kept_[at] = {inputs, targets};
  return forward_through('F', at, std::move(inputs), targets, keep);
}

Result<void> Stage::recompute(WorkPlace at) {
  auto found = kept_.extract(at);
  check(!found.empty(), "recompute of a micro-batch whose inputs were not kept");
  Kept& kept = found.mapped();
  PLANARIA_TRY(outputs,
               forward_through('R', at, std::move(kept.inputs), kept.targets, Keep::graph));
  static_cast<void>(outputs);  // the next stage has them
  return {};
}

Result<Tensors> Stage::forward_through(char kind, WorkPlace at, Tensors inputs,
                                       const Tensors& targets, Keep keep) {
  const LayerRange layers = range(at.chunk);
  tell_action(kind, at.micro_batch, layers.first, layers.last);
  for (LayerId id = layers.first; id <= layers.last; id = id.next()) {
    HeldLayer& held = layer(id);
    PLANARIA_TRY(outputs, guarded(at.micro_batch, id, [&] {
                   tell_layer(kind, at.micro_batch, id);
                   return forward_layer(held, at.micro_batch, std::move(inputs), targets, keep);
                 }));
    inputs = std::move(outputs);
  }
  return inputs;
}

Tensors Stage::forward_layer(HeldLayer& held, MicroBatchId micro_batch, Tensors inputs,
                             const Tensors& targets, Keep keep) {
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
  // The graph goes where backward will not come, and where it is made again; it is built all the
  // same, since kernels may differ without one.
  if (keep == Keep::graph && held.id >= work_->lowest_needed(micro_batch)) {
    in_flight_.emplace(std::pair{micro_batch, held.id}, std::move(work));
  }
  return outputs;
}

void Stage::begin_evaluation() {
  evaluation_losses_.clear();
  for (HeldLayer& held : active_layers()) held.layer->module().eval();
}

void Stage::end_evaluation() {
  for (HeldLayer& held : active_layers()) held.layer->module().train();
}

Result<Tensors> Stage::evaluate(Step level, WorkPlace at, Tensors inputs, Tensors targets) {
  const at::NoGradGuard no_grad;
  move_here(inputs);
  move_here(targets);
  const LayerRange layers = range(at.chunk);
  for (LayerId id = layers.first; id <= layers.last; id = id.next()) {
    HeldLayer& held = layer(id);
    PLANARIA_TRY(outputs, guarded(at.micro_batch, id, [&] {
                   return evaluate_layer(held, level, at.micro_batch, inputs, targets);
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
