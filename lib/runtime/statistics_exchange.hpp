// runtime/statistics_exchange.hpp: what all micro-batches said to folding modules. Private.
#pragma once

#include "runtime/reduction.hpp"

namespace planaria::runtime {

/// Fills HeldLayer::statistics of every layer with the micro-batches that its other active holders
/// computed. Fails as Exchange's receives do.
[[nodiscard]] Result<void> exchange_statistics(const ReductionContext& context, Stage& stage,
                                               Exchange& exchange);

}  // namespace planaria::runtime
