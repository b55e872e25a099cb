// Learns y = 3x - 1 in 60 steps and says from what loss to what.
#include <cstdio>
#include <memory>

#include <fmt/format.h>
#include <torch/nn/modules/linear.h>
#include <planaria/planner/best_plan.hpp>
#include <planaria/runtime/trainer.hpp>

namespace {

class Line final : public planaria::Dataset {
 public:
  [[nodiscard]] std::int64_t samples() const override { return 64; }
  [[nodiscard]] std::string fingerprint() const override { return "line 64"; }
  [[nodiscard]] planaria::Tensors inputs(std::span<const std::int64_t> ids) const override {
    torch::Tensor x = torch::empty({static_cast<std::int64_t>(ids.size()), 1});
    for (std::size_t i = 0; i < ids.size(); ++i) {
      x[static_cast<std::int64_t>(i)][0] = static_cast<double>(ids[i]) / 64;
    }
    return {x};
  }
  [[nodiscard]] planaria::Tensors targets(std::span<const std::int64_t> ids) const override {
    return {inputs(ids)[0] * 3 - 1};
  }
};

}  // namespace

int main() {
  planaria::prepare_process(1);
  planaria::Trainer trainer({
      .layers = {planaria::layer("wide", [] { return torch::nn::Linear(1, 8); }),
                 planaria::layer("narrow", [] { return torch::nn::Linear(8, 1); })},
      .loss =
          [](const planaria::Tensors& outputs, const planaria::Tensors& targets) {
            return (outputs[0] - targets[0]).square().mean();
          },
      .optimizer = planaria::adam({.learning_rate = 3e-2}),
      .dataset = std::make_shared<Line>(),
      .seed = 3,
      .micro_batches = 4,
      .micro_batch_size = 8,
  });
  double first = 0;
  double last = 0;
  trainer.on_step([&](const planaria::StepMetrics& metrics) {
    if (metrics.step.value == 1) first = metrics.loss;
    last = metrics.loss;
  });
  const int status = planaria::exit_status("outside", trainer.run(60));
  // By fmt, which LibTorch bundles too: it must be the one that planaria was built with.
  fmt::print("loss {} {}\n", first, last);
  return status;
}
