// runtime/tie_exchange.hpp: the gradient of a parameter that several layers use. Private.
// Is: the sum of all uses, in layer order, on each stage that has one. Is not: where the uses' own
// gradients come from (runtime/reduction.hpp).
#pragma once

#include "runtime/reduction.hpp"

namespace planaria::runtime {

/// Replaces the reduced gradient of every use of a tied parameter by the sum of all. Fails as
/// Exchange's receives do.
[[nodiscard]] Result<void> exchange_ties(const ReductionContext& context, Stage& stage,
                                         Exchange& exchange);

}  // namespace planaria::runtime
