// protocol/schedule_choice.hpp: the schedule of each pipeline of a view. Private to protocol.
// Is: the asked-for kind or text where it fits the pipeline, and what takes its place where it does
// not any more. Is not: a builder (schedule/) or a layout (layout_choice.hpp).
#pragma once

#include <string>

#include <planaria/model/layout.hpp>
#include <planaria/planner/chunks.hpp>
#include <planaria/protocol/coordinator.hpp>
#include <planaria/schedule/actions.hpp>

namespace planaria::protocol {

/// How the asked-for schedule gives stages to workers.
[[nodiscard]] ChunkForm form_asked(const CoordinatorOptions& options);

/// Whether what was asked for must fit. The first layout is made for it; later ones have other
/// depths and shares, and a step begun again any number of micro-batches.
enum class Asked { must_fit, may_not };

/// Returns the schedule by which `pipeline` of `layout` computes so many micro-batches, proven to
/// run: the asked-for text or kind, or where that may not fit and does not, 1F1B (GPipe in chunks).
/// invalid_input, infeasible: what was asked for must fit and does not; names the pipeline.
[[nodiscard]] Result<Schedule> schedule_for(const CoordinatorState& state, const Layout& layout,
                                            std::size_t pipeline, int micro_batches, Asked asked);

}  // namespace planaria::protocol
