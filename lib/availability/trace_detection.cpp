// Tells the forms apart by their content.
#include <algorithm>
#include <array>
#include <cstddef>
#include <utility>

#include <fmt/format.h>

#include <planaria/base/text.hpp>

#include "availability/clock_time.hpp"
#include "availability/trace_forms.hpp"
#include "availability/trace_rows.hpp"

namespace planaria {
namespace {

constexpr std::array<std::pair<TraceForm, const char*>, 8> names{
    {{TraceForm::events, "events"},
     {TraceForm::replay, "replay"},
     {TraceForm::count_events, "count-events"},
     {TraceForm::staircase, "staircase"},
     {TraceForm::counts, "counts"},
     {TraceForm::availability, "availability"},
     {TraceForm::count_log, "count-log"},
     {TraceForm::probes, "probes"}}};

bool is_number(std::string_view text) {
  return milliseconds_from(text, 1, INT64_MAX / 100).has_value();
}

/// Rows of two numbers: a count after each event changes in every row; a staircase repeats the
/// count wherever the time is new.
Result<TraceForm> form_of_counts(std::string_view text, const std::string& source) {
  RowReader rows(text, source);
  std::string before_time;
  std::string before_count;
  std::int64_t repeats = 0;
  std::int64_t changes = 0;
  std::int64_t first_change = 0;
  for (bool is_first = true;; is_first = false) {
    PLANARIA_TRY(row, rows.next(2, "time,count"));
    if (!row) break;
    const std::string_view time = row->fields[0].text;
    const std::string_view count = row->fields[1].text;
    if (time.find('.') != std::string_view::npos) return TraceForm::staircase;
    if (!is_first && time != before_time) {
      if (count != before_count && changes++ == 0) first_change = row->line;
      if (count == before_count) ++repeats;
    }
    before_time = time;
    before_count = count;
  }
  if (repeats == 0) return TraceForm::count_events;
  if (changes == 0) return TraceForm::staircase;
  return Fault::invalid_input(
      fmt::format("{}:{}:1: row: changes the count where others repeat it, must be told by "
                  "--trace-kind: count-events or staircase",
                  source, first_change));
}

}  // namespace

const char* name_of(TraceForm form) {
  for (const auto& [one, name] : names) {
    if (one == form) return name;
  }
  return "unknown";
}

std::optional<TraceForm> trace_form_named(std::string_view name) {
  for (const auto& [form, one] : names) {
    if (one == name) return form;
  }
  return std::nullopt;
}

std::string trace_form_names() {
  std::vector<std::string> all;
  for (const auto& [form, name] : names) all.emplace_back(name);
  return join(all, ", ");
}

Result<TraceForm> detected_form(std::string_view text, const std::string& source) {
  RowReader rows(text, source);
  const auto line = rows.next_line();
  if (!line) return nothing_in(source);
  const std::size_t begin = line->find_first_not_of(" \t");
  if ((*line)[begin] == '[') return TraceForm::replay;
  if ((*line)[begin] == '{') {
    return text.find("\"zone_results\"") == std::string_view::npos ? TraceForm::counts
                                                                   : TraceForm::probes;
  }
  const auto fields = static_cast<std::size_t>(std::count(line->begin(), line->end(), ',')) + 1;
  if (fields == 2 || fields == 3) {
    RowReader again(text, source);
    PLANARIA_TRY(row, again.next(fields, ""));
    const std::string_view first = row->fields[0].text;
    const std::string_view second = row->fields[1].text;
    if (first == "date" || (fields == 2 && clock_ms(first.substr(0, 10), "00:00:00"))) {
      return TraceForm::availability;
    }
    if (fields == 3 && clock_ms(first, "00:00:00")) return TraceForm::count_log;
    if (fields == 3 && (is_number(first) || second == "add" || second == "remove")) {
      return TraceForm::events;
    }
    if (fields == 2 && (is_number(first) || is_number(second))) {
      return form_of_counts(text, source);
    }
  }
  return refused_at(source, {rows.line(), static_cast<std::int64_t>(begin) + 1}, "row", *line,
                    "of one of the forms " + trace_form_names());
}

}  // namespace planaria
