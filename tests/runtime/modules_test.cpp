// Modules whose weight gradients can wait: the same bits as LibTorch's own graph, sooner or later.
#include <cstring>

#include "support/torch_catch.hpp"

#include <ATen/ATen.h>
#include <torch/nn/modules/embedding.h>
#include <torch/nn/modules/linear.h>
#include <planaria/runtime/modules.hpp>

#include "runtime/held_layer.hpp"

namespace planaria {
namespace {

using torch::Tensor;
using Shape = std::vector<std::int64_t>;

bool same_bits(const Tensor& a, const Tensor& b) {
  if (!a.defined() || !b.defined() || a.sizes() != b.sizes()) return false;
  const Tensor x = a.contiguous();
  const Tensor y = b.contiguous();
  return std::memcmp(x.const_data_ptr(), y.const_data_ptr(), x.nbytes()) == 0;
}

Tensor numbers(const Shape& shape, std::uint64_t seed) {
  torch::manual_seed(seed);
  return at::randn(shape);
}

struct Gradients {
  Tensor output;
  Tensor input;
  std::vector<Tensor> parameters;
};

// Forward and backward as LibTorch's graph has it.
template <class Module>
Gradients plainly(Module& module, const Tensor& input, const Tensor& gradient) {
  const Tensor leaf = input.detach().clone();
  if (at::isFloatingType(leaf.scalar_type())) leaf.requires_grad_(true);
  for (Tensor& parameter : module.parameters()) parameter.mutable_grad() = Tensor();
  Gradients found{module.forward(leaf), {}, {}};
  found.output.backward(gradient);
  found.input = leaf.grad();
  for (const Tensor& parameter : module.parameters()) found.parameters.push_back(parameter.grad());
  for (Tensor& parameter : module.parameters()) parameter.mutable_grad() = Tensor();
  return found;
}

// The same in halves; between them other work is done.
template <class Module>
Gradients in_halves(Module& module, const Tensor& input, const Tensor& gradient) {
  const auto put_off = std::make_shared<PutOffGradients>();
  module.put_off_to(put_off);
  const Tensor leaf = input.detach().clone();
  if (at::isFloatingType(leaf.scalar_type())) leaf.requires_grad_(true);
  Gradients found{module.forward(leaf), {}, {}};
  found.output.backward(gradient.clone());
  found.input = leaf.grad();
  for (const Tensor& parameter : module.parameters()) CHECK_FALSE(parameter.grad().defined());
  numbers({64, 64}, 99).mm(numbers({64, 64}, 98));
  const at::NoGradGuard no_grad;
  auto entries = put_off->take();
  CHECK(put_off->take().empty());
  CHECK(entries.size() == module.parameters().size());
  for (const Tensor& parameter : module.parameters()) {
    for (const auto& entry : entries) {
      if (entry.parameter.is_same(parameter)) found.parameters.push_back(entry.gradient());
    }
  }
  module.put_off_to(nullptr);
  return found;
}

template <class Module>
void compare(Module& module, const Tensor& input, const Tensor& gradient) {
  const Gradients whole = plainly(module, input, gradient);
  const Gradients halves = in_halves(module, input, gradient);
  CHECK(same_bits(whole.output, halves.output));
  CHECK(whole.input.defined() == halves.input.defined());
  if (whole.input.defined()) CHECK(same_bits(whole.input, halves.input));
  REQUIRE(whole.parameters.size() == halves.parameters.size());
  for (std::size_t i = 0; i < whole.parameters.size(); ++i) {
    INFO("parameter " << i);
    CHECK(same_bits(whole.parameters[i], halves.parameters[i]));
  }
}

}  // namespace

TEST_CASE("Linear in halves has the bits of LibTorch's graph", "[unit]") {
  for (const bool with_bias : {true, false}) {
    for (const Shape& shape : {Shape{7, 48}, {4, 33, 48}, {1, 48}, {2, 3, 5, 48}}) {
      INFO("bias " << with_bias << ", dimensions of the input " << shape.size());
      torch::manual_seed(3);
      LinearImpl linear(48, 80, with_bias);
      const Tensor input = numbers(shape, 4);
      Shape out = shape;
      out.back() = 80;
      const Tensor gradient = numbers(out, 5);
      compare(linear, input, gradient);
      // at::linear with a graph of its own is what a user would have written.
      const Tensor leaf = input.clone().requires_grad_(true);
      const Tensor weight = linear.weight.detach().clone().requires_grad_(true);
      const Tensor bias = with_bias ? linear.bias.detach().clone().requires_grad_(true) : Tensor();
      const Tensor output = at::linear(leaf, weight, bias);
      output.backward(gradient);
      const Gradients ours = in_halves(linear, input, gradient);
      CHECK(same_bits(output, ours.output));
      CHECK(same_bits(leaf.grad(), ours.input));
      CHECK(same_bits(weight.grad(), ours.parameters[0]));
      if (with_bias) CHECK(same_bits(bias.grad(), ours.parameters[1]));
    }
  }
}

TEST_CASE("LayerNorm in halves has the bits of LibTorch's graph", "[unit]") {
  for (const Shape& shape : {Shape{9, 64}, {4, 33, 64}}) {
    LayerNormImpl norm(64);
    {
      const at::NoGradGuard no_grad;
      norm.weight.copy_(numbers({64}, 1));
      norm.bias.copy_(numbers({64}, 2));
    }
    compare(norm, numbers(shape, 3), numbers(shape, 4));
  }
}

TEST_CASE("Embedding puts off all it has", "[unit]") {
  EmbeddingImpl embedding(numbers({50, 16}, 1));
  torch::manual_seed(2);
  const Tensor indices = at::randint(50, {4, 21}, at::kLong);
  compare(embedding, indices, numbers({4, 21, 16}, 3));
}

TEST_CASE("a frozen parameter has nothing put off, and without a graph nothing is", "[unit]") {
  LinearImpl linear(4, 3);
  linear.bias.requires_grad_(false);
  const auto put_off = std::make_shared<PutOffGradients>();
  linear.put_off_to(put_off);
  linear.forward(numbers({2, 4}, 1)).sum().backward();
  CHECK(put_off->take().size() == 1);
  {
    const at::NoGradGuard no_grad;
    static_cast<void>(linear.forward(numbers({2, 4}, 1)));
  }
  CHECK(put_off->take().empty());
}

TEST_CASE("a gradient that somebody else holds is added to as a copy", "[unit]") {
  runtime::HeldLayer held;
  held.put_off = std::make_shared<PutOffGradients>();
  const Tensor parameter = at::zeros({3}).requires_grad_(true);
  held.trainable.emplace_back("weight", parameter);
  const Tensor shared = at::ones({3});  // as a module might hand out its output's gradient
  for (const int micro_batch : {0, 1}) {
    held.put_off->put(parameter, [shared] { return shared; });
    held.keep_weight_work(MicroBatchId{micro_batch});
    held.add_weight_work(MicroBatchId{micro_batch}, LaneId{0});
  }
  CHECK(at::equal(held.lane_sums.at(LaneId{0})[0], at::full({3}, 2.0)));
  CHECK(at::equal(shared, at::ones({3})));
}

TEST_CASE("what a broken-off backward has put off is forgotten with its step", "[unit]") {
  runtime::HeldLayer held;
  held.put_off = std::make_shared<PutOffGradients>();
  held.put_off->put(at::zeros({3}), [] { return at::ones({3}); });
  held.forget_step();
  CHECK(held.put_off->take().empty());
}

TEST_CASE("initial weights are PyTorch's", "[unit]") {
  torch::manual_seed(8);
  const LinearImpl ours(5, 7);
  torch::manual_seed(8);
  const torch::nn::Linear theirs(5, 7);
  CHECK(same_bits(ours.weight, theirs->weight));
  CHECK(same_bits(ours.bias, theirs->bias));
  torch::manual_seed(8);
  const EmbeddingImpl table(5, 7);
  torch::manual_seed(8);
  const torch::nn::Embedding their_table(5, 7);
  CHECK(same_bits(table.weight, their_table->weight));
}

TEST_CASE("sizes that cannot be are refused by name", "[unit]") {
  CHECK_THROWS_WITH(LinearImpl(0, 3), "Linear: in: 0, must be at least 1");
  CHECK_THROWS_WITH(LinearImpl(3, -1), "Linear: out: -1, must be at least 1");
  CHECK_THROWS_WITH(LayerNormImpl(0), "LayerNorm: features: 0, must be at least 1");
  CHECK_THROWS_WITH(LayerNormImpl(3, -1.0), "LayerNorm: epsilon: -1, must be at least 0");
  CHECK_THROWS_WITH(EmbeddingImpl(0, 3), "Embedding: rows: 0, must be at least 1");
}

}  // namespace planaria
