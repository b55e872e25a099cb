// availability/trace_rows.hpp: a text as rows of fields that know where they stand. Private.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include <planaria/base/result.hpp>

namespace planaria {

/// Where a refusal points.
struct TracePlace {
  std::int64_t line = 0;
  std::int64_t column = 0;
};

struct RowField {
  std::string_view text;
  std::int64_t column = 0;  // of its first byte, from 1
};

struct TraceRow {
  std::int64_t line = 0;
  std::vector<RowField> fields;  // one at least
};

/// Returns "p3.csv:12:5: <what>: <value>, must be <allowed>" as invalid_input.
[[nodiscard]] Fault refused_at(const std::string& source, TracePlace place, std::string_view what,
                               std::string_view value, std::string_view allowed);

/// Goes through a text's rows, empty ones left out. Lines may end in CR LF; a UTF-8 mark at the
/// begin is no part of the text.
class RowReader {
 public:
  RowReader(std::string_view text, std::string source);

  /// Returns the next line that is not empty, and its number; nothing behind the last.
  std::optional<std::string_view> next_line();
  [[nodiscard]] std::int64_t line() const { return line_; }
  /// Returns the next row, cut at commas, blanks around fields left out; refuses another number of
  /// fields than `fields`, of which `names` tells ("milliseconds,count"), and too many rows.
  Result<std::optional<TraceRow>> next(std::size_t fields, const char* names);
  [[nodiscard]] const std::string& source() const { return source_; }

 private:
  std::string_view rest_;
  std::string source_;
  std::int64_t line_ = 0;
  std::size_t rows_ = 0;
};

/// Returns the digits' number, at most `high`; nothing for all else.
[[nodiscard]] std::optional<std::int64_t> whole_from(std::string_view text, std::int64_t high);
/// Returns digits with perhaps a decimal point and more digits behind, times `unit_ms`, rounded;
/// nothing for all else and above `high_ms`.
[[nodiscard]] std::optional<std::int64_t> milliseconds_from(std::string_view text,
                                                            std::int64_t unit_ms,
                                                            std::int64_t high_ms);
/// Returns the field as a whole number from 0 to `high`, or refuses it.
[[nodiscard]] Result<std::int64_t> whole_field(const std::string& source, const TraceRow& row,
                                               std::size_t field, const char* what,
                                               std::int64_t high);

}  // namespace planaria
