#include "protocol/layer_costs.hpp"

#include <cmath>
#include <vector>

#include <fmt/format.h>

#include <planaria/model/profile.hpp>

namespace planaria::protocol {

namespace {

Result<void> verify_costs(const std::vector<LayerSpec>& layers) {
  double sum = 0;
  for (std::size_t i = 0; i < layers.size(); ++i) {
    const double cost = layers[i].cost;
    sum += cost;
    if (std::isfinite(sum) && cost >= 0) continue;
    return Fault::invalid_input(
        fmt::format("layers[{}].cost: {}, must be a finite number from 0", i, cost));
  }
  return {};
}

}  // namespace

Result<void> verify_profile(const CoordinatorState& state) {
  const auto& layers = state.spec->layers;
  if (!state.options.profile) return verify_costs(layers);
  const Profile& profile = *state.options.profile;
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

Profile profile_for(const CoordinatorState& state) {
  if (state.options.profile) return *state.options.profile;
  std::vector<double> costs;
  for (const auto& layer : state.spec->layers) costs.push_back(layer.cost);
  return profile_of_costs(costs, state.spec->micro_batch_size);
}

StageCosts costs_of_layers(const CoordinatorState& state, LayerRange layers) {
  StageCosts costs;
  const std::size_t size = state.profile.at_size(state.spec->micro_batch_size).value();
  for (LayerId layer = layers.first; layer <= layers.last; layer = layer.next()) {
    const LayerProfile& of = state.profile.layers[static_cast<std::size_t>(layer.value)];
    costs.forward_ms += of.forward_ms[size];
    costs.backward_input_ms += of.backward_input_ms[size];
    costs.backward_weight_ms += of.backward_weight_ms[size];
  }
  return costs;
}

}  // namespace planaria::protocol
