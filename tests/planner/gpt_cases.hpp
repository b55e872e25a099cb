// A language model of 2.6 billion parameters and the machines that it is planned for.
#pragma once

#include <cstdint>
#include <string>

#include <planaria/model/cluster.hpp>
#include <planaria/model/profile.hpp>

namespace planaria::gpt_cases {

inline constexpr int micro_batch_size = 4;
inline constexpr std::int64_t gibibyte = std::int64_t{1} << 30;

/// What `parameters` (in millions) weigh in half precision, with Adam's state and the parameters
/// themselves in single.
inline LayerProfile layer_of(const std::string& name, double parameters) {
  LayerProfile layer;
  layer.name = name;
  layer.parameter_bytes = static_cast<std::int64_t>(parameters * 2e6);
  layer.state_bytes = 6 * layer.parameter_bytes;
  layer.gradient_bytes = layer.parameter_bytes;
  layer.boundary_bytes = {4 * 1024 * 1728 * 2};  // 4 sequences of 1024 tokens, 1728 wide
  layer.optimizer_ms = 0.045 * parameters;
  return layer;
}

/// 70 blocks of width 1728 between an embedding and a head that shares its parameters, times of a
/// device that computes 50 teraflop/s in half precision, links of `gigabytes_per_s`.
inline Profile gpt(double gigabytes_per_s) {
  Profile profile;
  profile.model = "gpt of 72 layers";
  profile.device = "50 teraflop/s";
  profile.micro_batch_sizes = {micro_batch_size};
  profile.transfer = {{65'536, 0.05}, {std::int64_t{1} << 30, 0.05 + (1074 / gigabytes_per_s)}};
  LayerProfile embedding = layer_of("embedding", 88.6);
  embedding.activation_bytes = {65'536};
  embedding.weight_gradient_bytes = {14'155'776};
  embedding.forward_ms = {0.3};
  embedding.backward_input_ms = {0};
  embedding.backward_weight_ms = {0.9};
  profile.layers.push_back(embedding);
  LayerProfile block = layer_of("", 35.8);
  block.activation_bytes = {240'000'000};
  block.weight_gradient_bytes = {127'000'000};
  block.forward_ms = {6.4};
  block.backward_input_ms = {7.0};
  block.backward_weight_ms = {5.9};
  for (int i = 0; i < 70; ++i) {
    block.name = "block" + std::to_string(i);
    profile.layers.push_back(block);
  }
  LayerProfile head = layer_of("head", 86.8);
  head.boundary_bytes = {0};
  head.activation_bytes = {840'000'000};
  head.weight_gradient_bytes = {426'000'000};
  head.forward_ms = {15.1};
  head.backward_input_ms = {14.4};
  head.backward_weight_ms = {14.2};
  head.tied_to = "embedding";
  profile.layers.push_back(head);
  return profile;
}

/// `workers` alike but for every third, which has `speed`.
inline Cluster every_third(int workers, std::int64_t memory_bytes, double speed) {
  Cluster cluster = identical_workers(workers, memory_bytes);
  for (std::size_t i = 2; i < cluster.workers.size(); i += 3) cluster.workers[i].speed = speed;
  return cluster;
}

/// `workers` alike but for the one in the middle, which has half the speed.
inline Cluster one_slow(int workers, std::int64_t memory_bytes) {
  Cluster cluster = identical_workers(workers, memory_bytes);
  cluster.workers[cluster.workers.size() / 2].speed = 0.5;
  return cluster;
}

/// `workers` alike but for every other one, which has half the memory.
inline Cluster two_memories(int workers, std::int64_t memory_bytes) {
  Cluster cluster = identical_workers(workers, memory_bytes);
  for (std::size_t i = 1; i < cluster.workers.size(); i += 2) {
    cluster.workers[i].memory_bytes = memory_bytes / 2;
  }
  return cluster;
}

}  // namespace planaria::gpt_cases
