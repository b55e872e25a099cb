// runtime/profiling_parts.hpp: the parts of a profile's measurement. Private.
// Is: what measure_profile() and `planaria profile`'s processes share. Is not: how one layer is
// measured (layer_bench.hpp) or one message (transfer_probe.hpp).
#pragma once

#include <cstddef>
#include <string>
#include <vector>

#include <planaria/base/result.hpp>
#include <planaria/runtime/profiling.hpp>
#include <planaria/runtime/trainer.hpp>

#include "runtime/layer_bench.hpp"
#include "runtime/transfer_probe.hpp"

namespace planaria::runtime {

/// Repeats of one number, and in words which it is.
struct Repeats {
  std::string of;
  std::vector<double> values;
};
/// Returns the middle value, of an even count the mean of the two. Requires one at least.
[[nodiscard]] double median_of(std::vector<double> values);
/// How far the repeats of each number lie apart; of nothing, zeros.
[[nodiscard]] Spread spread_of(const std::vector<Repeats>& numbers);

/// invalid_input: "micro_batch_sizes: ...", "repeats: ...", "model: ...".
[[nodiscard]] Result<void> verify(const ProfilingOptions& options);

/// Measures every layer and fills the profile but for its transfers; the bench then holds the layer
/// whose forward takes longest.
[[nodiscard]] Result<MeasuredProfile> measure_layers(LayerBench& bench,
                                                     const TrainerOptions& trainer,
                                                     const ProfilingOptions& options);
/// The layer whose forward takes longest at the smallest size.
[[nodiscard]] LayerId busiest_layer(const Profile& profile);
/// Adds the transfers, up to more than any layer's gradient or boundary, while `bench` computes
/// what it holds.
[[nodiscard]] Result<void> measure_transfers(TransferProbe& probe, LayerBench& bench,
                                             const ProfilingOptions& options,
                                             MeasuredProfile& measured);

}  // namespace planaria::runtime
