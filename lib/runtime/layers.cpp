#include <planaria/runtime/layers.hpp>

#include <set>

#include <fmt/format.h>
#include <torch/nn/modules/batchnorm.h>

#include <planaria/base/check.hpp>

namespace planaria {
namespace {

template <class Norm>
bool is_a(torch::nn::Module& module) {
  return dynamic_cast<Norm*>(&module) != nullptr;
}

bool is_batch_norm(torch::nn::Module& module) {
  return is_a<torch::nn::BatchNorm1dImpl>(module) || is_a<torch::nn::BatchNorm2dImpl>(module) ||
         is_a<torch::nn::BatchNorm3dImpl>(module);
}

// LibTorch's BatchNorm writes its running statistics in forward: they would follow the order in
// which this worker happens to compute. Other modules that do so are found when they do.
Result<void> verify_buffers(const LayerDefinition& definition, torch::nn::Module& module) {
  for (const auto& child : module.named_modules()) {
    if (is_batch_norm(*child.value())) {
      return Fault::invalid_input(fmt::format(
          "layer {}: module {} is LibTorch's BatchNorm: its running statistics are written in "
          "forward and would depend on the layout; use planaria::BatchNorm",
          definition.name, child.key().empty() ? "itself" : child.key()));
    }
  }
  for (const auto& buffer : module.named_buffers()) {
    if (buffer.value().is_contiguous()) continue;
    return Fault::invalid_input(
        fmt::format("layer {}: buffer {} is not contiguous", definition.name, buffer.key()));
  }
  return {};
}

}  // namespace

Result<void> verify_definitions(const std::vector<LayerDefinition>& layers) {
  if (layers.empty()) return Fault::invalid_input("layers: none, must be at least 1");
  std::set<std::string> names;
  for (std::size_t i = 0; i < layers.size(); ++i) {
    const LayerDefinition& layer = layers[i];
    if (layer.name.empty() || layer.name.find_first_of(".:,") != std::string::npos) {
      return Fault::invalid_input(fmt::format(
          "layers[{}].name: \"{}\", must not be empty nor hold '.', ':' or ','", i, layer.name));
    }
    if (!layer.make) {
      return Fault::invalid_input(fmt::format("layer {}: has no factory", layer.name));
    }
    if (!(layer.cost >= 0)) {
      return Fault::invalid_input(
          fmt::format("layer {}: cost {}, must be at least 0", layer.name, layer.cost));
    }
    for (const TiedParameter& tie : layer.tied) {
      if (!names.contains(tie.source_layer)) {
        return Fault::invalid_input(
            fmt::format("layer {}: parameter {} is tied to layer {}, which is not an earlier layer",
                        layer.name, tie.parameter, tie.source_layer));
      }
    }
    if (!names.insert(layer.name).second) {
      return Fault::invalid_input(
          fmt::format("layers[{}].name: \"{}\" is there twice", i, layer.name));
    }
  }
  return {};
}

Result<void> verify_layer(const LayerDefinition& definition, Layer& layer) {
  PLANARIA_TRY_VOID(verify_buffers(definition, layer.module()));
  std::optional<at::ScalarType> type;
  const auto parameters = layer.module().named_parameters();
  for (const auto& parameter : parameters) {
    if (!parameter.value().requires_grad()) continue;
    if (!parameter.value().is_contiguous()) {
      return Fault::invalid_input(fmt::format("layer {}: parameter {} is not contiguous",
                                              definition.name, parameter.key()));
    }
    if (type && *type != parameter.value().scalar_type()) {
      return Fault::invalid_input(fmt::format(
          "layer {}: parameter {} is {}, others are {}: trainable parameters of a layer must have "
          "one type",
          definition.name, parameter.key(), at::toString(parameter.value().scalar_type()),
          at::toString(*type)));
    }
    type = parameter.value().scalar_type();
  }
  for (const TiedParameter& tie : definition.tied) {
    if (parameters.find(tie.parameter) == nullptr) {
      return Fault::invalid_input(fmt::format("layer {}: has no parameter {}, which is to be tied",
                                              definition.name, tie.parameter));
    }
  }
  return {};
}

}  // namespace planaria
