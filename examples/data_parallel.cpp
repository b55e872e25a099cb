// Elastic data parallelism in LibTorch: depth 1, width N, in a page.
//
//   data_parallel                                            one process
//   planaria run --workers 3 --width 3 --depth 1 -- data_parallel   three, the same bits
//
// A small network learns a function of two numbers. Every worker holds all layers; each step's
// micro-batches are shared out, gradients are added along a fixed tree. Next: train_gpt.
#include <cstdio>
#include <memory>

#include <torch/nn/functional/activation.h>
#include <torch/nn/modules/linear.h>
#include <planaria/base/random.hpp>
#include <planaria/runtime/trainer.hpp>

namespace {

// Points of the unit square and sin(4x) * y: sample i is a pure function of i.
class Surface final : public planaria::Dataset {
 public:
  [[nodiscard]] std::int64_t samples() const override { return 4096; }
  [[nodiscard]] std::string fingerprint() const override { return "surface 4096"; }
  [[nodiscard]] planaria::Tensors inputs(std::span<const std::int64_t> ids) const override {
    torch::Tensor points = torch::empty({static_cast<std::int64_t>(ids.size()), 2});
    for (std::size_t i = 0; i < ids.size(); ++i) {
      planaria::Random random(static_cast<std::uint64_t>(ids[i]));
      points[static_cast<std::int64_t>(i)][0] = random.uniform();
      points[static_cast<std::int64_t>(i)][1] = random.uniform();
    }
    return {points};
  }
  [[nodiscard]] planaria::Tensors targets(std::span<const std::int64_t> ids) const override {
    const torch::Tensor points = inputs(ids)[0];
    return {torch::sin(points.select(1, 0) * 4) * points.select(1, 1)};
  }
};

struct Hidden : torch::nn::Module {
  Hidden(int in, int out) { linear = register_module("linear", torch::nn::Linear(in, out)); }
  torch::Tensor forward(const torch::Tensor& x) { return torch::tanh(linear(x)); }
  torch::nn::Linear linear{nullptr};
};

}  // namespace

int main() {
  planaria::prepare_process(1);
  planaria::Trainer trainer({
      .layers = {planaria::layer("first", [] { return std::make_shared<Hidden>(2, 64); }),
                 planaria::layer("second", [] { return std::make_shared<Hidden>(64, 64); }),
                 planaria::layer("last", [] { return torch::nn::Linear(64, 1); })},
      .loss =
          [](const planaria::Tensors& outputs, const planaria::Tensors& targets) {
            return (outputs[0].squeeze(1) - targets[0]).square().mean();
          },
      .optimizer = planaria::adam({.learning_rate = 5e-3}),
      .dataset = std::make_shared<Surface>(),
      .seed = 7,
      .micro_batches = 6,
      .micro_batch_size = 32,
  });
  trainer.on_step([](const planaria::StepMetrics& metrics) {
    if (metrics.worker.value == 0 && metrics.step.value % 50 == 0) {
      std::printf("step %lld  loss %.6f\n", static_cast<long long>(metrics.step.value),
                  metrics.loss);
    }
  });
  return planaria::exit_status("data_parallel", trainer.run(200));
}
