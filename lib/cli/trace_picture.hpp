// cli/trace_picture.hpp: a trace as an SVG. Private.
#pragma once

#include <string>

#include <planaria/availability/trace.hpp>

namespace planaria::cli {

/// Returns a whole SVG file: machines over time as a step line, and below it who joined and who was
/// lost. Where changes are closer than a pixel the line is a band from the fewest to the most.
[[nodiscard]] std::string trace_picture(const Trace& trace, const std::string& title);

}  // namespace planaria::cli
