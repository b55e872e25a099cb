#include "runtime/layer_bench.hpp"

#include <algorithm>
#include <utility>

#include <unistd.h>

#include <ATen/ATen.h>
#include <fmt/format.h>
#include <torch/cuda.h>

#include <planaria/base/check.hpp>

#include "runtime/allocation_watch.hpp"
#include "runtime/process.hpp"
#include "runtime/tensors.hpp"

namespace planaria::runtime {
namespace {

// The first warms up and begins the sum of gradients, the second adds to it, as all others would.
constexpr int micro_batches = 2;
constexpr MicroBatchId warming{0};
constexpr MicroBatchId measured{1};
constexpr WorkerId alone{0};
constexpr Step first_step{1};

TrainerOptions of_two_micro_batches(TrainerOptions trainer) {
  trainer.micro_batches = micro_batches;
  trainer.lane_size = 1;
  return trainer;
}

// The whole model on one worker as far as a stage's bookkeeping goes: it holds one layer of it.
protocol::StepWork work_of(const TrainerOptions& trainer) {
  const LayerRange all{LayerId{0}, LayerId{static_cast<int>(trainer.layers.size()) - 1}};
  Layout layout;
  layout.pipelines.push_back({micro_batches, {{all, alone}}});
  return {std::move(layout), LaneTree(micro_batches, 1), {}};
}

Tensors copies_of(const Tensors& tensors) {
  Tensors copies;
  for (const at::Tensor& tensor : tensors) copies.push_back(tensor.clone());
  return copies;
}

std::int64_t bytes_of_all(const Tensors& tensors) {
  std::int64_t bytes = 0;
  for (const at::Tensor& tensor : tensors) bytes += static_cast<std::int64_t>(tensor.nbytes());
  return bytes;
}

std::int64_t bytes_of_all(const NamedTensors& tensors) {
  std::int64_t bytes = 0;
  for (const auto& [name, tensor] : tensors) bytes += static_cast<std::int64_t>(tensor.nbytes());
  return bytes;
}

// So much read leaves nothing of what was there before: twice the last level, where it is known.
std::int64_t cache_bytes() {
  constexpr std::int64_t usual = 64 << 20;
  constexpr std::int64_t most = 256 << 20;
  const std::int64_t last_level = ::sysconf(_SC_LEVEL3_CACHE_SIZE);
  return last_level > 0 ? std::min(2 * last_level, most) : usual;
}

// Of a gradient that clipping scales, where there is clipping: the longer way, and early steps'.
protocol::CommitRecord record_of(const TrainerOptions& trainer, Step step) {
  protocol::CommitRecord record;
  record.step = step;
  record.norm = 2 * trainer.clip_norm;
  record.rate = rate_of(trainer, step);
  record.verdict = protocol::Verdict::apply;
  return record;
}

}  // namespace

LayerBench::LayerBench(const LayerBenchOptions& options)
    : trainer_(of_two_micro_batches(*options.trainer)),
      sizes_(options.micro_batch_sizes),
      work_(work_of(trainer_)),
      gradients_(sizes_.size()) {}

Result<std::unique_ptr<LayerBench>> LayerBench::create(const LayerBenchOptions& options) {
  check(!options.micro_batch_sizes.empty(), "a bench without a micro-batch size");
  std::unique_ptr<LayerBench> bench(new LayerBench(options));
  const TrainerOptions& trainer = bench->trainer_;
  PLANARIA_TRY(device, Device::named(trainer.device, alone));
  bench->device_ = device;
  bench->device_.prepare();
  for (const int size : bench->sizes_) {
    const std::int64_t samples = trainer.dataset->samples();
    if (samples / micro_batches < size) {
      return Fault::invalid_input(
          fmt::format("micro_batch_sizes: {}, must be at most {}, half of the data set", size,
                      samples / micro_batches));
    }
    PLANARIA_TRY(order, SampleOrder::create({trainer.seed, samples, micro_batches, size}));
    bench->orders_.push_back(order);
  }
  bench->stage_ = Stage::create(
      {.trainer = &trainer, .generator = options.generator, .device = bench->device_});
  return bench;
}

Fault LayerBench::named(const Fault& fault) const {
  const std::string& name = trainer_.layers[static_cast<std::size_t>(held_.value)].name;
  const std::string prefix = fmt::format("layer {}: ", name);
  if (fault.sentence.starts_with(prefix)) return fault;
  return {fault.kind, prefix + fault.sentence};
}

// A GPU's kernels run behind the calls that start them.
double LayerBench::now_ms() const {
  if (!device_.is_cpu()) torch::cuda::synchronize(device_.torch_device().index());
  return clock_.now().since_start_ms;
}

Result<void> LayerBench::hold(LayerId layer) {
  held_ = layer;
  stage_->compute_on({});
  if (auto built = stage_->build({layer}); !built) return named(built.fault());
  stage_->compute_on({{layer, layer}});
  return {};
}

void LayerBench::begin_step() {
  stage_->begin_step(first_step, work_, alone);
}

Result<Tensors> LayerBench::load(std::size_t size, MicroBatchId micro_batch, SampleEnd end) const {
  try {
    const auto ids = orders_[size].samples(first_step, micro_batch);
    Tensors tensors = samples_of(*trainer_.dataset, ids, end);
    static_cast<void>(hash_of_samples(tensors));  // as every step does
    return tensors;
  } catch (const std::exception& error) {
    return Fault::unavailable("the data set failed: " + sentence_of(error));
  }
}

// What the layer before gave, freshly written as in a run, and gone when the stage drops it; the
// first layer's F reads its own.
Tensors LayerBench::copies_of_inputs(std::size_t size) const {
  return held_ == LayerId{0} ? Tensors{} : copies_of(inputs_.at(held_)[size]);
}

Result<Tensors> LayerBench::forward(std::size_t size, MicroBatchId micro_batch, Tensors inputs) {
  if (held_ == LayerId{0}) {
    PLANARIA_TRY(loaded, load(size, micro_batch, SampleEnd::inputs));
    inputs = std::move(loaded);
  }
  Tensors targets;
  if (held_ == last_layer()) {
    PLANARIA_TRY(loaded, load(size, micro_batch, SampleEnd::targets));
    targets = std::move(loaded);
  }
  auto outputs = stage_->forward({micro_batch, 0}, std::move(inputs), std::move(targets));
  if (!outputs) return named(outputs.fault());
  return outputs;
}

Result<void> LayerBench::walk_to(LayerId layer) {
  for (LayerId id{0}; id < layer; id = id.next()) {
    PLANARIA_TRY_VOID(hold(id));
    auto& next = inputs_[id.next()];
    for (std::size_t size = 0; size < sizes_.size(); ++size) {
      begin_step();
      PLANARIA_TRY(outputs, forward(size, warming, copies_of_inputs(size)));
      next.push_back(std::move(outputs));
    }
  }
  return {};
}

void LayerBench::go_through(std::int64_t bytes) {
  if (!device_.is_cpu()) return;
  const std::int64_t numbers = std::min(bytes, cache_bytes()) / 8;
  if (numbers == 0) return;
  if (!other_memory_.defined() || other_memory_.numel() < numbers) {
    other_memory_ = at::ones({numbers}, at::kLong);
  }
  static_cast<void>(other_memory_.narrow(0, 0, numbers).sum().item<std::int64_t>());
}

// What an F, a B and a W action do: the ends of the model load in F.
Result<LayerBench::Passed> LayerBench::pass(std::size_t size, MicroBatchId micro_batch,
                                            std::int64_t bytes_between) {
  const WorkPlace at{micro_batch, 0};
  ActionTimes times;
  go_through(bytes_between);
  Tensors inputs = copies_of_inputs(size);
  double begun_ms = now_ms();
  PLANARIA_TRY_VOID(forward(size, micro_batch, std::move(inputs)));
  times.forward_ms = now_ms() - begun_ms;
  go_through(bytes_between);
  Tensors gradients = copies_of(gradients_[size]);
  begun_ms = now_ms();
  auto passed = stage_->backward_input(at, std::move(gradients));
  if (!passed) return named(passed.fault());
  times.backward_input_ms = now_ms() - begun_ms;
  begun_ms = now_ms();
  if (auto added = stage_->backward_weight(at); !added) return named(added.fault());
  times.backward_weight_ms = now_ms() - begun_ms;
  return Passed{times, std::move(passed).value()};
}

Result<LayerVisit> LayerBench::measure(int round, const std::vector<std::int64_t>& bytes_between) {
  LayerVisit visit;
  visit.times.resize(sizes_.size());
  std::vector<Tensors> gradients(sizes_.size());
  for (std::size_t i = 0; i < sizes_.size(); ++i) {
    const std::size_t size = (i + static_cast<std::size_t>(round)) % sizes_.size();
    begin_step();
    PLANARIA_TRY_VOID(pass(size, warming, 0));
    PLANARIA_TRY(passed, pass(size, measured, bytes_between[size]));
    visit.times[size] = passed.times;
    gradients[size] = std::move(passed.gradients);
  }
  gradients_ = std::move(gradients);
  PLANARIA_TRY(optimizer_ms, apply_gradients(bytes_between.back()));
  visit.optimizer_ms = optimizer_ms;
  return visit;
}

// What follows once the sum of the step is there, on every holder: a report's part, then the
// record's. Once to warm up, since a step's first use of the optimizer's state is not the usual
// one.
Result<double> LayerBench::apply_gradients(std::int64_t bytes_between) {
  HeldLayer& held = stage_->layer(held_);
  StepGradients sum{held.fold->take(), held.statistics, held.folding_sizes};
  for (std::size_t i = 0; i < sum.reduced.size(); ++i) {
    if (!sum.reduced[i].defined()) sum.reduced[i] = at::zeros_like(held.trainable[i].second);
  }
  double took_ms = 0;
  for (const Step step : {first_step, first_step.next()}) {
    held.take(step, sum, micro_batches);
    go_through(bytes_between);
    double begun_ms = now_ms();
    const Gradients here = on_host(held.reduced);
    static_cast<void>(squared_norms(here));
    static_cast<void>(gradient_checksum(here, held.statistics));
    took_ms = now_ms() - begun_ms;
    go_through(bytes_between);
    begun_ms = now_ms();
    try {
      stage_->apply(record_of(trainer_, step));
    } catch (const std::exception& error) {
      return named(Fault::unavailable("its optimizer failed: " + sentence_of(error)));
    }
    took_ms += now_ms() - begun_ms;
  }
  return took_ms;
}

Result<LayerHolding> LayerBench::weigh() {
  const HeldLayer& held = stage_->layer(held_);
  LayerHolding holding;
  holding.layer = {bytes_of_all(held.parameters) + bytes_of_all(held.buffers),
                   bytes_of_all(held.optimizer->state()), bytes_of_all(held.trainable)};
  std::vector<Tensors> gradients(sizes_.size());
  for (std::size_t size = 0; size < sizes_.size(); ++size) {
    begin_step();
    PLANARIA_TRY(bytes, weigh(size, gradients[size]));
    holding.micro_batches.push_back(bytes);
  }
  gradients_ = std::move(gradients);
  return holding;
}

// All that the stage gets is made under the watch and given away, so that what is still there is
// what the stage keeps.
Result<MicroBatchBytes> LayerBench::weigh(std::size_t size, Tensors& passed) {
  const WorkPlace at{warming, 0};
  MicroBatchBytes bytes;
  const AllocationWatch watch;
  {
    PLANARIA_TRY(outputs, forward(size, warming, copies_of_inputs(size)));
    bytes.boundary = bytes_of_all(outputs);
    bytes.activation = watch.live_bytes() - watch.bytes_of(outputs);
  }
  auto gradients = stage_->backward_input(at, copies_of(gradients_[size]));
  if (!gradients) return named(gradients.fault());
  passed = std::move(gradients).value();
  bytes.weight_gradient = watch.live_bytes() - watch.bytes_of(passed);
  if (auto added = stage_->backward_weight(at); !added) return named(added.fault());
  return bytes;
}

Result<void> LayerBench::compute_forward() {
  begin_step();
  PLANARIA_TRY_VOID(forward(0, warming, copies_of_inputs(0)));
  return {};
}

}  // namespace planaria::runtime
