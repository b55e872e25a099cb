#include <planaria/runtime/modules.hpp>

#include <array>
#include <cmath>
#include <optional>
#include <stdexcept>
#include <utility>

#include <ATen/ATen.h>
#include <ATen/ExpandUtils.h>
#include <ATen/core/ivalue.h>
#include <fmt/format.h>
#include <torch/csrc/autograd/custom_function.h>
#include <torch/nn/init.h>

namespace planaria {
namespace {

using torch::autograd::AutogradContext;
using torch::autograd::variable_list;
using Destination = std::shared_ptr<PutOffGradients>;

// Carries the destination from forward to backward within LibTorch's graph.
struct Carried : torch::CustomClassHolder {
  explicit Carried(Destination to) : destination(std::move(to)) {}
  Destination destination;
};

void carry(AutogradContext* context, const Destination& destination) {
  context->saved_data["put_off"] =
      c10::IValue::make_capsule(c10::make_intrusive<Carried>(destination));
}

PutOffGradients& carried(AutogradContext* context) {
  const auto capsule = context->saved_data["put_off"].toCapsule();
  return *static_cast<Carried&>(*capsule).destination;
}

void refuse_below(const char* module, const char* name, std::int64_t value, std::int64_t least) {
  if (value >= least) return;
  throw std::invalid_argument(
      fmt::format("{}: {}: {}, must be at least {}", module, name, value, least));
}

// What LibTorch's own graph of at::linear computes: forward one product of the flattened input,
// backward two products and a sum, all from the same operands.
at::Tensor linear(const at::Tensor& flat, const at::Tensor& weight, const at::Tensor& bias) {
  return bias.defined() ? at::addmm(bias, flat, weight.t()) : at::mm(flat, weight.t());
}

struct SplitLinear : torch::autograd::Function<SplitLinear> {
  // Shapes: flat [N, in], weight [out, in], bias [out] or undefined.
  static at::Tensor forward(AutogradContext* context, const at::Tensor& flat,
                            const at::Tensor& weight, const std::optional<at::Tensor>& bias,
                            const Destination& destination) {
    context->save_for_backward({flat, weight, bias.value_or(at::Tensor())});
    carry(context, destination);
    return linear(flat, weight, bias.value_or(at::Tensor()));
  }
  static variable_list backward(AutogradContext* context, const variable_list& gradients) {
    const variable_list saved = context->get_saved_variables();
    const at::Tensor& flat = saved[0];
    const at::Tensor& weight = saved[1];
    const at::Tensor& bias = saved[2];
    const at::Tensor& gradient = gradients[0];
    PutOffGradients& put_off = carried(context);
    if (bias.defined() && bias.requires_grad()) {
      put_off.put(bias,
                  [gradient, shape = bias.sizes().vec()] { return at::sum_to(gradient, shape); });
    }
    if (weight.requires_grad()) {
      put_off.put(weight, [gradient, flat] { return gradient.t().mm(flat); });
    }
    at::Tensor passed;
    if (context->needs_input_grad(0)) passed = gradient.mm(weight);
    return {passed, at::Tensor(), at::Tensor(), at::Tensor()};
  }
};

struct SplitLayerNorm : torch::autograd::Function<SplitLayerNorm> {
  static at::Tensor forward(AutogradContext* context, const at::Tensor& input,
                            const at::Tensor& weight, const at::Tensor& bias, double epsilon,
                            const Destination& destination) {
    const auto [output, mean, deviation] =
        at::native_layer_norm(input, weight.sizes(), weight, bias, epsilon);
    context->save_for_backward({input, weight, bias, mean, deviation});
    carry(context, destination);
    return output;
  }
  static variable_list backward(AutogradContext* context, const variable_list& gradients) {
    const variable_list saved = context->get_saved_variables();
    const auto backward = [gradient = gradients[0], saved](std::array<bool, 3> wanted) {
      return at::native_layer_norm_backward(gradient, saved[0], saved[1].sizes(), saved[3],
                                            saved[4], saved[1], saved[2], wanted);
    };
    put_off_weights(carried(context), saved, backward);
    at::Tensor passed;
    if (context->needs_input_grad(0)) passed = std::get<0>(backward({true, false, false}));
    return {passed, at::Tensor(), at::Tensor(), at::Tensor(), at::Tensor()};
  }

 private:
  // One kernel gives both gradients; the first that is asked for computes them.
  template <class Backward>
  static void put_off_weights(PutOffGradients& put_off, const variable_list& saved,
                              const Backward& backward) {
    using Both = std::pair<at::Tensor, at::Tensor>;
    const auto both = std::make_shared<std::optional<Both>>();
    const auto computed = [both, backward]() -> Both& {
      if (!both->has_value()) {
        auto [input, weight, bias] = backward({false, true, true});
        both->emplace(std::move(weight), std::move(bias));
      }
      return **both;
    };
    if (saved[1].requires_grad()) {
      put_off.put(saved[1], [computed] { return std::move(computed().first); });
    }
    if (saved[2].requires_grad()) {
      put_off.put(saved[2], [computed] { return std::move(computed().second); });
    }
  }
};

struct SplitEmbedding : torch::autograd::Function<SplitEmbedding> {
  static at::Tensor forward(AutogradContext* context, const at::Tensor& weight,
                            const at::Tensor& indices, const Destination& destination) {
    context->save_for_backward({weight, indices});
    carry(context, destination);
    return at::embedding(weight, indices);
  }
  static variable_list backward(AutogradContext* context, const variable_list& gradients) {
    const variable_list saved = context->get_saved_variables();
    const at::Tensor& weight = saved[0];
    carried(context).put(
        weight, [gradient = gradients[0], indices = saved[1], rows = weight.size(0)] {
          return at::embedding_backward(gradient, indices, rows, /*padding_idx=*/-1,
                                        /*scale_grad_by_freq=*/false, /*sparse=*/false);
        });
    return {at::Tensor(), at::Tensor(), at::Tensor()};
  }
};

// The graph is cut elsewhere where no gradient is wanted.
bool splits(const Destination& destination, const at::Tensor& weight) {
  return destination != nullptr && at::GradMode::is_enabled() && weight.requires_grad();
}

}  // namespace

LinearImpl::LinearImpl(std::int64_t in, std::int64_t out, bool with_bias)
    : torch::nn::Module("Linear") {
  refuse_below("Linear", "in", in, 1);
  refuse_below("Linear", "out", out, 1);
  weight = register_parameter("weight", at::empty({out, in}));
  torch::nn::init::kaiming_uniform_(weight, std::sqrt(5));
  if (!with_bias) return;
  bias = register_parameter("bias", at::empty({out}));
  const double bound = 1 / std::sqrt(static_cast<double>(in));
  torch::nn::init::uniform_(bias, -bound, bound);
}

LinearImpl::LinearImpl(const at::Tensor& initial_weight, const at::Tensor& initial_bias)
    : torch::nn::Module("Linear"), weight(register_parameter("weight", initial_weight)) {
  if (initial_bias.defined()) bias = register_parameter("bias", initial_bias);
}

at::Tensor LinearImpl::forward(const at::Tensor& input) {
  std::vector<std::int64_t> shape = input.sizes().vec();
  shape.back() = weight.size(0);
  const at::Tensor flat = input.reshape({-1, input.size(-1)});
  std::optional<at::Tensor> optional_bias;
  if (bias.defined()) optional_bias = bias;
  const at::Tensor output = splits(put_off_, weight)
                                ? SplitLinear::apply(flat, weight, optional_bias, put_off_)
                                : linear(flat, weight, bias);
  return output.view(shape);
}

void LinearImpl::put_off_to(std::shared_ptr<PutOffGradients> gradients) {
  put_off_ = std::move(gradients);
}

LayerNormImpl::LayerNormImpl(std::int64_t features, double epsilon)
    : torch::nn::Module("LayerNorm"), epsilon_(epsilon) {
  refuse_below("LayerNorm", "features", features, 1);
  if (!(epsilon >= 0)) {
    throw std::invalid_argument(fmt::format("LayerNorm: epsilon: {}, must be at least 0", epsilon));
  }
  weight = register_parameter("weight", at::ones({features}));
  bias = register_parameter("bias", at::zeros({features}));
}

at::Tensor LayerNormImpl::forward(const at::Tensor& input) {
  if (splits(put_off_, weight)) {
    return SplitLayerNorm::apply(input, weight, bias, epsilon_, put_off_);
  }
  return at::layer_norm(input, weight.sizes(), weight, bias, epsilon_);
}

void LayerNormImpl::put_off_to(std::shared_ptr<PutOffGradients> gradients) {
  put_off_ = std::move(gradients);
}

EmbeddingImpl::EmbeddingImpl(std::int64_t rows, std::int64_t width)
    : torch::nn::Module("Embedding") {
  refuse_below("Embedding", "rows", rows, 1);
  refuse_below("Embedding", "width", width, 1);
  weight = register_parameter("weight", at::randn({rows, width}));
}

EmbeddingImpl::EmbeddingImpl(const at::Tensor& initial_weight)
    : torch::nn::Module("Embedding"), weight(register_parameter("weight", initial_weight)) {}

at::Tensor EmbeddingImpl::forward(const at::Tensor& indices) {
  if (splits(put_off_, weight)) return SplitEmbedding::apply(weight, indices, put_off_);
  return at::embedding(weight, indices);
}

void EmbeddingImpl::put_off_to(std::shared_ptr<PutOffGradients> gradients) {
  put_off_ = std::move(gradients);
}

}  // namespace planaria
