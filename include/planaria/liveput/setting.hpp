// liveput/setting.hpp: a measured table of step times and of what changes cost (setting.json).
// Floor 4, pure.
// Is: the numbers and their strict reader. Is not: a price (setting_prices.hpp).
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include <planaria/base/json.hpp>
#include <planaria/base/result.hpp>
#include <planaria/model/profile.hpp>

namespace planaria {

/// `width` pipelines of `depth` stages each, a worker a stage; both 0: nobody trains.
struct GridLayout {
  int width = 0;
  int depth = 0;
  /// Workers that hold each layer beside those that compute it.
  int shadows = 0;
  [[nodiscard]] int workers() const { return width * depth; }
  /// Returns how many may be lost at once, whoever they are, so that every layer is still held.
  [[nodiscard]] int survives() const { return width - 1 + shadows; }
  [[nodiscard]] bool empty() const { return workers() == 0; }
  friend bool operator==(const GridLayout&, const GridLayout&) = default;
  friend auto operator<=>(const GridLayout&, const GridLayout&) = default;
};

/// A layout and how fast it trains.
struct MeasuredLayout {
  GridLayout layout;
  double step_ms = 0;
  double samples_per_s = 0;
  friend bool operator==(const MeasuredLayout&, const MeasuredLayout&) = default;
};

/// To create the communicators of a layout: with newcomers, and among those who are there.
struct MeasuredRegroup {
  GridLayout layout;
  double grow_ms = 0;
  double shrink_ms = 0;
  friend bool operator==(const MeasuredRegroup&, const MeasuredRegroup&) = default;
};

/// To build the module of a stage, by the pipeline's depth.
struct MeasuredBuild {
  int depth = 0;
  double ms = 0;
  friend bool operator==(const MeasuredBuild&, const MeasuredBuild&) = default;
};

struct Setting {
  static constexpr int workers_max = 10'000;
  static constexpr int layouts_max = 4096;

  std::string model;
  std::int64_t samples_per_step = 1;
  std::int64_t micro_batch_size = 1;
  double interval_s = 60;
  int max_workers = 1;
  std::vector<double> layer_parameters;    // in order; of a model given by its average, not whole
  double state_bytes_per_parameter = 0;    // parameter and optimizer state
  std::vector<MeasuredLayout> throughput;  // all that may be chosen; differ, in the file's order
  std::vector<TransferPoint> transfer;     // ascending by bytes
  double rendezvous_ms = 0;                // at growth
  double growth_extra_ms = 0;              // at growth too: data set, engine
  double process_ms = 0;                   // at every change
  double checkpoint_ms = 0;                // to save and load
  std::vector<MeasuredBuild> model_build;  // every depth of `throughput` once
  std::vector<MeasuredRegroup> regroup;    // every layout of `throughput` once
  friend bool operator==(const Setting&, const Setting&) = default;
};

/// Reads a setting; invalid_input names `source`, path, value and what is allowed.
[[nodiscard]] Result<Setting> setting_from_json(const Json& json, const std::string& source);

}  // namespace planaria
