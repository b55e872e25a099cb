// runtime/modules.hpp: Linear, LayerNorm and Embedding whose weight gradients can wait. Floor 8,
// LibTorch. Is: torch::nn's modules of these names, in parameters, names, initial weights and bits,
// with a backward in two halves (split_backward.hpp) where a schedule asks for it. Is not: needed
// for training; other modules have their weight gradients computed with those of their inputs.
#pragma once

#include <cstdint>
#include <memory>

#include <torch/nn/module.h>
#include <torch/nn/pimpl.h>
#include <torch/types.h>

#include <planaria/runtime/split_backward.hpp>

namespace planaria {

/// y = x W^T + b of [..., in] -> [..., out], in one product over all leading dimensions: what
/// Python's nn.Linear computes. Parameters `weight` [out, in] and `bias` [out].
class LinearImpl : public torch::nn::Module, public SplitsBackward {
 public:
  /// PyTorch's initial weights. Throws std::invalid_argument for sizes below 1.
  LinearImpl(std::int64_t in, std::int64_t out, bool with_bias = true);
  /// These initial weights; no bias where it is undefined.
  explicit LinearImpl(const torch::Tensor& initial_weight, const torch::Tensor& initial_bias = {});
  [[nodiscard]] torch::Tensor forward(const torch::Tensor& input);
  void put_off_to(std::shared_ptr<PutOffGradients> gradients) override;

  torch::Tensor weight;
  torch::Tensor bias;  // undefined: none

 private:
  std::shared_ptr<PutOffGradients> put_off_;
};
TORCH_MODULE(Linear);

/// Layer normalisation (Ba et al., 2016) over the last dimension. Parameters `weight` (ones) and
/// `bias` (zeros), both [features].
class LayerNormImpl : public torch::nn::Module, public SplitsBackward {
 public:
  /// Throws std::invalid_argument for features below 1 or an epsilon below 0.
  explicit LayerNormImpl(std::int64_t features, double epsilon = 1e-5);
  [[nodiscard]] torch::Tensor forward(const torch::Tensor& input);
  void put_off_to(std::shared_ptr<PutOffGradients> gradients) override;

  torch::Tensor weight;
  torch::Tensor bias;

 private:
  double epsilon_;
  std::shared_ptr<PutOffGradients> put_off_;
};
TORCH_MODULE(LayerNorm);

/// Rows of a table by index: [...] of int64 -> [..., width]. Parameter `weight` [rows, width].
class EmbeddingImpl : public torch::nn::Module, public SplitsBackward {
 public:
  /// PyTorch's initial weights (standard normal). Throws std::invalid_argument for sizes below 1.
  EmbeddingImpl(std::int64_t rows, std::int64_t width);
  /// These initial weights.
  explicit EmbeddingImpl(const torch::Tensor& initial_weight);
  [[nodiscard]] torch::Tensor forward(const torch::Tensor& indices);
  void put_off_to(std::shared_ptr<PutOffGradients> gradients) override;

  torch::Tensor weight;

 private:
  std::shared_ptr<PutOffGradients> put_off_;
};
TORCH_MODULE(Embedding);

}  // namespace planaria
