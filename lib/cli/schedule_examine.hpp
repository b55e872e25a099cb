// cli/schedule_examine.hpp: proof, times, memory and limits of schedules. Private.
#pragma once

#include <planaria/base/result.hpp>
#include <planaria/schedule/draw.hpp>

#include "cli/schedule_build.hpp"
#include "cli/schedule_inputs.hpp"
#include "cli/schedule_options.hpp"

namespace planaria::cli {

/// Builds what was asked for; a search ends after --search-ms.
[[nodiscard]] Result<Built> build_in_time(const ScheduleInputs& inputs, const ScheduleFlags& flags);
/// Proves a schedule, then adds times and memory. infeasible with the shortest counterexample.
[[nodiscard]] Result<ScheduleDrawing> examine(Built built, const ScheduleInputs& inputs,
                                              const ScheduleFlags& flags);
/// infeasible where a rank holds more than it may: which, and what would fit.
[[nodiscard]] Result<void> check_limits(const ScheduleDrawing& drawing,
                                        const ScheduleInputs& inputs, const ScheduleFlags& flags);
/// Returns --compare's schedule, of the same shape and, where stages are alike, the same work a
/// rank.
[[nodiscard]] Result<ScheduleDrawing> compared(const ScheduleInputs& inputs,
                                               const ScheduleFlags& flags);

}  // namespace planaria::cli
