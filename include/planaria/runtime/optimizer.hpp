// runtime/optimizer.hpp: one optimizer object per layer, so that a layer's state can move. Floor 8.
// Is: SGD, Adam and AdamW on LibTorch's fused kernels, whose bits equal Python's `fused=True`.
// Is not: torch::optim (its AdamW differs in the last bits).
#pragma once

#include <functional>
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include <torch/types.h>

#include <planaria/base/result.hpp>

namespace planaria {

/// Named tensors, in a fixed order.
using NamedTensors = std::vector<std::pair<std::string, torch::Tensor>>;

/// The optimizer of one layer. Depends only on parameters, gradients and what apply() is told, so
/// that every holder of the layer does the same arithmetic.
class LayerOptimizer {
 public:
  virtual ~LayerOptimizer() = default;
  /// Steps the trainable parameters by `gradients` (same order, same shapes, all defined), which it
  /// must not write: they may still be on their way to another holder.
  virtual void apply(const std::vector<torch::Tensor>& gradients, double rate) = 0;
  /// Returns the state, each tensor named "<parameter>:<what>" ("weight:exp_avg"); views, not
  /// copies: copying into them restores a state.
  [[nodiscard]] virtual NamedTensors state() = 0;
};

/// Builds the optimizer of one layer from its trainable parameters.
struct OptimizerFactory {
  std::string description;  // name and options: must be equal on all workers
  std::function<std::unique_ptr<LayerOptimizer>(const NamedTensors& parameters)> make;
  double default_rate = 0;
};

/// What a parameter group changes. Nothing set: the optimizer's own.
struct GroupOptions {
  double rate_scale = 1.0;     // multiplies the step's rate
  double weight_decay = -1.0;  // below 0: the optimizer's
};
/// Chooses the group of a parameter by its path in the layer ("norm1.bias"); empty: one group.
using GroupChooser = std::function<GroupOptions(const std::string& parameter)>;

struct SgdOptions {
  double learning_rate = 1e-2;
  double momentum = 0.0;
  double weight_decay = 0.0;
  GroupChooser group = {};
};
struct AdamOptions {
  double learning_rate = 1e-3;
  double beta1 = 0.9;
  double beta2 = 0.999;
  double epsilon = 1e-8;
  double weight_decay = 0.0;
  GroupChooser group = {};
};

[[nodiscard]] OptimizerFactory sgd(const SgdOptions& options);
[[nodiscard]] OptimizerFactory adam(const AdamOptions& options);
/// Decoupled weight decay (Loshchilov and Hutter, 2019).
[[nodiscard]] OptimizerFactory adamw(const AdamOptions& options);

/// Chooses by name, for command lines; invalid_input names what is allowed, and says of closure
/// optimizers (lbfgs) why they cannot be: they call the model again inside the step.
[[nodiscard]] Result<OptimizerFactory> optimizer_named(const std::string& name,
                                                       const AdamOptions& adam_options,
                                                       const SgdOptions& sgd_options);

}  // namespace planaria
