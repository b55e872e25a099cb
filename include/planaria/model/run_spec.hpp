// model/run_spec.hpp: what a run is, as its first worker states it and the others must equal.
// Floor 1, pure.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include <planaria/base/json.hpp>
#include <planaria/base/result.hpp>

namespace planaria {

/// One layer as the planner sees it.
struct LayerSpec {
  std::string name;
  double cost = 0;  // estimated time of F+B per micro-batch, any one unit
  std::int64_t parameter_bytes = 0;
  std::string tied_to;  // name of the layer whose parameter it shares; empty: none
  friend bool operator==(const LayerSpec&, const LayerSpec&) = default;
};

/// A named value that must be equal in all workers; compared as text, so that a refusal can print
/// it.
struct Property {
  std::string name;
  std::string value;
  friend bool operator==(const Property&, const Property&) = default;
};

struct RunSpec {
  std::int64_t steps = 0;
  int micro_batches = 1;
  int micro_batch_size = 1;
  int lane_size = 1;
  std::int64_t dataset_samples = 0;
  std::int64_t evaluation_samples = 0;  // how many an evaluation computes; 0: none asked for
  std::uint64_t seed = 0;
  int skips_max = 10;  // so many non-finite steps in a row end the run
  std::vector<LayerSpec> layers;
  /// build, device, threads, cpu_capability, dataset, optimizer, model options, ... in a fixed
  /// order.
  std::vector<Property> identity;
  friend bool operator==(const RunSpec&, const RunSpec&) = default;
};

[[nodiscard]] Json to_json(const RunSpec& spec);
[[nodiscard]] Result<RunSpec> run_spec_from_json(const Json& json, const std::string& source);
/// Returns nothing where `theirs` fits, else one sentence naming the first property that differs
/// and both values: "threads: 2 here, 1 in this run". Covers every field and the identity.
[[nodiscard]] std::optional<std::string> first_difference(const RunSpec& theirs,
                                                          const RunSpec& run);

}  // namespace planaria
