// availability/trace.hpp: how many preemptible machines somebody had, moment by moment. Floor 2,
// pure.
// Is: the value all readers make and everything else reads (trace_text.hpp reads files). Is not: a
// forecast. No state, any thread.
#pragma once

#include <cstdint>
#include <optional>
#include <span>
#include <string>
#include <vector>

namespace planaria {

/// The forms in which records of machines are published (docs/formats.md, "Traces").
enum class TraceForm {
  events,        // A: milliseconds,add|remove,node
  replay,        // B: JSON lines, a record for every minute
  count_events,  // C: milliseconds,count after each single event
  staircase,     // D: time,count, two rows a change
  counts,        // E: JSON, a count per tick
  availability,  // F: date,0|1
  count_log,     // G: date, time, count
  probes,        // H: a folder of JSON files, one a round
};

/// All that came and went at one moment. Where machines have no names, `joined` or `lost` is 0.
struct TraceChange {
  std::int64_t at_ms = 0;
  int joined = 0;
  int lost = 0;
  friend bool operator==(const TraceChange&, const TraceChange&) = default;
};

/// From when to when a named machine was there.
struct MachineLife {
  std::string name;
  std::int64_t from_ms = 0;
  std::optional<std::int64_t> to_ms;  // nothing: still there at the end
  friend bool operator==(const MachineLife&, const MachineLife&) = default;
};

/// Something odd in a file, that was read over: "backward_time", 15 times, first in line 812.
struct TraceOddity {
  std::string kind;
  std::int64_t count = 0;
  std::int64_t first_line = 0;
  friend bool operator==(const TraceOddity&, const TraceOddity&) = default;
};

struct Trace {
  TraceForm form = TraceForm::events;
  std::int64_t first_ms = 0;         // the first stamp; form F, G, H: 0
  int initial = 0;                   // machines at the first stamp
  std::vector<TraceChange> changes;  // ascending, later than first_ms, none without a change
  std::int64_t end_ms = 0;           // where the record ends
  bool end_known = true;  // the count at end_ms itself is on record (ticks: only until then)
  std::vector<MachineLife> lives;  // of named machines, by from_ms, then as in the file; else empty
  std::vector<TraceOddity> oddities;
  friend bool operator==(const Trace&, const Trace&) = default;
};

/// What happened in one interval, and the machines at its end.
struct IntervalCounts {
  int joined = 0;
  int lost = 0;
  int count = 0;
  friend bool operator==(const IntervalCounts&, const IntervalCounts&) = default;
};

/// Returns what happened in each interval of `interval_ms`, from time 0 to that of the last moment
/// on record; the machines at the first stamp join in its interval. Requires interval_ms of 1 at
/// least. O(changes + intervals).
[[nodiscard]] std::vector<IntervalCounts> intervals_of(const Trace& trace,
                                                       std::int64_t interval_ms);

/// Returns counts_on_grid() with what joined and was lost since the point before; the machines at
/// first_ms join in the first. Requires step_ms of 1 at least. O(changes + points).
[[nodiscard]] std::vector<IntervalCounts> intervals_on_grid(const Trace& trace,
                                                            std::int64_t step_ms);

/// Returns what happened in all zones together, as long as all of them are on record: a record's
/// end says nothing of its machines. Requires a zone. O(zones x intervals).
[[nodiscard]] std::vector<IntervalCounts> sum_of_zones(
    std::span<const std::vector<IntervalCounts>> zones);

/// Returns the machines at first_ms, first_ms + step_ms, ... as long as they are on record, each
/// the last count at or before its moment. Requires step_ms of 1 at least. O(changes + points).
[[nodiscard]] std::vector<int> counts_on_grid(const Trace& trace, std::int64_t step_ms);

}  // namespace planaria
