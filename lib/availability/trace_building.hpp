// availability/trace_building.hpp: what readers found, in any order, made a Trace. Private.
#pragma once

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <map>
#include <string>
#include <vector>

#include <planaria/availability/trace.hpp>
#include <planaria/base/result.hpp>

namespace planaria {

/// Counts what is odd, by kind.
class OddityCounts {
 public:
  void note(const std::string& kind, std::int64_t line);
  /// By first line, then by kind.
  [[nodiscard]] std::vector<TraceOddity> found() const;

 private:
  std::map<std::string, TraceOddity> by_kind_;
};

/// So many machines were there at a moment.
struct CountRecord {
  std::int64_t at_ms = 0;
  int count = 0;
  std::int64_t line = 0;
};

/// One machine came or went.
struct NodeRecord {
  std::int64_t at_ms = 0;
  bool joins = false;
  std::string name;
  std::int64_t line = 0;
};

/// Brings records into the order of their times, those of one time as in the file; notes each that
/// is earlier than the one before it in the file.
template <class Record>
void sort_by_time(std::vector<Record>& records, OddityCounts& oddities) {
  for (std::size_t i = 1; i < records.size(); ++i) {
    if (records[i].at_ms < records[i - 1].at_ms) oddities.note("backward_time", records[i].line);
  }
  std::stable_sort(records.begin(), records.end(),
                   [](const Record& a, const Record& b) { return a.at_ms < b.at_ms; });
}

/// Returns the trace that ends with the last record (one at least, sorted): the last of a time
/// counts.
[[nodiscard]] Result<Trace> trace_of_counts(TraceForm form, const std::vector<CountRecord>& records,
                                            const std::string& source);

/// Returns the trace of machines with names (records sorted, none before first_ms), which ends with
/// the last record. Within one time the order means nothing. Notes machines that join twice, go
/// unknown, or come back.
[[nodiscard]] Result<Trace> trace_of_nodes(TraceForm form, std::int64_t first_ms,
                                           const std::vector<NodeRecord>& records,
                                           const std::string& source, OddityCounts& oddities);

}  // namespace planaria
