// model/profile.hpp: what a model's layers cost, as measured (profile.json). Floor 1, pure.
// Is: the numbers, their strict reader and writer, and how long a transfer takes. Is not: a
// measurement
// (`planaria profile`), nor a sum over stages of any layout (planner/, schedule/).
#pragma once

#include <cstddef>
#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include <planaria/base/json.hpp>
#include <planaria/base/result.hpp>

namespace planaria {

/// One layer's numbers. Those in vectors are by Profile::micro_batch_sizes.
struct LayerProfile {
  std::string name;
  std::int64_t parameter_bytes = 0;
  std::int64_t state_bytes = 0;  // the optimizer's, without parameters
  std::int64_t gradient_bytes = 0;
  std::vector<std::int64_t> boundary_bytes;         // what a cut after this layer sends, each way
  std::vector<std::int64_t> activation_bytes;       // from F to B
  std::vector<std::int64_t> weight_gradient_bytes;  // what W still needs from B on
  std::vector<double> forward_ms;
  std::vector<double> backward_input_ms;
  std::vector<double> backward_weight_ms;
  double optimizer_ms = 0;
  std::optional<std::string> tied_to;  // the layer whose first parameter this one shares
  friend bool operator==(const LayerProfile&, const LayerProfile&) = default;
};

/// A measured transfer from one worker to another.
struct TransferPoint {
  std::int64_t bytes = 0;
  double ms = 0;
  friend bool operator==(const TransferPoint&, const TransferPoint&) = default;
};

struct Profile {
  /// More than any model has; sums over so many layers of what a profile may say stay countable.
  static constexpr int layers_max = 4096;
  static constexpr int micro_batch_sizes_max = 64;
  static constexpr int transfer_points_max = 4096;

  std::string model;
  std::string device;
  std::vector<int> micro_batch_sizes;   // ascending
  std::vector<LayerProfile> layers;     // in the model's order, names differ
  std::vector<TransferPoint> transfer;  // ascending by bytes
  /// Returns where `micro_batch_size` stands in the vectors, or nothing.
  [[nodiscard]] std::optional<std::size_t> at_size(int micro_batch_size) const;
  friend bool operator==(const Profile&, const Profile&) = default;
};

/// Returns a profile of layers of which nothing is known but what they cost, F, B and W of a
/// micro-batch together, in any one unit: a third each; no bytes, and transfers take no time.
/// Requires at least one layer, costs from 0.
[[nodiscard]] Profile profile_of_costs(const std::vector<double>& layer_costs,
                                       int micro_batch_size = 1);

/// Returns how long `bytes` take: nothing 0 ms, up to the first point its time, linear between
/// points, beyond the last in proportion to it. Requires points with ascending bytes, the last
/// above 0. O(log points).
[[nodiscard]] double transfer_ms(const std::vector<TransferPoint>& points, std::int64_t bytes);

/// Reads a profile.json; invalid_input names source and path of what is missing, unknown or out of
/// range: "profile.json: layers[3].forward_ms: 2 numbers, must be 3, one for each of
/// micro_batch_sizes". Times up to 1e9 ms, bytes up to 1e15; what there is too many of is not read.
[[nodiscard]] Result<Profile> profile_from_json(const Json& json, const std::string& source);
/// Returns what profile_from_json() reads.
[[nodiscard]] Json to_json(const Profile& profile);

}  // namespace planaria
