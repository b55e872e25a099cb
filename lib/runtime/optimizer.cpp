#include <planaria/runtime/optimizer.hpp>

#include <map>

#include <ATen/ATen.h>
#include <fmt/format.h>

#include <planaria/base/check.hpp>

namespace planaria {
namespace {

// Parameters that share options, as positions in the layer's list. LibTorch's fused kernels take
// lists with one set of options, so each group is one call.
struct Group {
  GroupOptions options;
  std::vector<std::size_t> positions;
};

std::vector<Group> groups_of(const NamedTensors& parameters, const GroupChooser& chooser) {
  std::map<std::pair<double, double>, Group> groups;
  for (std::size_t i = 0; i < parameters.size(); ++i) {
    const GroupOptions options = chooser ? chooser(parameters[i].first) : GroupOptions{};
    Group& group = groups[{options.rate_scale, options.weight_decay}];
    group.options = options;
    group.positions.push_back(i);
  }
  std::vector<Group> result;
  result.reserve(groups.size());
  for (auto& [key, group] : groups) result.push_back(std::move(group));
  return result;
}

std::vector<at::Tensor> at_positions(const std::vector<at::Tensor>& tensors, const Group& group) {
  std::vector<at::Tensor> chosen;
  for (const std::size_t position : group.positions) chosen.push_back(tensors[position]);
  return chosen;
}

double decay_of(const Group& group, double usual) {
  return group.options.weight_decay < 0 ? usual : group.options.weight_decay;
}

std::vector<at::Tensor> tensors_of(const NamedTensors& named) {
  std::vector<at::Tensor> tensors;
  tensors.reserve(named.size());
  for (const auto& [name, tensor] : named) tensors.push_back(tensor);
  return tensors;
}

std::vector<at::Tensor> zeros_like(const std::vector<at::Tensor>& tensors) {
  std::vector<at::Tensor> zeros;
  zeros.reserve(tensors.size());
  for (const auto& tensor : tensors) zeros.push_back(at::zeros_like(tensor));
  return zeros;
}

enum class Decay { in_gradient, decoupled };

// Adam (Kingma and Ba, 2015) and AdamW on the fused kernel.
class FusedAdam final : public LayerOptimizer {
 public:
  FusedAdam(const NamedTensors& parameters, const AdamOptions& options, Decay decay)
      : named_(parameters),
        parameters_(tensors_of(parameters)),
        options_(options),
        decay_(decay),
        groups_(groups_of(parameters, options.group)),
        means_(zeros_like(parameters_)),
        squares_(zeros_like(parameters_)) {
    for (const at::Tensor& parameter : parameters_) {
      // Where the parameter is: the fused kernels read all they need in one place.
      steps_.push_back(at::zeros({}, parameter.options().dtype(at::kFloat)));
    }
  }

  void apply(const std::vector<at::Tensor>& gradients, double rate) override {
    for (const at::Tensor& count : steps_) count.add_(1);
    for (const Group& group : groups_) {
      auto parameters = at_positions(parameters_, group);
      const auto chosen = at_positions(gradients, group);
      auto means = at_positions(means_, group);
      auto squares = at_positions(squares_, group);
      const auto steps = at_positions(steps_, group);
      const auto fused = decay_ == Decay::decoupled ? &call_adamw : &call_adam;
      fused(parameters, chosen, means, squares, steps, rate * group.options.rate_scale, options_,
            decay_of(group, options_.weight_decay));
    }
  }

  [[nodiscard]] NamedTensors state() override {
    NamedTensors state;
    for (std::size_t i = 0; i < named_.size(); ++i) {
      state.emplace_back(named_[i].first + ":exp_avg", means_[i]);
      state.emplace_back(named_[i].first + ":exp_avg_sq", squares_[i]);
      state.emplace_back(named_[i].first + ":step", steps_[i]);
    }
    return state;
  }

 private:
  static void call_adamw(std::vector<at::Tensor>& parameters,
                         const std::vector<at::Tensor>& gradients, std::vector<at::Tensor>& means,
                         std::vector<at::Tensor>& squares, const std::vector<at::Tensor>& steps,
                         double rate, const AdamOptions& options, double decay) {
    at::_fused_adamw_(parameters, gradients, means, squares, {}, steps, rate, options.beta1,
                      options.beta2, decay, options.epsilon, /*amsgrad=*/false, /*maximize=*/false);
  }
  static void call_adam(std::vector<at::Tensor>& parameters,
                        const std::vector<at::Tensor>& gradients, std::vector<at::Tensor>& means,
                        std::vector<at::Tensor>& squares, const std::vector<at::Tensor>& steps,
                        double rate, const AdamOptions& options, double decay) {
    at::_fused_adam_(parameters, gradients, means, squares, {}, steps, rate, options.beta1,
                     options.beta2, decay, options.epsilon, /*amsgrad=*/false, /*maximize=*/false);
  }

  NamedTensors named_;
  std::vector<at::Tensor> parameters_;
  AdamOptions options_;
  Decay decay_;
  std::vector<Group> groups_;
  std::vector<at::Tensor> means_;
  std::vector<at::Tensor> squares_;
  std::vector<at::Tensor> steps_;
};

// SGD with momentum as PyTorch defines it (Sutskever et al., 2013, with the rate outside the
// buffer).
class FusedSgd final : public LayerOptimizer {
 public:
  FusedSgd(const NamedTensors& parameters, const SgdOptions& options)
      : named_(parameters),
        parameters_(tensors_of(parameters)),
        options_(options),
        groups_(groups_of(parameters, options.group)),
        steps_(at::zeros({}, at::TensorOptions().dtype(at::kFloat))) {
    if (options_.momentum != 0) momenta_ = zeros_like(parameters_);
  }

  void apply(const std::vector<at::Tensor>& gradients, double rate) override {
    // The first step copies the gradient into the buffer instead of adding to zero; the count is
    // part of the state, so that a restored optimizer does not start over.
    const bool first = steps_.item<float>() == 0.0F;
    steps_.add_(1);
    for (const Group& group : groups_) {
      auto parameters = at_positions(parameters_, group);
      const auto chosen = at_positions(gradients, group);
      auto momenta = momenta_.empty() ? std::vector<at::Tensor>{} : at_positions(momenta_, group);
      at::_fused_sgd_(parameters, chosen, momenta, decay_of(group, options_.weight_decay),
                      options_.momentum, rate * group.options.rate_scale, /*dampening=*/0.0,
                      /*nesterov=*/false, /*maximize=*/false, first);
    }
  }

  [[nodiscard]] NamedTensors state() override {
    NamedTensors state;
    for (std::size_t i = 0; i < momenta_.size(); ++i) {
      state.emplace_back(named_[i].first + ":momentum", momenta_[i]);
    }
    if (!named_.empty()) state.emplace_back(named_.front().first + ":step", steps_);
    return state;
  }

 private:
  NamedTensors named_;
  std::vector<at::Tensor> parameters_;
  SgdOptions options_;
  std::vector<Group> groups_;
  std::vector<at::Tensor> momenta_;
  at::Tensor steps_;
};

std::string describe_adam(const char* name, const AdamOptions& options) {
  return fmt::format("{} beta1 {} beta2 {} epsilon {} weight_decay {}", name, options.beta1,
                     options.beta2, options.epsilon, options.weight_decay);
}

}  // namespace

OptimizerFactory sgd(const SgdOptions& options) {
  return {fmt::format("sgd momentum {} weight_decay {}", options.momentum, options.weight_decay),
          [options](const NamedTensors& parameters) -> std::unique_ptr<LayerOptimizer> {
            return std::make_unique<FusedSgd>(parameters, options);
          },
          options.learning_rate};
}

OptimizerFactory adam(const AdamOptions& options) {
  return {describe_adam("adam", options),
          [options](const NamedTensors& parameters) -> std::unique_ptr<LayerOptimizer> {
            return std::make_unique<FusedAdam>(parameters, options, Decay::in_gradient);
          },
          options.learning_rate};
}

OptimizerFactory adamw(const AdamOptions& options) {
  return {describe_adam("adamw", options),
          [options](const NamedTensors& parameters) -> std::unique_ptr<LayerOptimizer> {
            return std::make_unique<FusedAdam>(parameters, options, Decay::decoupled);
          },
          options.learning_rate};
}

Result<OptimizerFactory> optimizer_named(const std::string& name, const AdamOptions& adam_options,
                                         const SgdOptions& sgd_options) {
  if (name == "adamw") return adamw(adam_options);
  if (name == "adam") return adam(adam_options);
  if (name == "sgd") return sgd(sgd_options);
  if (name == "lbfgs") {
    return Fault::invalid_input(
        "optimizer: lbfgs, must be adamw, adam or sgd: a closure optimizer calls the model again "
        "inside its step, and no worker holds the whole model");
  }
  return Fault::invalid_input(fmt::format("optimizer: {}, must be adamw, adam or sgd", name));
}

}  // namespace planaria
