#include "host/model_store.hpp"

#include <map>
#include <utility>

#include <fmt/format.h>

#include <planaria/base/check.hpp>

namespace planaria::host {
namespace {

using checkpoint::Role;
using checkpoint::TensorInfo;

// A tied parameter is written once, at its first use; optimizer state belongs to checkpoints.
bool is_written(const TensorInfo& info) {
  return !info.tied_copy && info.role != Role::optimizer;
}

}  // namespace

Result<ModelStore> ModelStore::create(const std::string& path,
                                      const std::vector<protocol::LayerState>& layers, Step level) {
  ModelStore store;
  std::vector<TensorInfo> written;
  for (const protocol::LayerState& layer : layers) {
    Layer announced{.id = layer.layer, .tensors = {}};
    for (const Json& json : layer.tensors) {
      PLANARIA_TRY(info, checkpoint::tensor_info_from_json(
                             json, fmt::format("state of layer {}", layer.layer.value)));
      if (is_written(info)) {
        written.push_back(info);
      }
      announced.tensors.push_back(std::move(info));
    }
    store.layers_.push_back(std::move(announced));
  }
  if (!path.empty()) {
    const std::map<std::string, std::string> metadata = {
        {"format", "pt"}, {"planaria.step", std::to_string(level.value)}};
    PLANARIA_TRY(writer, checkpoint::SafetensorsWriter::create(path, written, metadata));
    store.writer_.emplace(std::move(writer));
  }
  return store;
}

Result<void> ModelStore::take(LayerId layer, std::span<std::byte> payload) {
  if (complete() || layers_[layer_].id != layer) {
    return Fault::corrupt(fmt::format(
        "state of layer {} came when {} was expected", layer.value,
        complete() ? std::string("nothing") : fmt::format("layer {}", layers_[layer_].id.value)));
  }
  PLANARIA_TRY(tensors, checkpoint::parse_block(payload));
  const std::vector<TensorInfo>& announced = layers_[layer_].tensors;
  for (const checkpoint::BlockTensor& tensor : tensors) {
    if (tensor_ == announced.size() || announced[tensor_] != tensor.info) {
      return Fault::corrupt(fmt::format(
          "state of layer {}: tensor {} {} came, announced was {}", layer.value, tensor_,
          checkpoint::to_json(tensor.info).dump(),
          tensor_ == announced.size() ? "no more"
                                      : checkpoint::to_json(announced[tensor_]).dump()));
    }
    hasher_.add(tensor.info, tensor.data);
    if (writer_ && is_written(tensor.info)) PLANARIA_TRY_VOID(writer_->write(tensor.data));
    ++tensor_;
  }
  return {};
}

Result<void> ModelStore::end_layer(LayerId layer) {
  if (complete() || layers_[layer_].id != layer || tensor_ != layers_[layer_].tensors.size()) {
    return Fault::corrupt(fmt::format("state of layer {} ended after {} tensors of {}", layer.value,
                                      tensor_, complete() ? 0 : layers_[layer_].tensors.size()));
  }
  ++layer_;
  tensor_ = 0;
  return {};
}

Result<void> ModelStore::close() {
  check(complete(), "a model was closed before every layer had come");
  if (!writer_) return {};
  return writer_->close();
}

}  // namespace planaria::host
