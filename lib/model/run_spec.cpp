#include <planaria/model/run_spec.hpp>

#include <algorithm>
#include <limits>
#include <set>

#include <fmt/format.h>

#include <planaria/base/text.hpp>

namespace planaria {
namespace {

// More than anybody has, few enough that products stay far from overflow.
constexpr std::int64_t count_max = 1'000'000;
constexpr std::int64_t int64_max = std::numeric_limits<std::int64_t>::max();

Json to_json(const LayerSpec& layer) {
  Json json = {{"name", layer.name},
               {"cost", layer.cost},
               {"parameter_bytes", layer.parameter_bytes},
               {"tied_to", nullptr}};
  if (!layer.tied_to.empty()) json["tied_to"] = layer.tied_to;
  return json;
}

Result<std::vector<LayerSpec>> layers_from_json(const Json& json, const std::string& source) {
  std::vector<LayerSpec> layers;
  std::set<std::string> names;
  for (std::size_t i = 0; i < json.size(); ++i) {
    ObjectReader reader(json[i], source, fmt::format("layers[{}]", i));
    LayerSpec layer;
    layer.name = reader.text("name");
    layer.cost = reader.number("cost", 0, std::numeric_limits<double>::max());
    layer.parameter_bytes = reader.integer("parameter_bytes", 0, int64_max);
    layer.tied_to = reader.optional_text("tied_to").value_or("");
    if (!layer.tied_to.empty() && !names.contains(layer.tied_to)) {
      reader.refuse("tied_to",
                    fmt::format("{}, must name an earlier layer", printable(layer.tied_to)));
    }
    if (!names.insert(layer.name).second) {
      reader.refuse("name", fmt::format("{}, must not be there twice", printable(layer.name)));
    }
    PLANARIA_TRY_VOID(reader.finish());
    layers.push_back(std::move(layer));
  }
  return layers;
}

Result<std::vector<Property>> identity_from_json(const Json& json, const std::string& source) {
  std::vector<Property> identity;
  std::set<std::string> names;
  for (std::size_t i = 0; i < json.size(); ++i) {
    ObjectReader reader(json[i], source, fmt::format("identity[{}]", i));
    Property property{reader.text("name"), reader.text("value")};
    if (!names.insert(property.name).second) {
      reader.refuse("name", fmt::format("{}, must not be there twice", printable(property.name)));
    }
    PLANARIA_TRY_VOID(reader.finish());
    identity.push_back(std::move(property));
  }
  return identity;
}

// Compares in turn and keeps the sentence of the first difference.
class Comparison {
 public:
  template <class Value>
  void add(const std::string& name, const Value& here, const Value& run) {
    if (sentence_ || here == run) return;
    sentence_ = fmt::format("{}: {} here, {} in this run", name, here, run);
  }
  void add_layer(std::size_t index, const LayerSpec& here, const LayerSpec& run) {
    add(fmt::format("layers[{}].name", index), here.name, run.name);
    const auto path = [&](const char* field) {
      return fmt::format("layers[{}].{} ({})", index, field, run.name);
    };
    add(path("cost"), here.cost, run.cost);
    add(path("parameter_bytes"), here.parameter_bytes, run.parameter_bytes);
    add(path("tied_to"), tie_of(here), tie_of(run));
  }
  [[nodiscard]] const std::optional<std::string>& sentence() const { return sentence_; }

 private:
  static std::string tie_of(const LayerSpec& layer) {
    return layer.tied_to.empty() ? "nothing" : layer.tied_to;
  }
  std::optional<std::string> sentence_;
};

std::string value_of(const std::vector<Property>& identity, const std::string& name) {
  const auto found = std::find_if(identity.begin(), identity.end(),
                                  [&](const Property& p) { return p.name == name; });
  if (found == identity.end()) return "not given";
  return found->value.empty() ? "empty" : found->value;
}

}  // namespace

Json to_json(const RunSpec& spec) {
  Json layers = Json::array();
  for (const auto& layer : spec.layers) layers.push_back(to_json(layer));
  Json identity = Json::array();
  for (const auto& property : spec.identity) {
    identity.push_back({{"name", property.name}, {"value", property.value}});
  }
  return {{"version", 1},
          {"steps", spec.steps},
          {"micro_batches", spec.micro_batches},
          {"micro_batch_size", spec.micro_batch_size},
          {"lane_size", spec.lane_size},
          {"dataset_samples", spec.dataset_samples},
          {"evaluation_samples", spec.evaluation_samples},
          {"seed", spec.seed},
          {"skips_max", spec.skips_max},
          {"layers", layers},
          {"identity", identity}};
}

Result<RunSpec> run_spec_from_json(const Json& json, const std::string& source) {
  ObjectReader reader(json, source, "");
  RunSpec spec;
  reader.optional_integer("version", 1, 1);
  spec.steps = reader.integer("steps", 0, int64_max);
  spec.micro_batches = static_cast<int>(reader.integer("micro_batches", 1, count_max));
  spec.micro_batch_size = static_cast<int>(reader.integer("micro_batch_size", 1, count_max));
  spec.lane_size = static_cast<int>(reader.integer("lane_size", 1, count_max));
  spec.dataset_samples = reader.integer("dataset_samples", 0, int64_max);
  spec.evaluation_samples = reader.optional_integer("evaluation_samples", 0, int64_max).value_or(0);
  spec.seed = reader.natural("seed");
  spec.skips_max =
      static_cast<int>(reader.integer("skips_max", 1, std::numeric_limits<int>::max()));
  const Json& layers = reader.array("layers");
  const Json& identity = reader.array("identity");
  PLANARIA_TRY_VOID(reader.finish());
  PLANARIA_TRY(read_layers, layers_from_json(layers, source));
  PLANARIA_TRY(read_identity, identity_from_json(identity, source));
  spec.layers = std::move(read_layers);
  spec.identity = std::move(read_identity);
  return spec;
}

std::optional<std::string> first_difference(const RunSpec& theirs, const RunSpec& run) {
  Comparison comparison;
  comparison.add("steps", theirs.steps, run.steps);
  comparison.add("micro_batches", theirs.micro_batches, run.micro_batches);
  comparison.add("micro_batch_size", theirs.micro_batch_size, run.micro_batch_size);
  comparison.add("lane_size", theirs.lane_size, run.lane_size);
  comparison.add("dataset_samples", theirs.dataset_samples, run.dataset_samples);
  comparison.add("evaluation_samples", theirs.evaluation_samples, run.evaluation_samples);
  comparison.add("seed", theirs.seed, run.seed);
  comparison.add("skips_max", theirs.skips_max, run.skips_max);
  comparison.add("layers", theirs.layers.size(), run.layers.size());
  for (std::size_t i = 0; i < std::min(theirs.layers.size(), run.layers.size()); ++i) {
    comparison.add_layer(i, theirs.layers[i], run.layers[i]);
  }
  for (const auto& property : run.identity) {
    comparison.add(property.name, value_of(theirs.identity, property.name),
                   value_of(run.identity, property.name));
  }
  for (const auto& property : theirs.identity) {
    comparison.add(property.name, value_of(theirs.identity, property.name),
                   value_of(run.identity, property.name));
  }
  return comparison.sentence();
}

}  // namespace planaria
