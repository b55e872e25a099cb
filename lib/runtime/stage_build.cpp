// How a stage comes to its layers: factories, keyed weights, init file, ties.
#include <ATen/ATen.h>
#include <fmt/format.h>

#include <planaria/base/check.hpp>
#include <planaria/base/random.hpp>
#include <planaria/checkpoint/safetensors.hpp>

#include "runtime/stage.hpp"
#include "runtime/tensors.hpp"

namespace planaria::runtime {
namespace {

// Keeps the streams of initial weights apart from those of steps, which start at 1.
constexpr std::uint64_t initial_weights = 0x77656967687473ULL;  // "weights"

NamedTensors parameters_of(Layer& layer) {
  NamedTensors named;
  for (const auto& item : layer.module().named_parameters()) {
    named.emplace_back(item.key(), item.value());
  }
  return named;
}

at::Tensor* find(NamedTensors& named, const std::string& name) {
  for (auto& [candidate, tensor] : named) {
    if (candidate == name) return &tensor;
  }
  return nullptr;
}

Result<void> load_tensor(const checkpoint::SafetensorsFile& file, const std::string& path,
                         const std::string& name, const at::Tensor& tensor) {
  const checkpoint::TensorInfo wanted = info_of(tensor, name);
  const checkpoint::TensorInfo* found = file.find(name);
  if (found->dtype != wanted.dtype || found->shape != wanted.shape) {
    return Fault::invalid_input(fmt::format("init: {}: tensor {} is {} [{}], must be {} [{}]", path,
                                            name, found->dtype, fmt::join(found->shape, ", "),
                                            wanted.dtype, fmt::join(wanted.shape, ", ")));
  }
  const auto data = file.data(name);
  check(data.has_value(), "a tensor that is in the file has data");
  const at::Tensor host = tensor.is_cpu() ? tensor : at::empty_like(tensor, at::kCPU);
  std::copy(data->begin(), data->end(), mutable_bytes_of(host).begin());
  if (!tensor.is_cpu()) tensor.copy_(host);
  return {};
}

}  // namespace

std::unique_ptr<Stage> Stage::create(const StageOptions& options) {
  return std::unique_ptr<Stage>(new Stage(options));
}

Result<void> Stage::build(const std::set<LayerId>& layers) {
  compute_on({});
  layers_.clear();
  filling_.restart();
  Result<void> built = build_layers(layers);
  if (!built) layers_.clear();
  return built;
}

Result<std::unique_ptr<Layer>> Stage::make_layer(LayerId id) const {
  const LayerDefinition& definition = options_.trainer->layers[static_cast<std::size_t>(id.value)];
  std::unique_ptr<Layer> made;
  try {
    const auto turn = options_.generator->take();
    options_.device.seed(
        mix({options_.trainer->seed, initial_weights, static_cast<std::uint64_t>(id.value)}));
    made = definition.make();
  } catch (const std::exception& error) {
    return Fault::invalid_input(
        fmt::format("layer {}: its factory failed: {}", definition.name, sentence_of(error)));
  }
  if (made == nullptr) {
    return Fault::invalid_input(
        fmt::format("layer {}: its factory returned nothing", definition.name));
  }
  PLANARIA_TRY_VOID(verify_layer(definition, *made));
  made->module().train();
  if (!options_.device.is_cpu()) made->module().to(options_.device.torch_device());
  return made;
}

Result<void> Stage::build_layers(const std::set<LayerId>& layers) {
  for (const LayerId id : layers) {
    PLANARIA_TRY(built, build_layer(id));
    layers_.push_back(std::move(built));
  }
  return options_.trainer->init_file.empty() ? copy_tied_sources() : load_initial_weights();
}

Result<HeldLayer> Stage::build_layer(LayerId id) const {
  PLANARIA_TRY(made, make_layer(id));
  HeldLayer held;
  held.id = id;
  held.definition = &options_.trainer->layers[static_cast<std::size_t>(id.value)];
  held.layer = std::move(made);
  held.parameters = parameters_of(*held.layer);
  for (const auto& [name, tensor] : held.parameters) {
    if (tensor.requires_grad()) held.trainable.emplace_back(name, tensor);
  }
  for (const auto& item : held.layer->module().named_buffers()) {
    held.buffers.emplace_back(item.key(), item.value());
  }
  held.put_off = std::make_shared<PutOffGradients>();
  for (const auto& item : held.layer->module().named_modules()) {
    auto* folding = dynamic_cast<FoldsStatistics*>(item.value().get());
    if (folding != nullptr) held.folding.push_back(folding);
    auto* splits = dynamic_cast<SplitsBackward*>(item.value().get());
    if (splits != nullptr) {
      splits->put_off_to(held.put_off);
    } else if (!item.value()->parameters(/*recurse=*/false).empty()) {
      held.without_split.push_back(item.key());
    }
  }
  try {
    held.optimizer = options_.trainer->optimizer.make(held.trainable);
  } catch (const std::exception& error) {
    return Fault::invalid_input(fmt::format("layer {}: its optimizer cannot be built: {}",
                                            held.definition->name, sentence_of(error)));
  }
  return held;
}

// A later use of a tied parameter starts from the source's keyed weights. The source layer is built
// once more for that and dropped at once: it may live on another worker.
Result<void> Stage::copy_tied_sources() {
  const at::NoGradGuard no_grad;
  for (HeldLayer& held : layers_) {
    for (const TiedParameter& tie : held.definition->tied) {
      LayerId source_id{0};
      while (options_.trainer->layers[static_cast<std::size_t>(source_id.value)].name !=
             tie.source_layer) {
        source_id = source_id.next();
      }
      PLANARIA_TRY(source, make_layer(source_id));
      NamedTensors source_parameters = parameters_of(*source);
      const at::Tensor* from = find(source_parameters, tie.source_parameter);
      const at::Tensor* to = find(held.parameters, tie.parameter);
      if (from == nullptr || from->sizes() != to->sizes() ||
          from->scalar_type() != to->scalar_type()) {
        return Fault::invalid_input(
            fmt::format("layer {}: parameter {} is tied to {}.{}, which {}", held.definition->name,
                        tie.parameter, tie.source_layer, tie.source_parameter,
                        from == nullptr ? "does not exist" : "has another shape or type"));
      }
      to->copy_(*from);
    }
  }
  return {};
}

Result<void> Stage::load_initial_weights() {
  const at::NoGradGuard no_grad;
  const std::string& path = options_.trainer->init_file;
  PLANARIA_TRY(file, checkpoint::SafetensorsFile::open(path));
  for (HeldLayer& held : layers_) {
    for (auto& [parameter, tensor] : held.parameters) {
      std::string name = held.definition->name + "." + parameter;
      for (const TiedParameter& tie : held.definition->tied) {
        if (tie.parameter == parameter) name = tie.source_layer + "." + tie.source_parameter;
      }
      if (file.find(name) == nullptr) {
        return Fault::invalid_input(fmt::format("init: {}: has no tensor {}", path, name));
      }
      PLANARIA_TRY_VOID(load_tensor(file, path, name, tensor));
    }
    // Weights trained elsewhere may come without buffers: then they start as the factory made them.
    for (auto& [buffer, tensor] : held.buffers) {
      const std::string name = held.definition->name + "." + buffer;
      if (file.find(name) != nullptr) PLANARIA_TRY_VOID(load_tensor(file, path, name, tensor));
    }
  }
  return {};
}

}  // namespace planaria::runtime
