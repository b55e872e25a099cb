#include <planaria/model/profile.hpp>

#include <algorithm>
#include <cmath>
#include <functional>
#include <set>
#include <utility>

#include <fmt/format.h>

#include <planaria/base/check.hpp>
#include <planaria/base/json_lists.hpp>
#include <planaria/base/text.hpp>
#include <planaria/model/transfer_table.hpp>

namespace planaria {
namespace {

constexpr std::int64_t bytes_max = 1'000'000'000'000'000;
constexpr double ms_max = 1e9;
constexpr int micro_batch_size_max = 1'000'000;

Result<std::vector<std::int64_t>> byte_numbers(ObjectReader& reader, const std::string& key,
                                               const std::string& source) {
  return numbers_from<std::int64_t>(
      reader.array(key), source, reader.path_of(key),
      [](ObjectReader& one, const std::string& name) { return one.integer(name, 0, bytes_max); });
}

Result<std::vector<double>> ms_numbers(ObjectReader& reader, const std::string& key,
                                       const std::string& source) {
  return numbers_from<double>(
      reader.array(key), source, reader.path_of(key),
      [](ObjectReader& one, const std::string& name) { return one.number(name, 0, ms_max); });
}

void require_sizes(ObjectReader& reader, const std::string& key, std::size_t count,
                   std::size_t sizes) {
  // What is no list has been refused already.
  if (count == sizes || !reader.has(key)) return;
  reader.refuse(
      key, fmt::format("{} numbers, must be {}, one for each of micro_batch_sizes", count, sizes));
}

Result<LayerProfile> layer_from_json(const Json& json, const std::string& source,
                                     const std::string& path, std::size_t sizes) {
  ObjectReader reader(json, source, path);
  LayerProfile layer;
  layer.name = reader.text("name");
  if (layer.name.empty() && reader.has("name")) reader.refuse("name", "empty, must be a name");
  layer.parameter_bytes = reader.integer("parameter_bytes", 0, bytes_max);
  layer.state_bytes = reader.integer("state_bytes", 0, bytes_max);
  layer.gradient_bytes = reader.integer("gradient_bytes", 0, bytes_max);
  const std::pair<const char*, std::vector<std::int64_t>*> by_bytes[] = {
      {"boundary_bytes", &layer.boundary_bytes},
      {"activation_bytes", &layer.activation_bytes},
      {"weight_gradient_bytes", &layer.weight_gradient_bytes}};
  for (const auto& [key, into] : by_bytes) {
    PLANARIA_TRY(read, byte_numbers(reader, key, source));
    *into = std::move(read);
    require_sizes(reader, key, into->size(), sizes);
  }
  const std::pair<const char*, std::vector<double>*> by_ms[] = {
      {"forward_ms", &layer.forward_ms},
      {"backward_input_ms", &layer.backward_input_ms},
      {"backward_weight_ms", &layer.backward_weight_ms}};
  for (const auto& [key, into] : by_ms) {
    PLANARIA_TRY(read, ms_numbers(reader, key, source));
    *into = std::move(read);
    require_sizes(reader, key, into->size(), sizes);
  }
  layer.optimizer_ms = reader.number("optimizer_ms", 0, ms_max);
  layer.tied_to = reader.optional_text("tied_to");
  PLANARIA_TRY_VOID(reader.finish());
  return layer;
}

Result<TransferPoint> point_from_json(const Json& json, const std::string& source,
                                      const std::string& path) {
  ObjectReader reader(json, source, path);
  TransferPoint point;
  point.bytes = reader.integer("bytes", 1, bytes_max);
  point.ms = reader.number("ms", 0, ms_max);
  PLANARIA_TRY_VOID(reader.finish());
  return point;
}

Result<void> check_names(const Profile& profile, const std::string& source) {
  std::set<std::string> names;
  for (std::size_t i = 0; i < profile.layers.size(); ++i) {
    const LayerProfile& layer = profile.layers[i];
    if (layer.tied_to && !names.contains(*layer.tied_to)) {
      return Fault::invalid_input(
          fmt::format("{}: layers[{}].tied_to: {}, must be the name of a layer before it", source,
                      i, printable(*layer.tied_to)));
    }
    if (!names.insert(layer.name).second) {
      return Fault::invalid_input(fmt::format("{}: layers[{}].name: {}, must not be there twice",
                                              source, i, printable(layer.name)));
    }
  }
  return {};
}

template <class Value>
Result<void> check_ascending(const std::vector<Value>& values, const std::string& source,
                             const std::string& what) {
  for (std::size_t i = 1; i < values.size(); ++i) {
    if (values[i - 1] < values[i]) continue;
    return Fault::invalid_input(fmt::format("{}: {}[{}]: {}, must be above {}, the one before",
                                            source, what, i, values[i], values[i - 1]));
  }
  return {};
}

}  // namespace

std::optional<std::size_t> Profile::at_size(int micro_batch_size) const {
  const auto found =
      std::find(micro_batch_sizes.begin(), micro_batch_sizes.end(), micro_batch_size);
  if (found == micro_batch_sizes.end()) return std::nullopt;
  return static_cast<std::size_t>(found - micro_batch_sizes.begin());
}

double measured_ms(const std::vector<TransferPoint>& points, double bytes) {
  check(!points.empty() && points.back().bytes > 0, "a transfer of more than nothing was measured");
  const auto bytes_of = [](const TransferPoint& point) { return static_cast<double>(point.bytes); };
  if (bytes <= bytes_of(points.front())) return points.front().ms;
  if (bytes > bytes_of(points.back())) return points.back().ms * bytes / bytes_of(points.back());
  const auto above = std::ranges::lower_bound(points, bytes, {}, bytes_of);
  const TransferPoint& high = *above;
  const TransferPoint& low = *(above - 1);
  const double share = (bytes - bytes_of(low)) / (bytes_of(high) - bytes_of(low));
  return low.ms + (share * (high.ms - low.ms));
}

double transfer_ms(const std::vector<TransferPoint>& points, std::int64_t bytes) {
  return bytes <= 0 ? 0 : measured_ms(points, static_cast<double>(bytes));
}

Profile profile_of_costs(const std::vector<double>& layer_costs, int micro_batch_size) {
  Profile profile{.model = "costs alone",
                  .device = "any",
                  .micro_batch_sizes = {micro_batch_size},
                  .transfer = {{.bytes = 1, .ms = 0}}};
  for (std::size_t i = 0; i < layer_costs.size(); ++i) {
    const double third = layer_costs[i] / 3;
    profile.layers.push_back({.name = fmt::format("layer{}", i),
                              .boundary_bytes = {0},
                              .activation_bytes = {0},
                              .weight_gradient_bytes = {0},
                              .forward_ms = {third},
                              .backward_input_ms = {third},
                              .backward_weight_ms = {third}});
  }
  return profile;
}

Result<std::vector<TransferPoint>> transfer_from_json(const Json& list, const std::string& source) {
  PLANARIA_TRY_VOID(check_count(list, Profile::transfer_points_max, source, "transfer"));
  std::vector<TransferPoint> points;
  std::vector<std::int64_t> bytes;
  for (std::size_t i = 0; i < list.size(); ++i) {
    PLANARIA_TRY(point, point_from_json(list[i], source, fmt::format("transfer[{}]", i)));
    points.push_back(point);
    bytes.push_back(point.bytes);
  }
  PLANARIA_TRY_VOID(check_ascending(bytes, source, "transfer"));
  return points;
}

Result<Profile> profile_from_json(const Json& json, const std::string& source) {
  ObjectReader reader(json, source, "");
  reader.integer("version", 1, 1);
  Profile profile;
  profile.model = reader.text("model");
  profile.device = reader.text("device");
  const Json& sizes = reader.array("micro_batch_sizes");
  const Json& layers = reader.array("layers");
  const Json& transfer = reader.array("transfer");
  PLANARIA_TRY_VOID(reader.finish());
  PLANARIA_TRY_VOID(
      check_count(sizes, Profile::micro_batch_sizes_max, source, "micro_batch_sizes"));
  PLANARIA_TRY_VOID(check_count(layers, Profile::layers_max, source, "layers"));
  PLANARIA_TRY(read_sizes, numbers_from<int>(sizes, source, "micro_batch_sizes",
                                             [](ObjectReader& one, const std::string& name) {
                                               return static_cast<int>(
                                                   one.integer(name, 1, micro_batch_size_max));
                                             }));
  profile.micro_batch_sizes = std::move(read_sizes);
  PLANARIA_TRY_VOID(check_ascending(profile.micro_batch_sizes, source, "micro_batch_sizes"));
  for (std::size_t i = 0; i < layers.size(); ++i) {
    PLANARIA_TRY(layer, layer_from_json(layers[i], source, fmt::format("layers[{}]", i),
                                        profile.micro_batch_sizes.size()));
    profile.layers.push_back(std::move(layer));
  }
  PLANARIA_TRY_VOID(check_names(profile, source));
  PLANARIA_TRY(points, transfer_from_json(transfer, source));
  profile.transfer = std::move(points);
  return profile;
}

Json to_json(const Profile& profile) {
  Json layers = Json::array();
  for (const LayerProfile& layer : profile.layers) {
    layers.push_back({{"name", layer.name},
                      {"parameter_bytes", layer.parameter_bytes},
                      {"state_bytes", layer.state_bytes},
                      {"gradient_bytes", layer.gradient_bytes},
                      {"boundary_bytes", layer.boundary_bytes},
                      {"activation_bytes", layer.activation_bytes},
                      {"weight_gradient_bytes", layer.weight_gradient_bytes},
                      {"forward_ms", layer.forward_ms},
                      {"backward_input_ms", layer.backward_input_ms},
                      {"backward_weight_ms", layer.backward_weight_ms},
                      {"optimizer_ms", layer.optimizer_ms},
                      {"tied_to", layer.tied_to ? Json(*layer.tied_to) : Json()}});
  }
  Json transfer = Json::array();
  for (const TransferPoint& point : profile.transfer) {
    transfer.push_back({{"bytes", point.bytes}, {"ms", point.ms}});
  }
  return {{"version", 1},
          {"model", profile.model},
          {"device", profile.device},
          {"micro_batch_sizes", profile.micro_batch_sizes},
          {"layers", std::move(layers)},
          {"transfer", std::move(transfer)}};
}

}  // namespace planaria
