// planaria's BatchNorm is PyTorch's, but for who writes the running statistics, and when.
#include <planaria/runtime/batch_norm.hpp>

#include <algorithm>
#include <cmath>
#include <cstring>
#include <numeric>

#include <ATen/ATen.h>
#include <torch/nn/modules/batchnorm.h>
#include <torch/nn/modules/container/sequential.h>
#include <torch/nn/modules/linear.h>
#include <catch2/catch.hpp>

namespace planaria {
namespace {

constexpr std::int64_t features = 7;

// Deterministic by key, each channel with its own mean and spread.
at::Tensor numbers(const std::vector<std::int64_t>& sizes, int key) {
  std::int64_t elements = 1;
  for (const std::int64_t size : sizes) elements *= size;
  const at::Tensor x = at::arange(elements, at::kDouble).add(1000.0 * key + 1);
  const at::Tensor noise =
      x.mul(12.9898).sin().mul(43758.5453).frac().to(at::kFloat).reshape(sizes);
  if (sizes.size() < 2) return noise;
  std::vector<std::int64_t> by_channel(sizes.size(), 1);
  by_channel[1] = sizes[1];
  const at::Tensor channel = at::arange(sizes[1], at::kFloat).add(1).reshape(by_channel);
  return noise.mul(channel).add(channel.mul(0.5 + 0.25 * key)).contiguous();
}

bool same_bits(const at::Tensor& a, const at::Tensor& b) {
  return a.sizes() == b.sizes() && a.dtype() == b.dtype() && a.is_contiguous() &&
         b.is_contiguous() && std::memcmp(a.data_ptr(), b.data_ptr(), a.nbytes()) == 0;
}

template <class Norm>
void set_weights(Norm& norm) {
  const at::NoGradGuard no_grad;
  norm->weight.copy_(numbers({features}, 91));
  norm->bias.copy_(numbers({features}, 92));
}

double largest_relative_difference(const at::Tensor& a, const at::Tensor& b) {
  return a.to(at::kDouble).sub(b).abs().div(b.to(at::kDouble).abs()).max().item<double>();
}

struct Ran {
  at::Tensor output, input_gradient, weight_gradient, bias_gradient;
};

template <class Norm>
Ran run(Norm& norm, const at::Tensor& values) {
  const at::Tensor input = values.clone().requires_grad_(true);
  const at::Tensor output = norm->forward(input);
  output.backward(numbers(values.sizes().vec(), 55));
  Ran ran{output.detach(), input.grad(), norm->weight.grad().clone(), norm->bias.grad().clone()};
  norm->zero_grad();
  return ran;
}

template <class Reference>
void compare_training(const std::vector<std::int64_t>& sizes) {
  BatchNorm ours(features);
  Reference reference(features);
  set_weights(ours);
  set_weights(reference);
  for (int key = 0; key < 3; ++key) {
    const at::Tensor input = numbers(sizes, key);
    const Ran a = run(ours, input);
    const Ran b = run(reference, input);
    CHECK(same_bits(a.output, b.output));
    CHECK(same_bits(a.input_gradient, b.input_gradient));
    CHECK(same_bits(a.weight_gradient, b.weight_gradient));
    CHECK(same_bits(a.bias_gradient, b.bias_gradient));
    ours->fold(ours->take_statistics());
  }
  CHECK(largest_relative_difference(ours->running_mean, reference->running_mean) < 1e-6);
  CHECK(largest_relative_difference(ours->running_var, reference->running_var) < 1e-6);

  ours->eval();
  reference->eval();
  {
    const at::NoGradGuard no_grad;
    ours->running_mean.copy_(reference->running_mean);
    ours->running_var.copy_(reference->running_var);
  }
  const at::Tensor input = numbers(sizes, 17);
  const Ran a = run(ours, input);
  const Ran b = run(reference, input);
  CHECK(same_bits(a.output, b.output));
  CHECK(same_bits(a.input_gradient, b.input_gradient));
}

constexpr int micro_batches = 8;

at::Tensor micro_batch(int index) {
  return numbers({4, features, 3, 5}, index);
}

// Runs the micro-batches' forwards in `order`, then folds what they found in `fold_order`.
std::vector<at::Tensor> buffers_after(const std::vector<int>& order,
                                      const std::vector<int>& fold_order) {
  BatchNorm norm(features);
  std::vector<std::vector<at::Tensor>> found(micro_batches);
  for (const int index : order) {
    (void)norm->forward(micro_batch(index));
    found[static_cast<std::size_t>(index)] = norm->take_statistics();
  }
  for (const int index : fold_order) norm->fold(found[static_cast<std::size_t>(index)]);
  return {norm->running_mean, norm->running_var};
}

std::vector<int> in_order() {
  std::vector<int> order(micro_batches);
  std::iota(order.begin(), order.end(), 0);
  return order;
}

// What a person would write down: the definition, element by element, in double.
std::vector<at::Tensor> buffers_by_hand(const std::vector<int>& order) {
  at::Tensor mean = at::zeros({features}, at::kDouble);
  at::Tensor variance = at::ones({features}, at::kDouble);
  for (const int index : order) {
    const at::Tensor values = micro_batch(index).to(at::kDouble).transpose(0, 1).flatten(1);
    mean = mean * 0.9 + values.mean(1) * 0.1;
    variance = variance * 0.9 + values.var(1, /*unbiased=*/true) * 0.1;
  }
  return {mean, variance};
}

bool agrees_with_hand(const std::vector<at::Tensor>& buffers) {
  const auto by_hand = buffers_by_hand(in_order());
  return largest_relative_difference(buffers[0], by_hand[0]) < 1e-6 &&
         largest_relative_difference(buffers[1], by_hand[1]) < 1e-6;
}

}  // namespace

TEST_CASE("training and evaluation give the bits of torch::nn's for two to five dimensions",
          "[unit]") {
  compare_training<torch::nn::BatchNorm1d>({9, features});
  compare_training<torch::nn::BatchNorm1d>({9, features, 11});
  compare_training<torch::nn::BatchNorm2d>({4, features, 5, 3});
  compare_training<torch::nn::BatchNorm2d>({1, features, 5, 3});
  compare_training<torch::nn::BatchNorm3d>({2, features, 3, 2, 3});
}

TEST_CASE("the buffers do not depend on the order in which forwards ran", "[unit]") {
  const auto straight = buffers_after(in_order(), in_order());
  CHECK(agrees_with_hand(straight));
  std::vector<int> order = in_order();
  for (int tries = 0; tries < 5; ++tries) {
    std::next_permutation(order.begin(), order.end());
    std::rotate(order.begin(), order.begin() + 3, order.end());
    const auto other = buffers_after(order, in_order());
    CHECK(same_bits(other[0], straight[0]));
    CHECK(same_bits(other[1], straight[1]));
  }
}

TEST_CASE("planted bug: two micro-batches folded in the wrong order are caught", "[unit]") {
  std::vector<int> swapped = in_order();
  std::swap(swapped[2], swapped[3]);
  const auto straight = buffers_after(in_order(), in_order());
  const auto wrong = buffers_after(in_order(), swapped);
  CHECK_FALSE(same_bits(wrong[0], straight[0]));
  CHECK_FALSE(same_bits(wrong[1], straight[1]));
  CHECK_FALSE(agrees_with_hand(wrong));
}

TEST_CASE("running statistics follow torch::nn's over many steps and any momentum", "[unit]") {
  for (const double momentum : {0.0, 0.01, 0.5, 1.0}) {
    INFO("momentum " << momentum);
    BatchNorm ours(BatchNormOptions{.features = features, .momentum = momentum});
    torch::nn::BatchNorm2d reference(torch::nn::BatchNorm2dOptions(features).momentum(momentum));
    for (int key = 0; key < 200; ++key) {
      const at::Tensor input = numbers({4, features, 3, 3}, key % 50);
      (void)ours->forward(input);
      (void)reference->forward(input);
      ours->fold(ours->take_statistics());
    }
    // Both round once a fold, by half a unit in the last place, and remember 1 / momentum folds.
    const double allowed = momentum == 0 ? 0.0 : std::ldexp(1.0, -23) * (1.0 + 1.0 / momentum);
    CHECK(at::allclose(ours->running_mean, reference->running_mean, allowed, 0));
    CHECK(at::allclose(ours->running_var, reference->running_var, allowed, 0));
  }
}

TEST_CASE("forward writes no buffer, fold writes them in place", "[unit]") {
  BatchNorm norm(features);
  const at::Tensor mean = norm->named_buffers()["running_mean"];
  const at::Tensor variance = norm->named_buffers()["running_var"];
  const at::Tensor mean_before = mean.clone();
  const at::Tensor variance_before = variance.clone();
  const auto mean_version = mean._version();
  const auto variance_version = variance._version();
  const at::Tensor input = micro_batch(1).requires_grad_(true);
  norm->forward(input).sum().backward();
  const auto found = norm->take_statistics();
  norm->eval();
  (void)norm->forward(input);
  // The kernel writes without counting: the values count too.
  CHECK(same_bits(mean, mean_before));
  CHECK(same_bits(variance, variance_before));
  CHECK(mean._version() == mean_version);
  CHECK(variance._version() == variance_version);

  norm->fold(found);
  CHECK_FALSE(same_bits(mean, mean_before));
  CHECK(mean.data_ptr() == norm->running_mean.data_ptr());
  CHECK(mean._version() > mean_version);
}

TEST_CASE("statistics are the micro-batch's own, detached, contiguous and free to be written",
          "[unit]") {
  BatchNorm norm(features);
  const at::Tensor input = micro_batch(3).requires_grad_(true);
  const at::Tensor output = norm->forward(input);
  const auto found = norm->take_statistics();
  REQUIRE(found.size() == 2);
  const at::Tensor values = input.detach().to(at::kDouble).transpose(0, 1).flatten(1);
  CHECK(largest_relative_difference(found[0], values.mean(1)) < 1e-6);
  CHECK(largest_relative_difference(found[1], values.var(1, /*unbiased=*/true)) < 1e-6);
  for (const at::Tensor& statistic : found) {
    CHECK_FALSE(statistic.requires_grad());
    CHECK(statistic.is_contiguous());
    CHECK(statistic.scalar_type() == at::kFloat);
    statistic.fill_(1e9);
  }
  output.sum().backward();  // does not mind
  CHECK(input.grad().defined());
}

TEST_CASE("a BatchNorm used twice in one forward, or not at all, is refused with a sentence",
          "[unit]") {
  BatchNorm norm(features);
  (void)norm->forward(micro_batch(0));
  CHECK_THROWS_WITH(norm->forward(micro_batch(0)),
                    Catch::StartsWith("BatchNorm used twice in one forward"));
  (void)norm->take_statistics();
  CHECK_THROWS_WITH(norm->take_statistics(),
                    Catch::StartsWith("BatchNorm was not used in this forward"));
  // Evaluation in between is no use.
  (void)norm->forward(micro_batch(1));
  norm->eval();
  (void)norm->forward(micro_batch(2));
  (void)norm->forward(micro_batch(2));
  norm->train();
  const auto found = norm->take_statistics();
  CHECK_THROWS_AS(norm->take_statistics(), std::logic_error);
  (void)norm->forward(micro_batch(1));
  CHECK(same_bits(found[0], norm->take_statistics()[0]));
}

TEST_CASE("options leave out what they say", "[unit]") {
  BatchNorm plain(BatchNormOptions{.features = features, .affine = false, .track = false});
  torch::nn::BatchNorm2d reference(
      torch::nn::BatchNorm2dOptions(features).affine(false).track_running_stats(false));
  CHECK(plain->named_parameters().is_empty());
  CHECK(plain->named_buffers().is_empty());
  CHECK(same_bits(plain->forward(micro_batch(1)), reference->forward(micro_batch(1))));
  CHECK(plain->take_statistics().empty());
  plain->fold({});
  plain->eval();
  reference->eval();
  CHECK(same_bits(plain->forward(micro_batch(1)), reference->forward(micro_batch(1))));

  const BatchNorm full(features);
  CHECK(full->named_parameters().keys() == std::vector<std::string>{"weight", "bias"});
  CHECK(full->named_buffers().keys() == std::vector<std::string>{"running_mean", "running_var"});
}

TEST_CASE("options and inputs out of range are refused by name and value", "[unit]") {
  CHECK_THROWS_WITH(BatchNorm(BatchNormOptions{.features = 0}),
                    "BatchNorm: features: 0, must be at least 1");
  CHECK_THROWS_WITH(BatchNorm(BatchNormOptions{.features = 1, .epsilon = -1}),
                    "BatchNorm: epsilon: -1, must be at least 0");
  CHECK_THROWS_WITH(BatchNorm(BatchNormOptions{.features = 1, .momentum = 1.5}),
                    "BatchNorm: momentum: 1.5, must be 0 to 1");
  BatchNorm norm(features);
  CHECK_THROWS_WITH(norm->forward(at::zeros({2, 3, 4})),
                    "BatchNorm: input [2, 3, 4], must be [N, 7] and up to three more sizes");
  CHECK_THROWS_WITH(norm->forward(at::zeros({7})),
                    "BatchNorm: input [7], must be [N, 7] and up to three more sizes");
  CHECK_THROWS_WITH(
      norm->forward(at::zeros({1, 7, 1})),
      "BatchNorm: input [1, 7, 1], must have more than 1 value per channel: one has no variance");
}

TEST_CASE("several of them are found anywhere in a layer's module tree", "[unit]") {
  struct Block : torch::nn::Module {
    Block() { register_module("norm", norm); }
    torch::Tensor forward(const torch::Tensor& x) { return norm->forward(x.slice(1, 0, 5)); }
    BatchNorm norm{5};
  };
  torch::nn::Sequential layer(torch::nn::Linear(features, features), BatchNorm(features),
                              std::make_shared<Block>());
  (void)layer->forward(numbers({6, features}, 1));
  std::vector<std::size_t> sizes;
  for (const auto& module : layer->named_modules()) {
    if (auto* folds = dynamic_cast<FoldsStatistics*>(module.value().get())) {
      const auto found = folds->take_statistics();
      sizes.push_back(static_cast<std::size_t>(found.at(0).size(0)));
      folds->fold(found);
    }
  }
  CHECK(sizes == std::vector<std::size_t>{7, 5});
}

}  // namespace planaria
