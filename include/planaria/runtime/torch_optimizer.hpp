// runtime/torch_optimizer.hpp: any torch::optim optimizer as a layer's optimizer. Floor 8,
// LibTorch. Is: an adapter that gives its state fixed names, shapes and views, so that it can move,
// and RMSprop and Adagrad adapted. Is not: a way in for closure optimizers (LBFGS). No thread of
// its own: one layer's optimizer is used by one thread at a time.
#pragma once

#include <cstdint>
#include <functional>
#include <memory>
#include <stdexcept>
#include <string>
#include <type_traits>
#include <utility>
#include <variant>
#include <vector>

#include <torch/optim/optimizer.h>
#include <torch/types.h>

#include <planaria/runtime/optimizer.hpp>

// Declared only: their headers pull in the whole of nn/module.h. Include <torch/optim/rmsprop.h> or
// <torch/optim/adagrad.h> where you fill in the options.
namespace torch::optim {
class LBFGS;
struct AdagradOptions;
struct RMSpropOptions;
}  // namespace torch::optim

namespace planaria {

/// One field of the state that an optimizer keeps for one parameter: its name and where it lies.
struct OptimizerField {
  std::string name;  // "square_avg": not empty, no ':', unique in the state
  std::variant<torch::Tensor*, std::int64_t*, double*> place;
};
/// In a fixed order. A tensor that is undefined is no part of the state.
using OptimizerFields = std::vector<OptimizerField>;

/// How an optimizer is built and what its state is. `State` is the type that it keeps for each
/// parameter in torch::optim::Optimizer::state().
template <class Optimizer, class State>
struct TorchOptimizerOptions {
  /// Name and every option but the rate, in a fixed order: must be equal on all workers.
  std::string description;
  double default_rate = 0;
  /// Builds the optimizer over exactly these tensors, in one parameter group or several. A group
  /// whose rate differs from the optimizer's own default keeps that ratio to every step's rate.
  std::function<std::unique_ptr<Optimizer>(std::vector<torch::Tensor> parameters)> make;
  /// Returns one parameter's state as the first step would create it before it uses it: the same
  /// fields, shapes, types and values. May be unset if make() creates it already (Adagrad).
  std::function<State(const torch::Tensor& parameter)> create = {};
  /// Lists the fields of a state; unset only for an optimizer without any.
  std::function<OptimizerFields(State& state)> fields = {};
  /// For an optimizer whose first step differs from the others (torch::optim::SGD copies the first
  /// gradient into its momentum): what create() returns then fixes names and shapes only, the first
  /// step finds no state, and a tensor "<first parameter>:applied" counts the steps.
  bool first_step_creates = false;
};

/// The same without the two types.
struct AnyTorchOptimizer {
  using ParamState = torch::optim::OptimizerParamState;
  std::string description;
  double default_rate = 0;
  std::function<std::unique_ptr<torch::optim::Optimizer>(std::vector<torch::Tensor>)> make;
  std::function<std::unique_ptr<ParamState>(const torch::Tensor&)> create = {};
  std::function<OptimizerFields(ParamState&)> fields = {};
  bool first_step_creates = false;
};
[[nodiscard]] OptimizerFactory any_torch_optimizer(AnyTorchOptimizer options);

/// True unless `Optimizer` calls a closure, which is the model again inside its step.
template <class Optimizer>
inline constexpr bool steps_without_closure = !std::is_base_of_v<torch::optim::LBFGS, Optimizer>;

/// Adapts an optimizer of LibTorch or of your own. Each apply() sets the rate in all parameter
/// groups, hands the gradients over as .grad (themselves, not copies: a step must not write them),
/// clears them afterwards, and steps without a closure. state() names every field
/// "<parameter>:<field>"; counters are scalars (int64 or double) that are read before each step and
/// written after it. So with a `Lion` and its `LionParamState`:
///
///   auto lion = planaria::torch_optimizer<Lion, LionParamState>({
///       .description = fmt::format("lion beta {}", o.beta()), .default_rate = o.lr(),
///       .make = [o](auto parameters) { return std::make_unique<Lion>(parameters, o); },
///       .create = [](auto& p) { return LionParamState().average(torch::zeros_like(p)); },
///       .fields = [](auto& s) { return planaria::OptimizerFields{
///           {"average", &s.average()}, {"step", &s.step()}}; }});
///
/// Building a layer's optimizer throws std::invalid_argument with a sentence if make() does not
/// take over exactly the parameters or the state has no fixed names; apply() throws
/// std::logic_error if a step makes, drops or reshapes state, and whatever the optimizer throws.
template <class Optimizer, class State>
[[nodiscard]] OptimizerFactory torch_optimizer(TorchOptimizerOptions<Optimizer, State> options) {
  static_assert(
      steps_without_closure<Optimizer>,
      "a closure optimizer calls the model again inside its step, and no worker holds the "
      "whole model");
  AnyTorchOptimizer any;
  any.description = options.description;
  any.default_rate = options.default_rate;
  any.make = std::move(options.make);
  any.first_step_creates = options.first_step_creates;
  if (options.create) {
    any.create =
        [create = std::move(options.create)](
            const torch::Tensor& parameter) -> std::unique_ptr<torch::optim::OptimizerParamState> {
      return std::make_unique<State>(create(parameter));
    };
  }
  if (options.fields) {
    any.fields = [fields = std::move(options.fields), description = std::move(options.description)](
                     torch::optim::OptimizerParamState& state) {
      auto* own = dynamic_cast<State*>(&state);
      if (own == nullptr) {
        throw std::logic_error("optimizer " + description +
                               ": its state is not of the type that it was adapted with");
      }
      return fields(*own);
    };
  }
  return any_torch_optimizer(std::move(any));
}

/// RMSprop (Tieleman and Hinton, 2012), with bits equal to torch::optim::RMSprop's.
[[nodiscard]] OptimizerFactory rmsprop(const torch::optim::RMSpropOptions& options);
/// Adagrad (Duchi, Hazan and Singer, 2011), with bits equal to torch::optim::Adagrad's.
[[nodiscard]] OptimizerFactory adagrad(const torch::optim::AdagradOptions& options);

}  // namespace planaria
