// runtime/shadow_exchange.hpp: a step's reduced gradients to the layers' shadows. Private.
// Is: one frame per layer and shadow, from the active holder with the lowest id: the reduced
// gradients in parameter order, then the statistics in micro-batch order. Is not: the reduction
// (runtime/reduction.hpp) nor what a shadow does with it (Stage::shadow).
#pragma once

#include "runtime/reduction.hpp"

namespace planaria::runtime {

/// Sends what this worker owes to the shadows of its layers, and marks those gradients as lent.
/// After reduce(). Nothing is copied on a CPU; a layer without shadows costs nothing.
void lend_to_shadows(const ReductionContext& context, Stage& stage, Exchange& exchange);

/// Waits for the gradients of `layer`, which this worker shadows, and notes what belongs to them.
/// Fails as Exchange's receives do;
/// corrupt where the frame is not such a list.
[[nodiscard]] Result<StepGradients> receive_lent(const ReductionContext& context, LayerId layer,
                                                 Stage& stage, Exchange& exchange);

}  // namespace planaria::runtime
