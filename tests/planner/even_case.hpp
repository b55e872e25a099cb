// A small model of layers nearly alike, on workers alike.
#pragma once

#include <fmt/format.h>

#include <planaria/planner/best_plan.hpp>

namespace planaria {

// A GPT-like model: first and last layer unlike the others.
inline Profile even_profile(int layers) {
  Profile profile{.model = "even", .device = "none", .micro_batch_sizes = {1, 2}};
  for (int i = 0; i < layers; ++i) {
    const double ms = i == 0 ? 0.5 : i + 1 == layers ? 6 : 3;
    profile.layers.push_back({.name = fmt::format("layer{}", i),
                              .parameter_bytes = 400,
                              .state_bytes = 800,
                              .gradient_bytes = 400,
                              .boundary_bytes = {10, 20},
                              .activation_bytes = {100, 200},
                              .weight_gradient_bytes = {30, 60},
                              .forward_ms = {ms, 1.8 * ms},
                              .backward_input_ms = {1.1 * ms, 2 * ms},
                              .backward_weight_ms = {0.9 * ms, 1.7 * ms},
                              .optimizer_ms = 0.2,
                              .tied_to = {}});
  }
  profile.transfer = {{100, 0.5}, {1000, 2}};
  return profile;
}

struct EvenCase {
  Profile profile;
  Cluster cluster;
  BestPlanRequest request;
  EvenCase(int layers, int workers, std::int64_t memory_bytes, int micro_batches)
      : profile(even_profile(layers)), cluster(identical_workers(workers, memory_bytes)) {
    request.profile = &profile;
    request.cluster = &cluster;
    request.micro_batches = micro_batches;
    request.micro_batch_size = 2;
  }
};

}  // namespace planaria
