// runtime/notes_exchange.hpp: losses, and hashes of data, to wherever the gradient goes. Private.
// Is: what a holder of the first or last layer tells the layer's others and its shadows, so that no
// sum outlives what belongs to it (PROTOCOL 2). A few dozen bytes a micro-batch. Is not: a report.
#pragma once

#include <planaria/base/ids.hpp>
#include <planaria/base/result.hpp>

#include "runtime/exchange.hpp"
#include "runtime/reduction.hpp"
#include "runtime/stage.hpp"

namespace planaria::runtime {

/// Whether notes belong to the layer: it reads, or it gives losses.
[[nodiscard]] bool has_notes(const TrainerOptions& trainer, LayerId layer);
/// Sends what this worker has noted to the others that compute its layers.
void send_notes(const ReductionContext& context, Stage& stage, Exchange& exchange);
/// Receives theirs. Fails as Exchange's receives do; corrupt where they are no notes.
[[nodiscard]] Result<void> receive_notes(const ReductionContext& context, Stage& stage,
                                         Exchange& exchange);
/// The same for one layer: to a shadow, and at the shadow.
void lend_notes(const ReductionContext& context, LayerId layer, WorkerId to, Stage& stage,
                Exchange& exchange);
[[nodiscard]] Result<void> receive_lent_notes(const ReductionContext& context, LayerId layer,
                                              WorkerId from, Stage& stage, Exchange& exchange);

}  // namespace planaria::runtime
