// liveput/made_up_profile.hpp: a model of a few layers, no two alike.
#pragma once

#include <string>

#include <planaria/base/random.hpp>
#include <planaria/model/profile.hpp>

namespace planaria {

/// Returns a profile of `layers` layers; transfers take some tens of ms, steps some hundreds.
[[nodiscard]] inline Profile made_up_profile(Random& random, int layers) {
  const auto drawn = [&](double low, double high) {
    return low + ((high - low) * random.uniform());
  };
  Profile profile{.model = "made up", .device = "made up", .micro_batch_sizes = {2}};
  for (int i = 0; i < layers; ++i) {
    LayerProfile layer;
    layer.name = "layer" + std::to_string(i);
    layer.parameter_bytes = static_cast<std::int64_t>(drawn(1e6, 9e6));
    layer.state_bytes = 2 * layer.parameter_bytes;
    layer.gradient_bytes = layer.parameter_bytes;
    layer.boundary_bytes = {1000};
    layer.activation_bytes = {100'000};
    layer.weight_gradient_bytes = {0};
    layer.forward_ms = {drawn(1, 9)};
    layer.backward_input_ms = {drawn(1, 9)};
    layer.backward_weight_ms = {drawn(1, 9)};
    layer.optimizer_ms = drawn(0, 1);
    profile.layers.push_back(layer);
  }
  profile.transfer = {{1000, 0.1}, {10'000'000, drawn(20, 50)}};
  return profile;
}

}  // namespace planaria
