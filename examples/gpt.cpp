#include "gpt.hpp"

#include <cmath>
#include <memory>
#include <string>

#include <ATen/ATen.h>
#include <fmt/format.h>

#include <planaria/runtime/modules.hpp>

namespace example {
namespace {

constexpr int symbols = 256;

// planaria's Linear, LayerNorm and Embedding are Python's, and may compute their weight gradients
// later than those of their inputs: that is what zero-bubble schedules live from.
planaria::Linear linear(int in, int out, bool with_bias, double deviation) {
  const torch::Tensor weight = torch::randn({out, in}) * deviation;
  return planaria::Linear(weight, with_bias ? torch::zeros({out}) : torch::Tensor());
}

planaria::Embedding table(int rows, int width) {
  return planaria::Embedding(torch::randn({rows, width}) * 0.02);
}

struct Embedding : torch::nn::Module {
  explicit Embedding(const GptOptions& options) : dropout_(options.dropout) {
    token = register_module("token", table(symbols, options.d_model));
    position = register_module("position", table(options.context, options.d_model));
  }
  torch::Tensor forward(const torch::Tensor& ids) {
    const torch::Tensor places = at::arange(ids.size(1), ids.options());
    const torch::Tensor x = token->forward(ids) + position->forward(places);
    return at::dropout(x, dropout_, is_training());
  }
  planaria::Embedding token{nullptr};
  planaria::Embedding position{nullptr};

 private:
  double dropout_;
};

struct Block : torch::nn::Module {
  explicit Block(const GptOptions& options) : heads_(options.heads), dropout_(options.dropout) {
    const int d = options.d_model;
    // Residual branches start smaller the deeper the model is (GPT-2).
    const double residual = 0.02 / std::sqrt(2.0 * options.blocks);
    norm1 = register_module("norm1", planaria::LayerNorm(d));
    attention = register_module("attention", linear(d, 3 * d, true, 0.02));
    projection = register_module("projection", linear(d, d, true, residual));
    norm2 = register_module("norm2", planaria::LayerNorm(d));
    expand = register_module("expand", linear(d, 4 * d, true, 0.02));
    contract = register_module("contract", linear(4 * d, d, true, residual));
  }
  torch::Tensor forward(torch::Tensor x) {
    x = x + at::dropout(projection->forward(attend(norm1->forward(x))), dropout_, is_training());
    const torch::Tensor wide = at::gelu(expand->forward(norm2->forward(x)));
    return x + at::dropout(contract->forward(wide), dropout_, is_training());
  }
  planaria::LayerNorm norm1{nullptr}, norm2{nullptr};
  planaria::Linear attention{nullptr}, projection{nullptr}, expand{nullptr}, contract{nullptr};

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
    norm = register_module("norm", planaria::LayerNorm(options.d_model));
    output = register_module("output", linear(options.d_model, symbols, false, 0.02));
  }
  torch::Tensor forward(const torch::Tensor& x) { return output->forward(norm->forward(x)); }
  planaria::LayerNorm norm{nullptr};
  planaria::Linear output{nullptr};
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
