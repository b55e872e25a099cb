// protocol/schedule_choice.hpp: the schedule of each pipeline of a view. Private to protocol.
// Is: the asked-for kind or text where it fits the pipeline, and what takes its place where it does
// not any more. Is not: a builder (schedule/) or a layout (layout_choice.hpp).
#pragma once

#include <map>
#include <string>
#include <vector>

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

/// By the pipeline that they are of; where several run as one (joined_with), by the first of them:
/// that schedule is as wide as they are many, the others have none.
using Schedules = std::map<int, Schedule>;

/// Returns the schedules by which the pipelines of `layout` compute so many micro-batches, which
/// are by pipeline, proven to run: the asked-for text or kind, or where that may not fit and does
/// not, 1F1B (GPipe in chunks). Pipelines that run as one have the asked-for text, or routed() with
/// backwards in halves where the asked-for kind has them and as much held as that kind holds, and
/// one micro-batch more. None for pipelines without micro-batches. invalid_input, infeasible: what
/// was asked for must fit and does not; names the pipeline.
[[nodiscard]] Result<Schedules> schedules_for(const CoordinatorState& state, const Layout& layout,
                                              const std::vector<int>& micro_batches, Asked asked);
/// Returns what view and salvage have of the pipeline's: a text, empty where it has none.
[[nodiscard]] std::string text_for(const Schedules& schedules, int pipeline);
/// Returns the pipelines' shares of a whole step.
[[nodiscard]] std::vector<int> shares_of(const Layout& layout);
/// Returns what a step of the layout takes by these schedules, in the unit of the layers' costs:
/// simulated, F taking a third of a stage's cost. Faults as schedules_for().
[[nodiscard]] Result<double> simulated_cost(const CoordinatorState& state, const Layout& layout);

}  // namespace planaria::protocol
