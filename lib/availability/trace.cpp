#include <planaria/availability/trace.hpp>

#include <algorithm>
#include <cstddef>

#include <planaria/base/check.hpp>

namespace planaria {
namespace {

std::int64_t last_known_ms(const Trace& trace) {
  return trace.end_known ? trace.end_ms : trace.end_ms - 1;
}

}  // namespace

std::vector<IntervalCounts> intervals_of(const Trace& trace, std::int64_t interval_ms) {
  const auto index_of = [&](std::int64_t at_ms) {
    return static_cast<std::size_t>(at_ms / interval_ms);
  };
  std::vector<IntervalCounts> intervals(index_of(last_known_ms(trace)) + 1);
  intervals[index_of(trace.first_ms)].joined = trace.initial;
  for (const TraceChange& change : trace.changes) {
    IntervalCounts& interval = intervals[index_of(change.at_ms)];
    interval.joined += change.joined;
    interval.lost += change.lost;
  }
  int count = 0;
  for (IntervalCounts& interval : intervals) {
    count += interval.joined - interval.lost;
    interval.count = count;
  }
  return intervals;
}

std::vector<IntervalCounts> intervals_on_grid(const Trace& trace, std::int64_t step_ms) {
  std::vector<IntervalCounts> intervals;
  std::size_t next = 0;
  IntervalCounts interval{trace.initial, 0, trace.initial};
  for (std::int64_t at_ms = trace.first_ms; at_ms <= last_known_ms(trace); at_ms += step_ms) {
    for (; next < trace.changes.size() && trace.changes[next].at_ms <= at_ms; ++next) {
      interval.joined += trace.changes[next].joined;
      interval.lost += trace.changes[next].lost;
      interval.count += trace.changes[next].joined - trace.changes[next].lost;
    }
    intervals.push_back(interval);
    interval = {0, 0, interval.count};
  }
  return intervals;
}

std::vector<IntervalCounts> sum_of_zones(std::span<const std::vector<IntervalCounts>> zones) {
  check(!zones.empty(), "a sum needs a zone");
  std::size_t length = zones.front().size();
  for (const auto& zone : zones) length = std::min(length, zone.size());
  std::vector<IntervalCounts> sum(length);
  for (const auto& zone : zones) {
    for (std::size_t t = 0; t < length; ++t) {
      sum[t].joined += zone[t].joined;
      sum[t].lost += zone[t].lost;
      sum[t].count += zone[t].count;
    }
  }
  return sum;
}

std::vector<int> counts_on_grid(const Trace& trace, std::int64_t step_ms) {
  std::vector<int> counts;
  for (const IntervalCounts& interval : intervals_on_grid(trace, step_ms)) {
    counts.push_back(interval.count);
  }
  return counts;
}

}  // namespace planaria
