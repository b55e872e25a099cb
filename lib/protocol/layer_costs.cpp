#include "protocol/layer_costs.hpp"

#include <fmt/format.h>

#include <planaria/model/profile.hpp>

namespace planaria::protocol {

Result<void> verify_profile(const CoordinatorState& state) {
  if (!state.options.profile) return {};
  const Profile& profile = *state.options.profile;
  const auto& layers = state.spec->layers;
  if (!profile.at_size(state.spec->micro_batch_size)) {
    return Fault::invalid_input(
        fmt::format("profile: micro_batch_sizes: {}, must have {}, the run's",
                    fmt::join(profile.micro_batch_sizes, ", "), state.spec->micro_batch_size));
  }
  if (profile.layers.size() != layers.size()) {
    return Fault::invalid_input(fmt::format("profile: layers: {}, must be {}, as the model has",
                                            profile.layers.size(), layers.size()));
  }
  for (std::size_t i = 0; i < layers.size(); ++i) {
    if (profile.layers[i].name == layers[i].name) continue;
    return Fault::invalid_input(
        fmt::format("profile: layers[{}].name: {}, must be {}, as the model has it", i,
                    profile.layers[i].name, layers[i].name));
  }
  return {};
}

StageCosts costs_of_layers(const CoordinatorState& state, LayerRange layers) {
  StageCosts costs;
  if (!state.options.profile) {
    double cost = 0;
    for (LayerId layer = layers.first; layer <= layers.last; layer = layer.next()) {
      cost += state.spec->layers[static_cast<std::size_t>(layer.value)].cost;
    }
    return {cost / 3, cost / 3, cost / 3, 0};
  }
  const Profile& profile = *state.options.profile;
  const std::size_t size = profile.at_size(state.spec->micro_batch_size).value();
  for (LayerId layer = layers.first; layer <= layers.last; layer = layer.next()) {
    const LayerProfile& of = profile.layers[static_cast<std::size_t>(layer.value)];
    costs.forward_ms += of.forward_ms[size];
    costs.backward_input_ms += of.backward_input_ms[size];
    costs.backward_weight_ms += of.backward_weight_ms[size];
  }
  return costs;
}

std::vector<double> layer_costs(const CoordinatorState& state) {
  std::vector<double> costs;
  for (std::size_t i = 0; i < state.spec->layers.size(); ++i) {
    if (!state.options.profile) {
      costs.push_back(state.spec->layers[i].cost);
      continue;
    }
    const LayerId layer{static_cast<int>(i)};
    const StageCosts of = costs_of_layers(state, {layer, layer});
    costs.push_back(of.forward_ms + of.backward_input_ms + of.backward_weight_ms);
  }
  return costs;
}

}  // namespace planaria::protocol
