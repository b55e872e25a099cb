// A first project: a small network learns which of two spirals a point lies on.
//
//   build/train runs/alone                                        in this process
//   planaria run --workers 2 --run-dir runs/two -- build/train    over two, the same weights
//
// To make it yours: the layers in main(), the data set, the loss. README.md has the commands.
#include <cmath>
#include <cstdio>
#include <cstdlib>
#include <memory>
#include <numbers>

#include <torch/nn/functional/loss.h>
#include <torch/nn/modules/linear.h>
#include <planaria/base/random.hpp>
#include <planaria/runtime/trainer.hpp>

namespace {

// Points of two spirals, one turn and a half each. Sample i is a pure function of i, so every
// worker makes the samples it needs. Your data: read record i of a file here.
class Spirals final : public planaria::Dataset {
 public:
  [[nodiscard]] std::int64_t samples() const override { return 4096; }
  // Workers compare it, so that nobody trains on other data by mistake.
  [[nodiscard]] std::string fingerprint() const override { return "two spirals, 4096 points"; }
  [[nodiscard]] planaria::Tensors inputs(std::span<const std::int64_t> ids) const override {
    torch::Tensor points = torch::empty({static_cast<std::int64_t>(ids.size()), 2});
    for (std::size_t i = 0; i < ids.size(); ++i) {
      planaria::Random random(static_cast<std::uint64_t>(ids[i]));
      const double along = random.uniform();
      const double angle = 3 * std::numbers::pi * along + spiral(ids[i]) * std::numbers::pi;
      points[static_cast<std::int64_t>(i)][0] = (0.1 + along) * std::cos(angle);
      points[static_cast<std::int64_t>(i)][1] = (0.1 + along) * std::sin(angle);
    }
    return {points};
  }
  [[nodiscard]] planaria::Tensors targets(std::span<const std::int64_t> ids) const override {
    torch::Tensor spirals = torch::empty({static_cast<std::int64_t>(ids.size())}, torch::kLong);
    for (std::size_t i = 0; i < ids.size(); ++i) {
      spirals[static_cast<std::int64_t>(i)] = spiral(ids[i]);
    }
    return {spirals};
  }

 private:
  static std::int64_t spiral(std::int64_t id) { return id % 2; }
};

// A layer is any module with forward(Tensor) -> Tensor, or forward(Tensors) -> Tensors.
struct Hidden : torch::nn::Module {
  Hidden(int in, int out) { linear = register_module("linear", torch::nn::Linear(in, out)); }
  torch::Tensor forward(const torch::Tensor& x) { return torch::tanh(linear(x)); }
  torch::nn::Linear linear{nullptr};
};

torch::Tensor cross_entropy(const planaria::Tensors& outputs, const planaria::Tensors& targets) {
  return torch::nn::functional::cross_entropy(outputs[0], targets[0]);
}

}  // namespace

int main(int argc, char** argv) {
  planaria::prepare_process(
      1);  // threads per tensor operation: they change the bits, so they are fixed
  planaria::Trainer trainer({
      // A worker builds only the layers it holds; the planner cuts between them.
      .layers = {planaria::layer("first", [] { return std::make_shared<Hidden>(2, 64); }),
                 planaria::layer("second", [] { return std::make_shared<Hidden>(64, 64); }),
                 planaria::layer("third", [] { return std::make_shared<Hidden>(64, 64); }),
                 planaria::layer("last", [] { return torch::nn::Linear(64, 2); })},
      .loss = cross_entropy,
      .optimizer = planaria::adam({.learning_rate = 3e-3}),
      .dataset = std::make_shared<Spirals>(),
      .seed = 1,
      .micro_batches = 8,  // a step trains 8 x 32 samples, whatever the number of workers
      .micro_batch_size = 32,
      .run_dir = argc > 1 ? argv[1] : "",
  });
  trainer.on_step([](const planaria::StepMetrics& metrics) {
    if (metrics.worker.value == 0 && (metrics.step.value == 1 || metrics.step.value % 100 == 0)) {
      std::printf("step %3lld  loss %.4f\n", static_cast<long long>(metrics.step.value),
                  metrics.loss);
    }
  });
  const int status = planaria::exit_status("train", trainer.run(600));
  if (status == 0 && std::getenv("PLANARIA_COORDINATOR") == nullptr) {
    std::printf(
        "next: the same over two processes, planaria run --workers 2 --run-dir runs/two -- %s\n",
        argv[0]);
  }
  return status;
}
