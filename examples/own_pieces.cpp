// Pieces that a training loop of one's own may bring: BatchNorm, an optimizer that LibTorch does
// not have, clipping by value. Each is marked; docs/own-loop.md explains them.
//
//   own_pieces                                alone
//   own_pieces rmsprop                        with an optimizer of LibTorch's instead
//   planaria run --workers 3 -- own_pieces    the same bits on three workers
#include <cstdio>
#include <cstring>
#include <span>

#include <torch/nn/functional/loss.h>
#include <torch/nn/modules/linear.h>
#include <torch/optim/rmsprop.h>

#include <planaria/runtime/batch_norm.hpp>
#include <planaria/runtime/session.hpp>
#include <planaria/runtime/torch_optimizer.hpp>

namespace nn = torch::nn;
using Ids = std::span<const std::int64_t>;
constexpr std::int64_t steps = 100, samples = 4096, held_out = 512;

torch::Tensor points(Ids ids) {
  const auto i = torch::tensor(std::vector<double>(ids.begin(), ids.end()), torch::kDouble);
  return torch::stack({i * 0.754877666, i * 0.569840296}, 1).frac().to(torch::kFloat);
}
torch::Tensor surface(Ids ids) {
  return torch::sin(points(ids).select(1, 0) * 4) * points(ids).select(1, 1);
}
torch::Tensor error_of(const torch::Tensor& output, const torch::Tensor& target) {
  return nn::functional::mse_loss(output.squeeze(1), target);
}

// BatchNorm: planaria's in place of LibTorch's.
struct NormedImpl : nn::Module {
  NormedImpl(int in, int out)
      : linear(register_module("linear", nn::Linear(in, out))),
        norm(register_module("norm", planaria::BatchNorm(out))) {}
  torch::Tensor forward(const torch::Tensor& x) { return torch::tanh(norm(linear(x))); }
  nn::Linear linear;
  planaria::BatchNorm norm;
};
TORCH_MODULE(Normed);

// An optimizer as one writes it for LibTorch: Lion (Chen et al., 2023).
struct LionOptions : torch::optim::OptimizerCloneableOptions<LionOptions> {
  double get_lr() const override { return rate; }
  void set_lr(const double lr) override { rate = lr; }
  double rate = 1e-3, beta1 = 0.9, beta2 = 0.99;
};
struct LionState : torch::optim::OptimizerCloneableParamState<LionState> {
  torch::Tensor average;
};
struct Lion : torch::optim::Optimizer {
  Lion(std::vector<torch::Tensor> parameters, const LionOptions& options)
      : Optimizer(std::move(parameters), std::make_unique<LionOptions>(options)) {}
  torch::Tensor step(LossClosure /*closure*/) override {
    for (auto& group : param_groups()) {
      const auto& o = static_cast<LionOptions&>(group.options());
      for (auto& parameter : group.params()) {
        auto& average =
            static_cast<LionState&>(*state().at(parameter.unsafeGetTensorImpl())).average;
        const auto& gradient = parameter.grad();
        parameter.sub_((average * o.beta1 + gradient * (1 - o.beta1)).sign_(), o.rate);
        average.mul_(o.beta2).add_(gradient, 1 - o.beta2);
      }
    }
    return {};
  }
};

// And what makes it a layer's: how it is built, and what its state is.
planaria::OptimizerFactory lion(const LionOptions& o) {
  return planaria::torch_optimizer<Lion, LionState>({
      .description = fmt::format("lion beta1 {} beta2 {}", o.beta1, o.beta2),
      .default_rate = o.rate,
      .make = [o](auto parameters) { return std::make_unique<Lion>(std::move(parameters), o); },
      .create =
          [](const torch::Tensor& parameter) {
            LionState state;
            state.average = torch::zeros_like(parameter);
            return state;
          },
      .fields =
          [](LionState& s) {
            return planaria::OptimizerFields{{"average", &s.average}};
          },
  });
}

// Clipping by value, each layer on its own.
void clip_values(const std::string& layer, const planaria::NamedTensors& gradients,
                 const planaria::protocol::CommitRecord& record) {
  const double limit = layer == "last" || record.step.value < 10 ? 0.1 : 0.5;
  for (const auto& [name, gradient] : gradients) gradient.clamp_(-limit, limit);
}

int main(int argc, char** argv) {
  planaria::prepare_process(1);
  const bool with_rmsprop = argc == 2 && std::strcmp(argv[1], "rmsprop") == 0;
  auto session = planaria::Session::join(
      {.layers = {planaria::layer("first", [] { return Normed(2, 32); }),
                  planaria::layer("second", [] { return Normed(32, 32); }),
                  planaria::layer("last", [] { return nn::Linear(32, 1); })},
       .loss = planaria::loss_of(error_of),
       .optimizer = with_rmsprop ? planaria::rmsprop(torch::optim::RMSpropOptions(1e-3)) : lion({}),
       .dataset = planaria::dataset_of({samples, held_out, "surface", points, surface}),
       .micro_batch_size = 16,
       .before_apply = clip_values},
      steps);
  while (const auto step = session->begin_step()) {
    session->forward_backward();
    const auto done = session->commit();
    if (!done || step->value % 25 != 0) continue;
    const auto held = session->evaluate();
    if (!held || session->worker().value != 0) continue;
    std::printf("step %3d  loss %.6f  held out %.6f\n", static_cast<int>(step->value), done->loss,
                held->loss);
    std::fflush(stdout);
  }
  return planaria::exit_status("own_pieces", session->finish());
}
