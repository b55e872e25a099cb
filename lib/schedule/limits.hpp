// schedule/limits.hpp: what stages cost and may hold, checked and in one place. Private.
#pragma once

#include <cstdint>
#include <limits>
#include <vector>

#include <planaria/base/result.hpp>
#include <planaria/schedule/memory.hpp>
#include <planaria/schedule/simulate.hpp>

namespace planaria {

/// One stage as bounds and searches see it.
struct StageTerms {
  double forward_ms = 0;
  double input_ms = 0;
  double weight_ms = 0;
  double send_ms = 0;       // to the stage behind; 0 on the last
  double send_back_ms = 0;  // to the stage before; 0 on the first
  std::int64_t activation_bytes = 0;
  std::int64_t weight_gradient_bytes = 0;
  std::int64_t limit_bytes = std::numeric_limits<std::int64_t>::max();

  /// Returns how many of `micro_batches` fit between F and B at once.
  [[nodiscard]] std::int64_t most_in_flight(std::int64_t micro_batches) const;
  /// Returns how many of `micro_batches` may wait for W beside `in_flight` between F and B, which
  /// fit.
  [[nodiscard]] std::int64_t most_pending(std::int64_t in_flight, std::int64_t micro_batches) const;
};

/// Returns the terms of each stage. `memory` and `limit_bytes` may be empty. invalid_input names a
/// value that is out of its range; infeasible names a stage that cannot hold one micro-batch.
[[nodiscard]] Result<std::vector<StageTerms>> stage_terms(
    int micro_batches, const std::vector<StageCosts>& costs, const std::vector<StageMemory>& memory,
    const std::vector<std::int64_t>& limit_bytes);

}  // namespace planaria
