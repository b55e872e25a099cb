// The loop everybody writes, in LibTorch: what one process alone costs without planaria.
//
//   bench_step_plain --text FILE --steps 0 --weights init.safetensors --samples samples.jsonl
//   bench_step_plain --text FILE --steps 12 --init init.safetensors --times times.json
//
// The layers are examples/gpt.hpp's and the samples planaria's, so that the work is the same; the
// graph is whole, a micro-batch is one backward, gradients are added where LibTorch adds them, and
// the optimizer is one fused call over all parameters. One process, one thread of kernels. With
// --steps 0 it only writes what the other contenders start from: weights, and the samples of
// --sample-steps steps in ledger.jsonl's form. benchmarks/step/run.py runs it beside them.
#include <chrono>
#include <cmath>
#include <cstdio>
#include <cstring>
#include <fstream>
#include <memory>
#include <string>
#include <vector>

#include <ATen/ATen.h>
#include <fmt/format.h>
#include <fmt/ranges.h>
#include <torch/utils.h>
#include <CLI/CLI.hpp>

#include <planaria/base/json.hpp>
#include <planaria/checkpoint/safetensors.hpp>
#include <planaria/model/sample_order.hpp>
#include <planaria/runtime/trainer.hpp>

#include "gpt.hpp"

namespace {

using planaria::Fault;
using planaria::Result;

struct Options {
  std::string text;
  example::GptOptions model;
  int micro_batches = 8;
  int micro_batch_size = 4;
  std::int64_t steps = 12;
  std::int64_t sample_steps = 0;
  double learning_rate = 3e-4;
  double weight_decay = 0.01;
  double clip_norm = 1.0;
  std::uint64_t seed = 1;
  std::string init;     // read
  std::string weights;  // written
  std::string samples;  // written
  std::string times;    // written
};

void describe(CLI::App& app, Options& o) {
  app.option_defaults()->always_capture_default();
  app.add_option("--text", o.text, "File to train on, byte by byte")->required();
  app.add_option("--blocks", o.model.blocks, "Transformer blocks")->check(CLI::Range(1, 1000));
  app.add_option("--d-model", o.model.d_model, "Width of the model")->check(CLI::Range(1, 65536));
  app.add_option("--heads", o.model.heads, "Attention heads")->check(CLI::Range(1, 1024));
  app.add_option("--context", o.model.context, "Bytes per sample")->check(CLI::Range(1, 1 << 20));
  app.add_option("--micro-batches", o.micro_batches, "Micro-batches per step");
  app.add_option("--micro-batch-size", o.micro_batch_size, "Samples per micro-batch");
  app.add_option("--steps", o.steps, "Optimizer steps; 0: only write")
      ->check(CLI::Range(0, 1000000));
  app.add_option("--learning-rate", o.learning_rate, "Learning rate");
  app.add_option("--weight-decay", o.weight_decay, "Weight decay");
  app.add_option("--clip-norm", o.clip_norm, "Largest gradient norm; 0: no clipping");
  app.add_option("--seed", o.seed, "Seed of weights and order");
  app.add_option("--init", o.init, "Start from these weights");
  app.add_option("--weights", o.weights, "Leave the weights here");
  app.add_option("--samples", o.samples, "Leave the samples of --sample-steps steps here");
  app.add_option("--sample-steps", o.sample_steps, "Steps in --samples");
  app.add_option("--times", o.times, "Leave the milliseconds of every step here");
}

struct Model {
  std::vector<std::unique_ptr<planaria::Layer>> layers;
  std::vector<std::string> names;
  std::vector<at::Tensor> parameters;
};

Model build(const Options& options) {
  torch::manual_seed(options.seed);
  Model model;
  for (const planaria::LayerDefinition& definition : example::gpt(options.model)) {
    model.layers.push_back(definition.make());
    for (const auto& parameter : model.layers.back()->module().named_parameters()) {
      model.names.push_back(definition.name + "." + parameter.key());
      model.parameters.push_back(parameter.value());
    }
  }
  return model;
}

Result<void> read_weights(const std::string& path, Model& model) {
  PLANARIA_TRY(file, planaria::checkpoint::SafetensorsFile::open(path));
  const at::NoGradGuard no_grad;
  for (std::size_t i = 0; i < model.names.size(); ++i) {
    const auto data = file.data(model.names[i]);
    at::Tensor& parameter = model.parameters[i];
    if (!data || data->size() != parameter.nbytes()) {
      return Fault::invalid_input(fmt::format("{}: {}: {}, must have {} bytes", path,
                                              model.names[i], data ? "another size" : "not there",
                                              parameter.nbytes()));
    }
    std::memcpy(parameter.mutable_data_ptr(), data->data(), data->size());
  }
  return {};
}

Result<void> write_weights(const std::string& path, const Model& model) {
  std::vector<planaria::checkpoint::TensorInfo> infos;
  for (std::size_t i = 0; i < model.names.size(); ++i) {
    planaria::checkpoint::TensorInfo info;
    info.name = model.names[i];
    info.dtype = "F32";
    info.shape = model.parameters[i].sizes().vec();
    infos.push_back(std::move(info));
  }
  PLANARIA_TRY(writer, planaria::checkpoint::SafetensorsWriter::create(path, infos, {}));
  for (const at::Tensor& parameter : model.parameters) {
    PLANARIA_TRY_VOID(writer.write(
        {static_cast<const std::byte*>(parameter.const_data_ptr()), parameter.nbytes()}));
  }
  return writer.close();
}

void write_samples(const Options& options, const planaria::SampleOrder& order) {
  std::ofstream file(options.samples);
  for (std::int64_t step = 1; step <= options.sample_steps; ++step) {
    std::vector<std::vector<std::int64_t>> micro_batches;
    for (int i = 0; i < options.micro_batches; ++i) {
      micro_batches.push_back(order.samples(planaria::Step(step), planaria::MicroBatchId{i}));
    }
    file << planaria::Json{{"step", step}, {"micro_batches", micro_batches}}.dump() << "\n";
  }
}

// AdamW over every parameter of the model in one call, as torch.optim.AdamW(fused=True) makes it.
class Optimizer {
 public:
  Optimizer(const std::vector<at::Tensor>& parameters, const Options& options)
      : parameters_(parameters), options_(options) {
    for (const at::Tensor& parameter : parameters_) {
      means_.push_back(at::zeros_like(parameter));
      squares_.push_back(at::zeros_like(parameter));
      steps_.push_back(at::zeros({}, at::TensorOptions().dtype(at::kFloat)));
    }
  }
  void clip_and_step() {
    const at::NoGradGuard no_grad;
    std::vector<at::Tensor> gradients;
    for (const at::Tensor& parameter : parameters_) gradients.push_back(parameter.grad());
    if (options_.clip_norm > 0) clip(gradients);
    at::_foreach_add_(steps_, 1);
    at::_fused_adamw_(parameters_, gradients, means_, squares_, {}, steps_, options_.learning_rate,
                      0.9, 0.999, options_.weight_decay, 1e-8, /*amsgrad=*/false,
                      /*maximize=*/false);
    for (at::Tensor& parameter : parameters_) parameter.mutable_grad() = at::Tensor();
  }

 private:
  // planaria's rule with LibTorch's own kernels: what such a loop would call.
  void clip(std::vector<at::Tensor>& gradients) const {
    double squares = 0;
    for (const at::Tensor& norm : at::_foreach_norm(gradients)) {
      const double value = norm.item<double>();
      squares += value * value;
    }
    const double factor = std::min(1.0, options_.clip_norm / (std::sqrt(squares) + 1e-6));
    if (factor < 1.0) at::_foreach_mul_(gradients, factor);
  }
  std::vector<at::Tensor> parameters_, means_, squares_, steps_;
  const Options& options_;
};

std::vector<double> train(const Options& options, const planaria::SampleOrder& order,
                          const planaria::Dataset& dataset, Model& model) {
  Optimizer optimizer(model.parameters, options);
  std::vector<double> step_ms;
  auto before = std::chrono::steady_clock::now();
  for (std::int64_t step = 1; step <= options.steps; ++step) {
    double loss_sum = 0;
    for (int i = 0; i < options.micro_batches; ++i) {
      const auto ids = order.samples(planaria::Step(step), planaria::MicroBatchId{i});
      planaria::Tensors x = dataset.inputs(ids);
      for (const auto& layer : model.layers) x = layer->forward(x);
      const at::Tensor loss = example::next_byte(x, dataset.targets(ids));
      loss_sum += loss.item<double>();
      (loss / options.micro_batches).backward();
    }
    optimizer.clip_and_step();
    const auto now = std::chrono::steady_clock::now();
    step_ms.push_back(std::chrono::duration<double, std::milli>(now - before).count());
    before = now;
    if (step == options.steps) {
      std::printf("step %lld  loss %.4f\n", static_cast<long long>(step),
                  loss_sum / options.micro_batches);
    }
  }
  return step_ms;
}

Result<void> run(const Options& options) {
  if (options.model.d_model % options.model.heads != 0) {
    return Fault::invalid_input(fmt::format("heads: {}, must divide d-model, {}",
                                            options.model.heads, options.model.d_model));
  }
  PLANARIA_TRY(dataset,
               planaria::byte_text({.path = options.text, .context = options.model.context}));
  PLANARIA_TRY(
      order, planaria::SampleOrder::create({options.seed, dataset->samples(), options.micro_batches,
                                            options.micro_batch_size}));
  Model model = build(options);
  if (!options.init.empty()) PLANARIA_TRY_VOID(read_weights(options.init, model));
  if (!options.samples.empty()) write_samples(options, order);
  const std::vector<double> step_ms = train(options, order, *dataset, model);
  if (!options.times.empty()) {
    std::ofstream(options.times) << planaria::Json{{"version", 1}, {"step_ms", step_ms}}.dump()
                                 << "\n";
  }
  if (!options.weights.empty()) return write_weights(options.weights, model);
  return {};
}

}  // namespace

int main(int argc, char** argv) {
  Options options;
  CLI::App app("A plain LibTorch training loop, timed");
  describe(app, options);
  CLI11_PARSE(app, argc, argv);
  planaria::prepare_process(1);
  if (const auto done = run(options); !done) {
    return planaria::exit_status("bench_step_plain", {2, done.fault().sentence});
  }
  return 0;
}
