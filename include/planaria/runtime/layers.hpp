// runtime/layers.hpp: a model as a list of named layers, each with a factory. Floor 8, LibTorch.
// Is: what a user writes down once; a worker builds only the layers it holds. Is not: their state
// on a worker (runtime/stage.hpp) nor the optimizer (runtime/optimizer.hpp).
#pragma once

#include <concepts>
#include <functional>
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include <torch/nn/module.h>
#include <torch/types.h>

#include <planaria/base/result.hpp>

namespace planaria {

/// What passes from layer to layer: one tensor or a few.
using Tensors = std::vector<torch::Tensor>;

/// One layer on a worker: a module and how tensors go through it. forward() must be a pure function
/// of its inputs, the parameters, the buffers and LibTorch's default generator, which is reseeded
/// before every call. It may not write a buffer: a module whose buffers follow what it sees hands
/// out statistics instead (runtime/statistics.hpp).
class Layer {
 public:
  virtual ~Layer() = default;
  [[nodiscard]] virtual Tensors forward(const Tensors& inputs) = 0;
  [[nodiscard]] virtual torch::nn::Module& module() = 0;
};

/// "This parameter is that layer's parameter": each use keeps its own copy and its own gradient,
/// uses are added in layer order (PROTOCOL 2). `parameter` and `source_parameter` are paths as in
/// named_parameters(); the source must be an earlier layer.
struct TiedParameter {
  std::string parameter;
  std::string source_layer;
  std::string source_parameter;
};

struct LayerDefinition {
  std::string name;
  /// Builds the layer with its initial weights from LibTorch's default generator, which is seeded
  /// by (seed, layer) before the call: the same wherever it is built. May run on several threads'
  /// behalf, never two at a time in one process.
  std::function<std::unique_ptr<Layer>()> make;
  /// Estimated time of forward and backward, in any unit that all layers share; the planner
  /// balances by it. At least 0.
  double cost = 1.0;
  std::vector<TiedParameter> tied = {};
};

/// Wraps a module that has forward(Tensor) -> Tensor or forward(Tensors) -> Tensors.
template <class Module>
class ModuleLayer final : public Layer {
 public:
  explicit ModuleLayer(std::shared_ptr<Module> module) : module_(std::move(module)) {}
  [[nodiscard]] Tensors forward(const Tensors& inputs) override {
    if constexpr (requires {
                    { module_->forward(inputs) } -> std::same_as<Tensors>;
                  }) {
      return module_->forward(inputs);
    } else {
      check_equal(inputs.size(), std::size_t{1}, "inputs of a layer that takes one tensor");
      return {module_->forward(inputs.front())};
    }
  }
  [[nodiscard]] torch::nn::Module& module() override { return *module_; }

 private:
  std::shared_ptr<Module> module_;
};

/// Defines a layer by a factory of any LibTorch module: layer("hidden", [] { return
/// torch::nn::Linear(784, 128); }), or of a std::shared_ptr to a module of your own.
template <class Factory>
[[nodiscard]] LayerDefinition layer(std::string name, Factory factory, double cost = 1.0,
                                    std::vector<TiedParameter> tied = {}) {
  auto make = [factory = std::move(factory)]() -> std::unique_ptr<Layer> {
    auto made = factory();
    if constexpr (requires { made.ptr(); }) {
      return std::make_unique<ModuleLayer<typename decltype(made)::ContainedType>>(made.ptr());
    } else {
      return std::make_unique<ModuleLayer<typename decltype(made)::element_type>>(std::move(made));
    }
  };
  return {std::move(name), std::move(make), cost, std::move(tied)};
}

/// Mean loss over the samples of one micro-batch, a scalar: loss(outputs of the last layer,
/// targets).
using LossFunction = std::function<torch::Tensor(const Tensors& outputs, const Tensors& targets)>;

/// Makes one of a function of one output and one target: loss_of(torch::mse_loss).
template <class Function>
[[nodiscard]] LossFunction loss_of(Function function) {
  return [function = std::move(function)](const Tensors& outputs, const Tensors& targets) {
    check(outputs.size() == 1 && targets.size() == 1, "a loss of one output and one target");
    return function(outputs.front(), targets.front());
  };
}

/// Checks what can be known without building a layer: names unique, not empty and without '.' or
/// ':', factories set, ties to earlier layers. invalid_input names the layer.
[[nodiscard]] Result<void> verify_definitions(const std::vector<LayerDefinition>& layers);

/// Checks a built layer: no BatchNorm of LibTorch's (planaria::BatchNorm takes its place), one type
/// for all trainable parameters, every tied parameter there. invalid_input.
[[nodiscard]] Result<void> verify_layer(const LayerDefinition& definition, Layer& layer);

}  // namespace planaria
