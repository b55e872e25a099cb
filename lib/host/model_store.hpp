// host/model_store.hpp (private): a model that arrives tensor by tensor becomes a file and two
// hashes.
#pragma once

#include <cstddef>
#include <optional>
#include <span>
#include <string>
#include <vector>

#include <planaria/base/result.hpp>
#include <planaria/checkpoint/safetensors.hpp>
#include <planaria/checkpoint/state_hash.hpp>
#include <planaria/protocol/messages.hpp>

namespace planaria::host {

/// Takes the announced tensors of every layer, in order, and nothing else. One thread.
class ModelStore {
 public:
  /// Announces the layers, in order. `path` empty: hashes only. corrupt where an announcement
  /// cannot be read; otherwise as SafetensorsWriter::create.
  [[nodiscard]] static Result<ModelStore> create(const std::string& path,
                                                 const std::vector<protocol::LayerState>& layers,
                                                 Step level);

  /// Takes one frame: a tensor block with the next tensors of `layer`. corrupt where they are not
  /// the announced ones, naming the first that differs.
  [[nodiscard]] Result<void> take(LayerId layer, std::span<std::byte> payload);
  /// Checks that every tensor of `layer` has come.
  [[nodiscard]] Result<void> end_layer(LayerId layer);
  /// Returns whether no layer is left to come.
  [[nodiscard]] bool complete() const { return layer_ == layers_.size(); }
  /// Gives the file its name. Requires complete().
  [[nodiscard]] Result<void> close();

  [[nodiscard]] std::string weights_hex() const { return hasher_.weights_hex(); }
  [[nodiscard]] std::string state_hex() const { return hasher_.state_hex(); }

 private:
  struct Layer {
    LayerId id;
    std::vector<checkpoint::TensorInfo> tensors;
  };
  ModelStore() = default;

  std::vector<Layer> layers_;
  std::size_t layer_ = 0;   // the layer that arrives
  std::size_t tensor_ = 0;  // its next tensor
  checkpoint::StateHasher hasher_;
  std::optional<checkpoint::SafetensorsWriter> writer_;
};

}  // namespace planaria::host
