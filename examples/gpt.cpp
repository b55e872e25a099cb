#include "gpt.hpp"

#include <cmath>
#include <memory>
#include <string>

#include <ATen/ATen.h>
#include <fmt/format.h>

namespace example {
namespace {

constexpr int symbols = 256;

// Linear as one kernel call: torch::nn::Linear adds the bias after the product for 3-D inputs and
// so rounds differently from Python's.
struct LinearImpl : torch::nn::Module {
  LinearImpl(int in, int out, bool with_bias, double deviation) {
    weight = register_parameter("weight", torch::randn({out, in}) * deviation);
    if (with_bias) bias = register_parameter("bias", torch::zeros({out}));
  }
  torch::Tensor forward(const torch::Tensor& x) { return at::linear(x, weight, bias); }
  torch::Tensor weight;
  torch::Tensor bias;
};

struct NormImpl : torch::nn::Module {
  explicit NormImpl(int width) : width_(width) {
    weight = register_parameter("weight", torch::ones({width}));
    bias = register_parameter("bias", torch::zeros({width}));
  }
  torch::Tensor forward(const torch::Tensor& x) {
    return at::layer_norm(x, {width_}, weight, bias, 1e-5);
  }
  torch::Tensor weight;
  torch::Tensor bias;

 private:
  int width_;
};

struct TableImpl : torch::nn::Module {
  TableImpl(int rows, int width) {
    weight = register_parameter("weight", torch::randn({rows, width}) * 0.02);
  }
  torch::Tensor weight;
};

struct Embedding : torch::nn::Module {
  explicit Embedding(const GptOptions& options) : dropout_(options.dropout) {
    token = register_module("token", std::make_shared<TableImpl>(symbols, options.d_model));
    position =
        register_module("position", std::make_shared<TableImpl>(options.context, options.d_model));
  }
  torch::Tensor forward(const torch::Tensor& ids) {
    const torch::Tensor places = at::arange(ids.size(1), ids.options());
    const torch::Tensor x =
        at::embedding(token->weight, ids) + at::embedding(position->weight, places);
    return at::dropout(x, dropout_, is_training());
  }
  std::shared_ptr<TableImpl> token;
  std::shared_ptr<TableImpl> position;

 private:
  double dropout_;
};

struct Block : torch::nn::Module {
  explicit Block(const GptOptions& options) : heads_(options.heads), dropout_(options.dropout) {
    const int d = options.d_model;
    // Residual branches start smaller the deeper the model is (GPT-2).
    const double residual = 0.02 / std::sqrt(2.0 * options.blocks);
    norm1 = register_module("norm1", std::make_shared<NormImpl>(d));
    attention = register_module("attention", std::make_shared<LinearImpl>(d, 3 * d, true, 0.02));
    projection = register_module("projection", std::make_shared<LinearImpl>(d, d, true, residual));
    norm2 = register_module("norm2", std::make_shared<NormImpl>(d));
    expand = register_module("expand", std::make_shared<LinearImpl>(d, 4 * d, true, 0.02));
    contract = register_module("contract", std::make_shared<LinearImpl>(4 * d, d, true, residual));
  }
  torch::Tensor forward(torch::Tensor x) {
    x = x + at::dropout(projection->forward(attend(norm1->forward(x))), dropout_, is_training());
    const torch::Tensor wide = at::gelu(expand->forward(norm2->forward(x)));
    return x + at::dropout(contract->forward(wide), dropout_, is_training());
  }
  std::shared_ptr<NormImpl> norm1, norm2;
  std::shared_ptr<LinearImpl> attention, projection, expand, contract;

 private:
  torch::Tensor attend(const torch::Tensor& x) {
    const auto m = x.size(0);
    const auto c = x.size(1);
    const auto d = x.size(2);
    const auto parts = attention->forward(x).chunk(3, -1);
    const auto split = [&](const torch::Tensor& t) {
      return t.view({m, c, heads_, d / heads_}).transpose(1, 2);
    };
    const torch::Tensor mixed = at::scaled_dot_product_attention(
        split(parts[0]), split(parts[1]), split(parts[2]), {}, 0.0, /*is_causal=*/true);
    return mixed.transpose(1, 2).contiguous().view({m, c, d});
  }
  int heads_;
  double dropout_;
};

struct Head : torch::nn::Module {
  explicit Head(const GptOptions& options) {
    norm = register_module("norm", std::make_shared<NormImpl>(options.d_model));
    output = register_module("output",
                             std::make_shared<LinearImpl>(options.d_model, symbols, false, 0.02));
  }
  torch::Tensor forward(const torch::Tensor& x) { return output->forward(norm->forward(x)); }
  std::shared_ptr<NormImpl> norm;
  std::shared_ptr<LinearImpl> output;
};

}  // namespace

std::vector<planaria::LayerDefinition> gpt(const GptOptions& options) {
  const double d = options.d_model;
  std::vector<planaria::LayerDefinition> layers;
  layers.push_back(planaria::layer(
      "embedding", [options] { return std::make_shared<Embedding>(options); }, 2 * d));
  for (int i = 0; i < options.blocks; ++i) {
    layers.push_back(planaria::layer(
        fmt::format("block{}", i), [options] { return std::make_shared<Block>(options); },
        (12 * d * d) + (2 * d * options.context)));
  }
  std::vector<planaria::TiedParameter> ties;
  if (options.tied) ties.push_back({"output.weight", "embedding", "token.weight"});
  layers.push_back(planaria::layer(
      "head", [options] { return std::make_shared<Head>(options); }, symbols * d, ties));
  return layers;
}

torch::Tensor next_byte(const planaria::Tensors& outputs, const planaria::Tensors& targets) {
  return at::cross_entropy_loss(outputs[0].view({-1, symbols}), targets[0].view({-1}));
}

}  // namespace example
