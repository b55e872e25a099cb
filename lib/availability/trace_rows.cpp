#include "availability/trace_rows.hpp"

#include <algorithm>
#include <utility>

#include <fmt/format.h>

#include <planaria/availability/trace_text.hpp>
#include <planaria/base/text.hpp>

namespace planaria {
namespace {

constexpr std::string_view byte_order_mark = "\xef\xbb\xbf";
constexpr std::string_view blanks = " \t\r";

bool is_digit(char c) {
  return c >= '0' && c <= '9';
}

/// The field between two commas, without the blanks around it.
RowField field_of(std::string_view line, std::size_t begin, std::size_t end) {
  while (begin < end && blanks.find(line[begin]) != std::string_view::npos) ++begin;
  while (end > begin && blanks.find(line[end - 1]) != std::string_view::npos) --end;
  return {line.substr(begin, end - begin), static_cast<std::int64_t>(begin) + 1};
}

std::vector<RowField> fields_of(std::string_view line) {
  std::vector<RowField> fields;
  for (std::size_t begin = 0;;) {
    const std::size_t comma = std::min(line.find(',', begin), line.size());
    fields.push_back(field_of(line, begin, comma));
    if (comma == line.size()) return fields;
    begin = comma + 1;
  }
}

}  // namespace

Fault refused_at(const std::string& source, TracePlace place, std::string_view what,
                 std::string_view value, std::string_view allowed) {
  return Fault::invalid_input(fmt::format("{}:{}:{}: {}: {}, must be {}", source, place.line,
                                          place.column, what,
                                          value.empty() ? "empty" : printable(value), allowed));
}

RowReader::RowReader(std::string_view text, std::string source)
    : rest_(text), source_(std::move(source)) {
  if (rest_.starts_with(byte_order_mark)) rest_.remove_prefix(byte_order_mark.size());
}

std::optional<std::string_view> RowReader::next_line() {
  while (!rest_.empty()) {
    const std::size_t end = std::min(rest_.find('\n'), rest_.size());
    const std::string_view line = rest_.substr(0, end);
    rest_.remove_prefix(std::min(end + 1, rest_.size()));
    ++line_;
    if (line.find_first_not_of(blanks) != std::string_view::npos) return line;
  }
  return std::nullopt;
}

Result<std::optional<TraceRow>> RowReader::next(std::size_t fields, const char* names) {
  const auto line = next_line();
  if (!line) return std::optional<TraceRow>();
  TraceRow row{line_, fields_of(*line)};
  if (row.fields.size() != fields) {
    const std::size_t first_over = std::min(fields, row.fields.size() - 1);
    return refused_at(source_, {line_, row.fields[first_over].column}, "row", *line, names);
  }
  if (++rows_ > TraceLimits::records_max) {
    return refused_at(source_, {line_, 1}, "rows", fmt::to_string(rows_),
                      fmt::format("at most {}", TraceLimits::records_max));
  }
  return std::optional<TraceRow>(std::move(row));
}

std::optional<std::int64_t> whole_from(std::string_view text, std::int64_t high) {
  return milliseconds_from(text.find('.') == std::string_view::npos ? text : "", 1, high);
}

std::optional<std::int64_t> milliseconds_from(std::string_view text, std::int64_t unit_ms,
                                              std::int64_t high_ms) {
  const std::size_t point = std::min(text.find('.'), text.size());
  const std::string_view whole = text.substr(0, point);
  const std::string_view part = text.substr(std::min(point + 1, text.size()));
  if (whole.empty() || (point < text.size() && part.empty())) return std::nullopt;
  if (!std::all_of(whole.begin(), whole.end(), is_digit) ||
      !std::all_of(part.begin(), part.end(), is_digit)) {
    return std::nullopt;
  }
  std::int64_t value = 0;
  for (const char c : whole) {
    value = 10 * value + (c - '0');
    if (value > high_ms / unit_ms) return std::nullopt;
  }
  // Digits behind the ninth are below half a millisecond of any unit here.
  std::int64_t fraction = 0;
  std::int64_t scale = 1;
  for (const char c : part.substr(0, 9)) {
    fraction = 10 * fraction + (c - '0');
    scale *= 10;
  }
  const std::int64_t ms = value * unit_ms + (fraction * unit_ms + scale / 2) / scale;
  return ms <= high_ms ? std::optional(ms) : std::nullopt;
}

Result<std::int64_t> whole_field(const std::string& source, const TraceRow& row, std::size_t field,
                                 const char* what, std::int64_t high) {
  const RowField& found = row.fields[field];
  const auto value = whole_from(found.text, high);
  if (value) return *value;
  return refused_at(source, {row.line, found.column}, what, found.text,
                    fmt::format("a whole number from 0 to {}", high));
}

}  // namespace planaria
