// availability/trace_writing.hpp: traces as texts that are read back. Floor 2, pure.
// Is: writers of forms A and E. Is not: a file (write_file_atomically). No state, any thread.
#pragma once

#include <cstdint>
#include <optional>
#include <string>

#include <planaria/availability/trace.hpp>
#include <planaria/base/result.hpp>

namespace planaria {

/// Returns form A. Machines without names, or with names that a row cannot hold, are node1, node2,
/// …, and who has been there longest goes first. Form A ends with its last event, and begins with
/// its first: what lies without changes around them is lost.
[[nodiscard]] std::string events_text(const Trace& trace);

/// Returns form E, a count every `tick_ms`; without one, every longest tick that no change falls
/// between. invalid_input: that would be more than 2,000,000 ticks, or end after 1000 days.
[[nodiscard]] Result<std::string> counts_text(const Trace& trace,
                                              std::optional<std::int64_t> tick_ms);

}  // namespace planaria
