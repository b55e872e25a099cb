// A training loop of one's own, twice: in plain LibTorch, and elastic. Compare the two functions.
//
//   own_loop --plain                          the plain loop
//   own_loop                                  its elastic twin, alone
//   planaria run --workers 3 -- own_loop      the same bits on three workers
//
// Schedule, clipping, logging, evaluation and early stop are the loop's own in both.
#include <cmath>
#include <cstdio>
#include <cstring>
#include <numeric>
#include <span>

#include <torch/nn/functional/loss.h>
#include <torch/nn/modules/container/sequential.h>
#include <torch/nn/modules/linear.h>
#include <torch/nn/utils/clip_grad.h>
#include <torch/optim/adamw.h>

#include <planaria/runtime/session.hpp>

namespace nn = torch::nn;
using Ids = std::span<const std::int64_t>;
constexpr std::int64_t steps = 400, samples = 4096, held_out = 512;
constexpr int micro_batches = 8, micro_batch_size = 16;

// Sample i: a point of the unit square, a pure function of i, and what is to be learned there.
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
double schedule(std::int64_t step) {
  return 5e-3 * std::min(1.0, step / 50.0);
}

void log(std::int64_t step, double loss, double held) {
  std::printf("step %3d  loss %.6f  held out %.6f\n", static_cast<int>(step), loss, held);
  std::fflush(stdout);
}

struct HiddenImpl : nn::Module {
  explicit HiddenImpl(int in) : linear(register_module("linear", nn::Linear(in, 64))) {}
  torch::Tensor forward(const torch::Tensor& x) { return torch::tanh(linear(x)); }
  nn::Linear linear;
};
TORCH_MODULE(Hidden);

int plain() {
  nn::Sequential model(Hidden(2), Hidden(64), nn::Linear(64, 1));
  torch::optim::AdamW optimizer(model->parameters());
  const auto forward = [&](std::int64_t first, std::int64_t count) {
    std::vector<std::int64_t> ids(static_cast<std::size_t>(count));
    std::iota(ids.begin(), ids.end(), first);
    return error_of(model->forward(points(ids)), surface(ids));
  };
  for (std::int64_t step = 1, next = 0; step <= steps; ++step) {
    optimizer.zero_grad();
    double loss = 0;
    for (int i = 0; i < micro_batches; ++i, next = (next + micro_batch_size) % samples) {
      const auto mean = forward(next, micro_batch_size) / micro_batches;
      mean.backward();
      loss += mean.item<double>();
    }
    nn::utils::clip_grad_norm_(model->parameters(), 1.0);
    optimizer.param_groups()[0].options().set_lr(schedule(step));
    optimizer.step();
    if (step % 50 != 0) continue;
    const torch::NoGradGuard no_grad;
    const double held = forward(samples, held_out).item<double>();
    log(step, loss, held);
    if (held < 1e-3) break;
  }
  return 0;
}

int elastic() {
  auto session = planaria::Session::join(
      {.layers = {planaria::layer("first", [] { return Hidden(2); }),
                  planaria::layer("second", [] { return Hidden(64); }),
                  planaria::layer("last", [] { return nn::Linear(64, 1); })},
       .loss = planaria::loss_of(error_of),
       .optimizer = planaria::adamw({.weight_decay = 0.01}),
       .dataset = planaria::dataset_of({samples, held_out, "surface", points, surface}),
       .micro_batches = micro_batches,
       .micro_batch_size = micro_batch_size,
       .clip_norm = 1.0},
      steps);
  while (const auto step = session->begin_step()) {
    session->forward_backward();
    const auto done = session->commit(schedule(step->value));
    if (!done || step->value % 50 != 0) continue;
    const auto held = session->evaluate();
    if (!held) continue;
    if (session->worker().value == 0) log(step->value, done->loss, held->loss);
    if (held->loss < 1e-3) session->stop("the held-out loss is small enough");
  }
  return planaria::exit_status("own_loop", session->finish());
}

int main(int argc, char** argv) {
  planaria::prepare_process(1);
  return argc == 2 && std::strcmp(argv[1], "--plain") == 0 ? plain() : elastic();
}
