// Forms F and G: counts by the clock on the wall. Times count from the earliest.
#include <algorithm>
#include <map>
#include <utility>

#include <fmt/format.h>

#include "availability/clock_time.hpp"
#include "availability/trace_forms.hpp"
#include "availability/trace_rows.hpp"

namespace planaria {
namespace {

/// A silence longer than so many usual ones is a gap.
constexpr std::int64_t gap_ticks = 3;
constexpr std::int64_t day_ms = 86'400'000;
constexpr const char* time_allowed = "a time such as 2031-01-02 03:04:05";

/// The distances between a record and the one before it, and the line of the later one.
using Distances = std::vector<std::pair<std::int64_t, std::int64_t>>;

Distances distances_of(const std::vector<CountRecord>& records, OddityCounts& oddities) {
  Distances distances;
  for (std::size_t i = 1; i < records.size(); ++i) {
    const std::int64_t distance_ms = records[i].at_ms - records[i - 1].at_ms;
    if (distance_ms == 0) {
      oddities.note("repeated_time", std::max(records[i].line, records[i - 1].line));
    } else {
      distances.emplace_back(distance_ms, records[i].line);
    }
  }
  return distances;
}

void note_gaps(Distances distances, OddityCounts& oddities) {
  if (distances.empty()) return;
  Distances sorted = distances;
  const auto middle = sorted.begin() + static_cast<std::ptrdiff_t>((sorted.size() - 1) / 2);
  std::nth_element(sorted.begin(), middle, sorted.end());
  for (const auto& [distance_ms, line] : distances) {
    if (distance_ms > gap_ticks * middle->first) oddities.note("gap", line);
  }
}

/// Whatever is not the commonest distance.
void note_uneven(const Distances& distances, OddityCounts& oddities) {
  std::map<std::int64_t, std::int64_t> times_seen;
  for (const auto& [distance_ms, line] : distances) ++times_seen[distance_ms];
  const auto commonest =
      std::max_element(times_seen.begin(), times_seen.end(),
                       [](const auto& a, const auto& b) { return a.second < b.second; });
  for (const auto& [distance_ms, line] : distances) {
    if (distance_ms != commonest->first) oddities.note("uneven_tick", line);
  }
}

Result<Trace> trace_by_clock(const TraceInput& input, TraceForm form,
                             std::vector<CountRecord> records) {
  if (records.empty()) return nothing_in(input.source);
  sort_by_time(records, input.oddities);
  const std::int64_t begin_ms = records.front().at_ms;
  for (CountRecord& record : records) {
    record.at_ms -= begin_ms;
    if (record.at_ms > TraceLimits::span_ms_max) {
      return refused_at(input.source, {record.line, 1}, "days since the earliest row",
                        fmt::to_string(record.at_ms / day_ms), "at most 1000");
    }
  }
  const Distances distances = distances_of(records, input.oddities);
  note_gaps(distances, input.oddities);
  if (form == TraceForm::availability) note_uneven(distances, input.oddities);
  return trace_of_counts(form, records, input.source);
}

}  // namespace

Result<Trace> read_availability(const TraceInput& input) {
  RowReader rows(input.text, input.source);
  std::vector<CountRecord> records;
  for (bool is_first = true;; is_first = false) {
    PLANARIA_TRY(row, rows.next(2, "date,availability"));
    if (!row) break;
    const RowField& when = row->fields[0];
    if (is_first && when.text == "date" && row->fields[1].text == "availability") continue;
    const bool has_date = when.text.size() == 19 && when.text[10] == ' ';
    const auto at_ms = has_date ? clock_ms(when.text.substr(0, 10), when.text.substr(11))
                                : std::optional<std::int64_t>();
    if (!at_ms) {
      return refused_at(input.source, {row->line, when.column}, "date", when.text, time_allowed);
    }
    const RowField& state = row->fields[1];
    if (state.text != "0" && state.text != "1") {
      return refused_at(input.source, {row->line, state.column}, "availability", state.text,
                        "0 or 1");
    }
    records.push_back({*at_ms, (state.text == "1") != input.reading.inverted ? 1 : 0, row->line});
  }
  return trace_by_clock(input, TraceForm::availability, std::move(records));
}

Result<Trace> read_count_log(const TraceInput& input) {
  RowReader rows(input.text, input.source);
  std::vector<CountRecord> records;
  while (true) {
    PLANARIA_TRY(row, rows.next(3, "date, time, count"));
    if (!row) break;
    const RowField& date = row->fields[0];
    const auto at_ms = clock_ms(date.text, row->fields[1].text);
    if (!at_ms) {
      const bool is_date = clock_ms(date.text, "00:00:00").has_value();
      const RowField& wrong = row->fields[is_date ? 1 : 0];
      return refused_at(input.source, {row->line, wrong.column}, is_date ? "time" : "date",
                        wrong.text,
                        is_date ? "a time such as 03:04:05" : "a date such as 2031-01-02");
    }
    PLANARIA_TRY(count, whole_field(input.source, *row, 2, "count", TraceLimits::machines_max));
    records.push_back({*at_ms, static_cast<int>(count), row->line});
  }
  return trace_by_clock(input, TraceForm::count_log, std::move(records));
}

}  // namespace planaria
