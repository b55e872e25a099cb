#include <planaria/runtime/batch_norm.hpp>

#include <stdexcept>
#include <utility>

#include <ATen/ATen.h>
#include <fmt/format.h>

#include <planaria/base/check.hpp>

namespace planaria {
namespace {

void verify(const BatchNormOptions& options) {
  const auto refuse = [](const char* name, auto value, const char* allowed) {
    throw std::invalid_argument(fmt::format("BatchNorm: {}: {}, must be {}", name, value, allowed));
  };
  if (options.features < 1) refuse("features", options.features, "at least 1");
  if (!(options.epsilon >= 0)) refuse("epsilon", options.epsilon, "at least 0");
  if (!(options.momentum >= 0 && options.momentum <= 1)) {
    refuse("momentum", options.momentum, "0 to 1");
  }
}

// One product each, one sum, one rounding at the end: nothing that a compiler could contract, and
// nothing that depends on where in a vector register an element lies.
void fold_into(at::Tensor& running, const at::Tensor& statistic, double momentum) {
  check(statistic.sizes() == running.sizes(), "shape of BatchNorm's statistics");
  const at::Tensor kept = running.to(at::kDouble).mul(1.0 - momentum);
  running.copy_(kept.add(statistic.to(running.device(), at::kDouble).mul(momentum)));
}

}  // namespace

BatchNormImpl::BatchNormImpl(const BatchNormOptions& options)
    : torch::nn::Module("BatchNorm"), options_(options) {
  verify(options_);
  if (options_.affine) {
    weight = register_parameter("weight", at::ones({options_.features}));
    bias = register_parameter("bias", at::zeros({options_.features}));
  }
  if (options_.track) {
    running_mean = register_buffer("running_mean", at::zeros({options_.features}));
    running_var = register_buffer("running_var", at::ones({options_.features}));
  }
}

at::Tensor BatchNormImpl::forward(const at::Tensor& input) {
  verify_input(input);
  if (!is_training()) {
    return normalised(input, running_mean, running_var, !options_.track, options_.momentum);
  }
  if (!options_.track) return normalised(input, {}, {}, true, options_.momentum);
  if (!found_.empty()) {
    throw std::logic_error(
        "BatchNorm used twice in one forward: each use needs a module of its own, and whoever "
        "calls "
        "forward in training must take its statistics");
  }
  // With momentum 1 the kernel writes 1 * statistic + 0 * 0: the statistic itself.
  const at::Tensor mean = at::zeros_like(running_mean);
  const at::Tensor variance = at::zeros_like(running_var);
  at::Tensor output = normalised(input, mean, variance, true, 1.0);
  // Copies: the graph keeps the kernel's own, and refuses backward once somebody writes them.
  const at::NoGradGuard no_grad;
  found_ = {mean.clone(), variance.clone()};
  return output;
}

std::vector<at::Tensor> BatchNormImpl::take_statistics() {
  if (options_.track && found_.empty()) {
    throw std::logic_error(
        "BatchNorm was not used in this forward: its statistics need one use in every forward in "
        "training");
  }
  return std::exchange(found_, {});
}

void BatchNormImpl::fold(const std::vector<at::Tensor>& statistics) {
  const at::NoGradGuard no_grad;
  check_equal(statistics.size(), std::size_t{options_.track ? 2U : 0U}, "BatchNorm's statistics");
  if (!options_.track) return;
  fold_into(running_mean, statistics[0], options_.momentum);
  fold_into(running_var, statistics[1], options_.momentum);
}

void BatchNormImpl::verify_input(const at::Tensor& input) const {
  if (input.dim() < 2 || input.dim() > 5 || input.size(1) != options_.features) {
    throw std::invalid_argument(fmt::format(
        "BatchNorm: input [{}], must be [N, {}] and up to three more sizes",
        fmt::join(input.sizes().begin(), input.sizes().end(), ", "), options_.features));
  }
  const bool by_batch = is_training() || !options_.track;
  if (by_batch && input.numel() <= options_.features) {
    throw std::invalid_argument(fmt::format(
        "BatchNorm: input [{}], must have more than 1 value per channel: one has no variance",
        fmt::join(input.sizes().begin(), input.sizes().end(), ", ")));
  }
}

at::Tensor BatchNormImpl::normalised(const at::Tensor& input, const at::Tensor& mean,
                                     const at::Tensor& variance, bool by_batch,
                                     double momentum) const {
  return at::batch_norm(input, weight, bias, mean, variance, by_batch, momentum, options_.epsilon,
                        at::globalContext().userEnabledCuDNN());
}

}  // namespace planaria
