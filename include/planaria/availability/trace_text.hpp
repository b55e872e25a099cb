// availability/trace_text.hpp: records of machines as they are published, read into a Trace. Floor
// 2, pure but for read_trace().
// Is: readers of the eight forms (docs/availability.md), which are told apart by their content.
// Is not: what a trace says (describe.hpp). No state, any thread.
#pragma once

#include <cstddef>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include <planaria/availability/trace.hpp>
#include <planaria/base/result.hpp>

namespace planaria {

/// What a record may hold; more is refused.
struct TraceLimits {
  static constexpr std::size_t bytes_max = std::size_t{1} << 26;
  static constexpr std::size_t records_max = 2'000'000;        // rows, ticks
  static constexpr std::size_t rounds_max = 100'000;           // files of form H
  static constexpr int machines_max = 10'000;                  // at once
  static constexpr std::int64_t span_ms_max = 86'400'000'000;  // 1000 days
  static constexpr std::int64_t turnover_max = 1'000'000'000;  // machines that came, and that went
};

/// What the numbers of a staircase (form D) count; the file does not say.
enum class TimeUnit { seconds, hours };

struct TraceReading {
  /// Nothing: by the content.
  std::optional<TraceForm> form;
  /// Refuses what is odd, with the line where it is first.
  bool strict = false;
  /// Forms E and F with 0 and 1 alone: 1 means preempted.
  bool inverted = false;
  /// Nothing: hours where any time has a decimal point, else seconds.
  std::optional<TimeUnit> time_unit;
  /// Of form H; "all" is the sum over all zones.
  std::string zone = "all";
};

/// Returns the form's name as options and answers write it, e.g. "count-events".
[[nodiscard]] const char* name_of(TraceForm form);
/// Returns the form of that name, or nothing.
[[nodiscard]] std::optional<TraceForm> trace_form_named(std::string_view name);
/// Returns all names, with commas between.
[[nodiscard]] std::string trace_form_names();

/// Reads one file's text; invalid_input says in one sentence where (`source`:line:column), what is
/// there and what is allowed. What is odd and can be read over is counted in the trace's oddities.
/// O(rows log rows).
[[nodiscard]] Result<Trace> trace_from_text(std::string_view text, const std::string& source,
                                            const TraceReading& reading);

/// One file of form H.
struct RoundFile {
  std::string name;
  std::string text;
};

/// Reads the files of form H, in any order, as one record; `source` names them together.
[[nodiscard]] Result<Trace> trace_from_rounds(const std::vector<RoundFile>& files,
                                              const std::string& source,
                                              const TraceReading& reading);

/// Reads a file, or the files of a folder that end in ".json" as form H. unavailable: it cannot be
/// read.
[[nodiscard]] Result<Trace> read_trace(const std::string& path, const TraceReading& reading);

}  // namespace planaria
