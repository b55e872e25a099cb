// Values that come from JSON and go back there.
#pragma once

#include <string>
#include <string_view>

#include <planaria/base/json.hpp>

#include "fuzz/readers.hpp"

namespace planaria::test {

/// Holds a reader's refusal to what all of them promise, and returns it.
std::optional<Fault> refusal_of(const Fault& fault);

/// Reads a file's text as the commands do.
template <class Value>
Result<Value> read_value(std::string_view text,
                         Result<Value> (*from_json)(const Json&, const std::string&)) {
  PLANARIA_TRY(json, parse_json(text, source_name, json_file_limits));
  return from_json(json, source_name);
}

/// Holds that what `written` makes of `value` reads back as the same.
template <class Value, class Written>
void hold_written_back(const Value& value,
                       Result<Value> (*from_json)(const Json&, const std::string&),
                       const Written& written) {
  const std::string text = written(value).dump();
  const auto again = read_value(text, from_json);
  if (!again) throw BrokenPromise("what was written is refused: " + again.fault().sentence);
  hold(again.value() == value, "what was written reads back as the same: " + text);
}

/// The same of what to_json() makes of it.
template <class Value>
void hold_written_back(const Value& value,
                       Result<Value> (*from_json)(const Json&, const std::string&)) {
  hold_written_back(value, from_json, [](const Value& one) { return to_json(one); });
}

}  // namespace planaria::test
