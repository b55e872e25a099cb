// runtime/batch_norm.hpp: batch normalisation with the same bits in every layout. Floor 8,
// LibTorch. Is: torch::nn::BatchNorm1d/2d/3d, but its running statistics are folded in micro-batch
// order at commit (statistics.hpp). Is not: normalised over more than one micro-batch (no
// SyncBatchNorm).
#pragma once

#include <cstdint>
#include <vector>

#include <torch/nn/module.h>
#include <torch/nn/pimpl.h>
#include <torch/types.h>

#include <planaria/runtime/statistics.hpp>

namespace planaria {

struct BatchNormOptions {
  /// C of an input [N, C, ...]. At least 1.
  std::int64_t features = 1;
  /// Added to the variance before its root. At least 0.
  double epsilon = 1e-5;
  /// Weight of a new micro-batch in the running statistics, as in PyTorch: 0 to 1. Every
  /// micro-batch is folded, so a step of M keeps (1 - momentum)^M of what was there.
  double momentum = 0.1;
  /// Whether a learned weight and bias follow.
  bool affine = true;
  /// Whether there are running statistics; without, evaluation uses the batch's own too.
  bool track = true;
};

/// Batch normalisation (Ioffe and Szegedy, 2015) of [N, C], [N, C, L], [N, C, H, W] or
/// [N, C, D, H, W]. Parameters `weight` and `bias`, buffers `running_mean` and `running_var`
/// (unbiased), each [C], named and initialised as in PyTorch, whose files it reads.
class BatchNormImpl : public torch::nn::Module, public FoldsStatistics {
 public:
  /// Throws std::invalid_argument naming the option, its value and what is allowed.
  explicit BatchNormImpl(const BatchNormOptions& options);
  explicit BatchNormImpl(std::int64_t features)
      : BatchNormImpl(BatchNormOptions{.features = features}) {}

  /// Normalises with the micro-batch's own mean and biased variance in training, with the running
  /// ones in evaluation; never writes a buffer. Throws std::invalid_argument for an input of
  /// another shape, std::logic_error for a second forward in training before the first one's
  /// statistics were taken: folding two uses in one forward would have no order, so each needs its
  /// own module.
  [[nodiscard]] torch::Tensor forward(const torch::Tensor& input);

  /// Returns {mean, unbiased variance}, each [C]; nothing if not tracking.
  [[nodiscard]] std::vector<torch::Tensor> take_statistics() override;
  /// Sets running = (1 - momentum) * running + momentum * statistic, in double, rounded once.
  void fold(const std::vector<torch::Tensor>& statistics) override;

  [[nodiscard]] const BatchNormOptions& options() const { return options_; }

  // As torch::nn modules have them; undefined where the options leave them out.
  torch::Tensor weight;
  torch::Tensor bias;
  torch::Tensor running_mean;
  torch::Tensor running_var;

 private:
  void verify_input(const torch::Tensor& input) const;
  [[nodiscard]] torch::Tensor normalised(const torch::Tensor& input, const torch::Tensor& mean,
                                         const torch::Tensor& variance, bool by_batch,
                                         double momentum) const;

  BatchNormOptions options_;
  std::vector<torch::Tensor> found_;  // by the last forward in training
};

/// Holds a BatchNormImpl as torch::nn::Linear holds its own.
TORCH_MODULE(BatchNorm);

}  // namespace planaria
