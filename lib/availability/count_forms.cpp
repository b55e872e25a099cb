// Forms C and D: time,count.
#include <utility>

#include <fmt/format.h>

#include "availability/trace_forms.hpp"
#include "availability/trace_rows.hpp"

namespace planaria {
namespace {

constexpr std::int64_t second_ms = 1000;
constexpr std::int64_t hour_ms = 3'600'000;

/// Rows whose times are still text: their unit may depend on all of them.
Result<std::vector<TraceRow>> rows_of(const TraceInput& input, const char* names) {
  RowReader reader(input.text, input.source);
  std::vector<TraceRow> rows;
  while (true) {
    PLANARIA_TRY(row, reader.next(2, names));
    if (!row) break;
    rows.push_back(std::move(*row));
  }
  if (rows.empty()) return nothing_in(input.source);
  return rows;
}

Result<std::int64_t> time_of(const TraceRow& row, std::int64_t unit_ms, const std::string& source) {
  const RowField& field = row.fields[0];
  const auto at_ms = milliseconds_from(field.text, unit_ms, TraceLimits::span_ms_max);
  if (at_ms) return *at_ms;
  return refused_at(
      source, {row.line, field.column}, unit_ms == hour_ms ? "hours" : "seconds", field.text,
      fmt::format("a number from 0 to {}, as 12 or 12.5", TraceLimits::span_ms_max / unit_ms));
}

std::int64_t unit_of(const TraceInput& input, const std::vector<TraceRow>& rows) {
  if (input.reading.time_unit) {
    return *input.reading.time_unit == TimeUnit::hours ? hour_ms : second_ms;
  }
  for (const TraceRow& row : rows) {
    if (row.fields[0].text.find('.') != std::string_view::npos) return hour_ms;
  }
  return second_ms;
}

/// Where a step is drawn, its first row repeats the count before it, and its second is the last.
void note_steps(const std::vector<CountRecord>& records, OddityCounts& oddities) {
  std::size_t rows = 1;  // of this time so far
  for (std::size_t i = 1; i < records.size(); ++i) {
    const bool is_new = records[i].at_ms != records[i - 1].at_ms;
    rows = is_new ? 1 : rows + 1;
    if (is_new && records[i].count != records[i - 1].count) {
      oddities.note("jump", records[i].line);
    }
    if (rows == 3) oddities.note("shared_time", records[i].line);
  }
}

}  // namespace

Result<Trace> read_count_events(const TraceInput& input) {
  PLANARIA_TRY(rows, rows_of(input, "milliseconds,count"));
  std::vector<CountRecord> records;
  for (const TraceRow& row : rows) {
    PLANARIA_TRY(at_ms,
                 whole_field(input.source, row, 0, "milliseconds", TraceLimits::span_ms_max));
    PLANARIA_TRY(count, whole_field(input.source, row, 1, "count", TraceLimits::machines_max));
    records.push_back({at_ms, static_cast<int>(count), row.line});
  }
  sort_by_time(records, input.oddities);
  return trace_of_counts(TraceForm::count_events, records, input.source);
}

Result<Trace> read_staircase(const TraceInput& input) {
  PLANARIA_TRY(rows, rows_of(input, "time,count"));
  const std::int64_t unit_ms = unit_of(input, rows);
  std::vector<CountRecord> records;
  for (const TraceRow& row : rows) {
    PLANARIA_TRY(at_ms, time_of(row, unit_ms, input.source));
    PLANARIA_TRY(count, whole_field(input.source, row, 1, "count", TraceLimits::machines_max));
    records.push_back({at_ms, static_cast<int>(count), row.line});
  }
  sort_by_time(records, input.oddities);
  note_steps(records, input.oddities);
  return trace_of_counts(TraceForm::staircase, records, input.source);
}

}  // namespace planaria
