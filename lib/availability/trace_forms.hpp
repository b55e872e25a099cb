// availability/trace_forms.hpp: a reader for each form of record. Private.
#pragma once

#include <string>
#include <string_view>
#include <vector>

#include <planaria/availability/trace_text.hpp>
#include <planaria/base/result.hpp>

#include "availability/trace_building.hpp"

namespace planaria {

/// One file's text, and where what is odd in it is counted.
struct TraceInput {
  std::string_view text;
  const std::string& source;
  const TraceReading& reading;
  OddityCounts& oddities;
};

/// What a node may be called, in the forms that name them.
inline constexpr const char* node_name_allowed = "a name of 1 to 100 bytes";
[[nodiscard]] inline bool is_node_name(std::string_view name) {
  return !name.empty() && name.size() <= 100;
}

[[nodiscard]] Fault nothing_in(const std::string& source);

// Each reads its own form and nothing else; the trace's oddities are still to be filled in.
[[nodiscard]] Result<Trace> read_events(const TraceInput& input);
[[nodiscard]] Result<Trace> read_replay(const TraceInput& input);
[[nodiscard]] Result<Trace> read_count_events(const TraceInput& input);
[[nodiscard]] Result<Trace> read_staircase(const TraceInput& input);
[[nodiscard]] Result<Trace> read_tick_counts(const TraceInput& input);
[[nodiscard]] Result<Trace> read_availability(const TraceInput& input);
[[nodiscard]] Result<Trace> read_count_log(const TraceInput& input);
[[nodiscard]] Result<Trace> read_rounds(const std::vector<RoundFile>& files,
                                        const std::string& source, const TraceReading& reading,
                                        OddityCounts& oddities);

/// Returns the form that the text has, or a refusal that points at its first line.
[[nodiscard]] Result<TraceForm> detected_form(std::string_view text, const std::string& source);

}  // namespace planaria
