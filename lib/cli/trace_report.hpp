// cli/trace_report.hpp: what a trace says, in words. Private.
#pragma once

#include <string>

#include <planaria/availability/describe.hpp>
#include <planaria/availability/trace_law.hpp>

namespace planaria::cli {

/// A line for each thing that can be said, the first beginning with `name`.
[[nodiscard]] std::string text_of(const TraceSummary& summary, const std::string& name);
/// The same of a law.
[[nodiscard]] std::string text_of(const TraceLaw& law);
/// "24.03 machines on average, 10 to 32".
[[nodiscard]] std::string machines_text(const TraceSummary& summary);
/// "11 h 22 min", "45 d 13 h".
[[nodiscard]] std::string text_of_span_ms(double span_ms);

}  // namespace planaria::cli
