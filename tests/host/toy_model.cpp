#include "host/toy_model.hpp"

#include <span>

#include <planaria/base/hash.hpp>
#include <planaria/base/random.hpp>

namespace planaria::test {
namespace {

constexpr std::int64_t elements = 4;

std::uint64_t key(std::int64_t number) {
  return static_cast<std::uint64_t>(number);
}

std::span<const std::byte> bytes_of(const std::vector<float>& data) {
  return std::as_bytes(std::span(data));
}

}  // namespace

RunSpec toy_spec(const ToyOptions& options) {
  RunSpec spec;
  spec.steps = options.steps;
  spec.micro_batches = options.micro_batches;
  spec.micro_batch_size = 2;
  spec.lane_size = 1;
  spec.dataset_samples = 100;
  spec.seed = options.seed;
  for (int layer = 0; layer < options.layers; ++layer) {
    spec.layers.push_back({.name = "layer" + std::to_string(layer),
                           .cost = 1.0,
                           .parameter_bytes = elements * 4,
                           .tied_to = {}});
  }
  spec.identity = {{"build", "toy"}, {"threads", std::to_string(options.threads)}};
  return spec;
}

ToyLayer::ToyLayer(const ToyOptions& options, LayerId layer) : options_(options), layer_(layer) {
  using checkpoint::Role;
  const std::string name = "layer" + std::to_string(layer.value);
  const auto add = [&](const std::string& path, Role role, float first) {
    Tensor tensor;
    tensor.info = {
        .name = name + path, .dtype = "F32", .shape = {2, 2}, .role = role, .tied_copy = false};
    for (int i = 0; i < elements; ++i) tensor.data.push_back(first + static_cast<float>(i));
    tensors_.push_back(std::move(tensor));
  };
  add(".weight", Role::parameter, static_cast<float>(layer.value));
  if (layer.value == 0) add(".counts", Role::buffer, 7.0F);
  add(".weight:momentum", Role::optimizer, 0.0F);
}

std::vector<float> ToyLayer::gradient(Step step) const {
  Random random(mix({options_.seed, key(step.value), key(layer_.value)}));
  std::vector<float> gradient;
  for (const float weight : tensors_.front().data) {
    gradient.push_back(static_cast<float>(random.uniform()) - 0.5F + 0.01F * weight);
  }
  return gradient;
}

void ToyLayer::apply(Step step) {
  const std::vector<float> change = gradient(step);
  std::vector<float>& weight = tensors_.front().data;
  std::vector<float>& momentum = tensors_.back().data;
  for (std::size_t i = 0; i < change.size(); ++i) {
    momentum[i] = 0.5F * momentum[i] + change[i];
    weight[i] -= 0.125F * momentum[i];
  }
}

protocol::LayerReport ToyLayer::report(Step step) const {
  const std::vector<float> reduced = gradient(step);
  double squared = 0;
  for (const float value : reduced) squared += static_cast<double>(value) * value;
  return {.layer = layer_, .squared_norm = squared, .checksum = xxh3_64(bytes_of(reduced))};
}

protocol::LayerState ToyLayer::state() const {
  protocol::LayerState state{.layer = layer_, .xxh3 = 0, .tensors = {}};
  for (const Tensor& tensor : tensors_) {
    state.xxh3 = mix({state.xxh3, xxh3_64(bytes_of(tensor.data))});
    state.tensors.push_back(to_json(tensor.info));
  }
  return state;
}

double toy_loss(const ToyOptions& options, Step step, MicroBatchId micro_batch) {
  Random random(mix({options.seed, key(step.value), key(micro_batch.value)}));
  return 5.0 / static_cast<double>(step.value) + random.uniform();
}

std::uint64_t toy_hash(const ToyOptions& options, Step step, MicroBatchId micro_batch,
                       std::uint64_t end) {
  return mix({options.seed, key(step.value), key(micro_batch.value), end});
}

}  // namespace planaria::test
