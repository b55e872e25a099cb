// availability/describe.hpp: what a trace says in numbers. Floor 2, pure.
// Is: counts, rates and lifetimes as they were measured. Is not: a law to draw from
// (generate.hpp), nor a forecast. No state, any thread.
#pragma once

#include <cstdint>
#include <optional>
#include <vector>

#include <planaria/availability/trace.hpp>
#include <planaria/base/json.hpp>

namespace planaria {

/// Machines that went, or came. Those at the first stamp did not come.
struct TurnoverSummary {
  std::int64_t events = 0;    // moments at which any did
  std::int64_t machines = 0;  // all of them
  int largest = 0;            // most of one moment
  friend bool operator==(const TurnoverSummary&, const TurnoverSummary&) = default;
};

/// From coming to going. A machine that is there at the first stamp counts from then.
struct LifetimeSummary {
  std::optional<double> median_min;  // of those that ended; nothing where none has
  std::optional<double> mean_min;    // of the same
  /// Kaplan-Meier: those still there count as long as they were seen; nothing where more than
  /// half of all outlive the record.
  std::optional<double> kaplan_meier_median_min;
  std::int64_t ended = 0;
  std::int64_t still_there = 0;
};

struct TraceSummary {
  TraceForm form = TraceForm::events;
  std::int64_t duration_ms = 0;
  int initial = 0;
  double mean = 0;  // over time
  int min = 0;
  int max = 0;
  TurnoverSummary preemptions;
  TurnoverSummary allocations;
  std::optional<double> preemptions_per_machine_hour;  // nothing without any machine-hour
  std::optional<LifetimeSummary> lifetimes;            // form A alone: elsewhere names are none
  std::optional<double> spell_above_zero_min;          // median, the last one as far as it was seen
  double share_at_zero = 0;                            // of the time
  double share_at_max = 0;
  std::int64_t longest_zero_ms = 0;
  std::vector<TraceOddity> oddities;
};

/// Returns the trace's summary. O(changes + lives log lives).
[[nodiscard]] TraceSummary describe(const Trace& trace);

/// Returns the object of `planaria trace describe --json`.
[[nodiscard]] Json to_json(const TraceSummary& summary);

/// Returns the least age by which half of all lives have ended by Kaplan-Meier's estimate; nothing
/// where more than half outlive the record.
[[nodiscard]] std::optional<double> kaplan_meier_median_min(const Trace& trace);

}  // namespace planaria
