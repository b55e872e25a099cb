// A loop that breaks the one rule of Session: the worker named in PLANARIA_SKIPS does not evaluate.
#include <cstdlib>
#include <string>

#include <torch/nn/modules/linear.h>

#include <planaria/runtime/session.hpp>

int main() {
  planaria::prepare_process(1);
  const auto numbers = [](std::span<const std::int64_t> ids) {
    return torch::tensor(std::vector<float>(ids.begin(), ids.end())).unsqueeze(1) / 100;
  };
  const auto linear = [] { return torch::nn::Linear(1, 1); };
  const auto session = planaria::Session::join(
      {.layers = {planaria::layer("a", linear), planaria::layer("b", linear),
                  planaria::layer("c", linear)},
       .loss = planaria::loss_of([](const torch::Tensor& output, const torch::Tensor& target) {
         return (output - target).square().mean();
       }),
       .optimizer = planaria::sgd({}),
       .dataset = planaria::dataset_of({90, 12, "numbers", numbers, numbers}),
       .micro_batches = 6,
       .micro_batch_size = 2},
      20);
  const char* skips = std::getenv("PLANARIA_SKIPS");
  while (const auto step = session->begin_step()) {
    session->forward_backward();
    if (!session->commit()) continue;
    const bool skip = skips != nullptr && std::to_string(session->worker().value) == skips;
    if (step->value == 3 && !skip) static_cast<void>(session->evaluate());
  }
  return planaria::exit_status("loop_apart", session->finish());
}
