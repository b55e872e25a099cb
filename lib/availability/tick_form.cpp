// Form E: {"metadata": {"gap_seconds": 300}, "data": [4, 4, 0, …]}.
#include <cmath>
#include <cstddef>
#include <optional>

#include <fmt/format.h>

#include <planaria/base/json.hpp>

#include "availability/trace_forms.hpp"
#include "availability/trace_rows.hpp"

namespace planaria {
namespace {

Fault refused(const std::string& source, const std::string& path, const Json& value,
              const std::string& allowed) {
  return refused_at(source, {1, 1}, path,
                    value.dump(-1, ' ', false, Json::error_handler_t::replace), allowed);
}

Result<std::int64_t> gap_ms_of(const Json& json, const std::string& source) {
  const Json metadata = json.value("metadata", Json());
  if (!metadata.is_object()) return refused(source, "metadata", metadata, "an object");
  const Json gap = metadata.value("gap_seconds", Json());
  const double gap_ms = gap.is_number() ? gap.get<double>() * 1000 : 0;
  if (!(gap_ms >= 1 && gap_ms <= static_cast<double>(TraceLimits::span_ms_max))) {
    return refused(source, "metadata.gap_seconds", gap,
                   fmt::format("a number from 0.001 to {}", TraceLimits::span_ms_max / 1000));
  }
  return std::llround(gap_ms);
}

std::optional<int> count_of(const Json& value, int high) {
  if (!value.is_number_unsigned()) return std::nullopt;
  const auto count = value.get<std::uint64_t>();
  return count <= static_cast<std::uint64_t>(high) ? std::optional(static_cast<int>(count))
                                                   : std::nullopt;
}

/// What is derived from such files looks like them and says the opposite: 1 is preempted.
bool may_be_inverted(const Json& json) {
  return json.contains("prices") || json["metadata"].contains("price_info");
}

}  // namespace

Result<Trace> read_tick_counts(const TraceInput& input) {
  const JsonLimits limits{.depth_max = 16, .list_max = TraceLimits::records_max};
  PLANARIA_TRY(json, parse_json(input.text, input.source, limits));
  if (!json.is_object()) return refused(input.source, "top level", json, "an object");
  PLANARIA_TRY(gap_ms, gap_ms_of(json, input.source));
  const auto data = json.find("data");
  if (data == json.end() || !data->is_array() || data->empty()) {
    return refused(input.source, "data", data == json.end() ? Json() : *data,
                   "a list of one count at least");
  }
  const std::int64_t ticks_max = TraceLimits::span_ms_max / gap_ms;
  if (static_cast<std::int64_t>(data->size()) > ticks_max) {
    return refused(input.source, "data", data->size(),
                   fmt::format("at most {} ticks, 1000 days", ticks_max));
  }
  const int high = input.reading.inverted ? 1 : TraceLimits::machines_max;
  std::vector<CountRecord> records;
  for (std::size_t i = 0; i < data->size(); ++i) {
    const auto count = count_of((*data)[i], high);
    if (!count) {
      return refused(input.source, fmt::format("data[{}]", i), (*data)[i],
                     fmt::format("a whole number from 0 to {}", high));
    }
    records.push_back(
        {static_cast<std::int64_t>(i) * gap_ms, input.reading.inverted ? 1 - *count : *count, 1});
  }
  if (may_be_inverted(json) && !input.reading.inverted) input.oddities.note("sense_untold", 1);
  PLANARIA_TRY(trace, trace_of_counts(TraceForm::counts, records, input.source));
  trace.end_ms = static_cast<std::int64_t>(records.size()) * gap_ms;
  trace.end_known = false;
  return trace;
}

}  // namespace planaria
