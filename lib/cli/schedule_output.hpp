// cli/schedule_output.hpp: a schedule as JSON and as the lines a person reads. Private.
#pragma once

#include <optional>
#include <string>
#include <vector>

#include <planaria/base/json.hpp>
#include <planaria/schedule/draw.hpp>

#include "cli/schedule_inputs.hpp"

namespace planaria::cli {

/// Returns docs/formats.md's object of a proven schedule.
[[nodiscard]] Json json_of(const ScheduleDrawing& drawing, const ScheduleInputs& inputs,
                           bool staggered);
/// Returns the object of a schedule that --check refutes.
[[nodiscard]] Json json_of_refuted(const ScheduleInputs& inputs, const std::string& why);

/// Returns pictures and `remarks` as comments, then the first schedule's text form: what --check
/// reads.
[[nodiscard]] std::string text_of_all(const std::vector<ScheduleDrawing>& drawings,
                                      const std::vector<std::string>& remarks);

/// Returns "1f1b, 4 stages, 8 micro-batches", with pipelines and losses where there are any.
[[nodiscard]] std::string title_of(const std::string& name, const ScheduleInputs& inputs);

}  // namespace planaria::cli
