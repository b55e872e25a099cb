// host/compare.hpp: are two runs the same, and where do they first differ? Floor 7, no LibTorch.
#pragma once

#include <optional>
#include <string>

#include <planaria/base/result.hpp>

namespace planaria::host {

struct Comparison {
  bool equal = true;
  /// "step 3: loss 5.4931 and 5.4932", "ledger, step 7: micro-batch 2 read samples [1,5] and
  /// [1,6]", "weights_xxh3_128: … and …"; losses and norms by their bits. Nothing when equal.
  std::optional<std::string> first_difference;
};
/// Compares losses and norms step by step, the ledger line by line (samples, read and labelled
/// hashes), number of steps, weights and state hashes, in this order. invalid_input where one is no
/// run directory, or of a run that left no result.
[[nodiscard]] Result<Comparison> compare_runs(const std::string& a, const std::string& b);

/// Copies the run's weights to `output`, after checking them against result.json's hash (corrupt).
[[nodiscard]] Result<void> export_weights(const std::string& run, const std::string& output);

}  // namespace planaria::host
