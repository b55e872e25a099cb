// Form B: JSON lines, [milliseconds, "add"|"remove"|…, {"nodes": [...], "duration": ms, …}].
#include <algorithm>
#include <optional>
#include <utility>

#include <fmt/format.h>

#include <planaria/base/json.hpp>
#include <planaria/base/text.hpp>

#include "availability/trace_forms.hpp"
#include "availability/trace_rows.hpp"

namespace planaria {
namespace {

/// One line: when, how long, and who came or went.
struct ReplayRecord {
  std::int64_t at_ms = 0;
  std::optional<std::int64_t> lasts_ms;
  std::int64_t line = 0;
  bool joins = false;
  std::vector<std::string> nodes;
};

std::optional<std::int64_t> whole_of(const Json& value, std::int64_t low) {
  if (!value.is_number_unsigned()) return std::nullopt;
  const auto number = value.get<std::uint64_t>();
  if (number > static_cast<std::uint64_t>(TraceLimits::span_ms_max)) return std::nullopt;
  const auto whole = static_cast<std::int64_t>(number);
  return whole >= low ? std::optional(whole) : std::nullopt;
}

/// Reads one line's parts; every refusal names the line and the part.
class RecordReader {
 public:
  RecordReader(const std::string& source, std::int64_t line) : source_(source), line_(line) {}

  Result<ReplayRecord> read(std::string_view text) const {
    PLANARIA_TRY(json, parse_json(text, fmt::format("{}:{}:1", source_, line_),
                                  {.depth_max = 8, .list_max = TraceLimits::machines_max}));
    if (!json.is_array() || json.size() != 3) {
      return refused("record", json, "[milliseconds, event, {…}]");
    }
    ReplayRecord record;
    record.line = line_;
    const auto at_ms = whole_of(json[0], 0);
    if (!at_ms) {
      return refused("[0]", json[0],
                     fmt::format("a whole number from 0 to {}", TraceLimits::span_ms_max));
    }
    record.at_ms = *at_ms;
    const std::string event = json[1].is_string() ? json[1].get<std::string>() : "";
    const bool is_change = event == "add" || event == "remove";
    if (!is_change && event != "no-op" && event != "migration" && event != "other" &&
        event != "DONE") {
      return refused("[1]", json[1], "add, remove, no-op, migration, other or DONE");
    }
    record.joins = event == "add";
    if (!json[2].is_object()) return refused("[2]", json[2], "an object");
    if (json[2].contains("duration")) {
      record.lasts_ms = whole_of(json[2]["duration"], 1);
      if (!record.lasts_ms) {
        return refused("[2].duration", json[2]["duration"],
                       fmt::format("a whole number from 1 to {}", TraceLimits::span_ms_max));
      }
    }
    PLANARIA_TRY_VOID(read_nodes(json[2], is_change, record));
    return record;
  }

 private:
  Result<void> read_nodes(const Json& fields, bool is_change, ReplayRecord& record) const {
    const Json nodes = fields.value("nodes", is_change ? Json() : Json::array());
    if (!nodes.is_array()) return refused("[2].nodes", nodes, "a list of names");
    if (!is_change && !nodes.empty()) {
      return refused("[2].nodes", nodes, "empty where nobody is added or removed");
    }
    for (const Json& node : nodes) {
      if (!node.is_string() || !is_node_name(node.get_ref<const std::string&>())) {
        return refused("[2].nodes", node, node_name_allowed);
      }
      record.nodes.push_back(node.get<std::string>());
    }
    return {};
  }
  [[nodiscard]] Fault refused(const char* what, const Json& value,
                              const std::string& allowed) const {
    return refused_at(source_, {line_, 1}, what,
                      value.dump(-1, ' ', false, Json::error_handler_t::replace), allowed);
  }

  const std::string& source_;
  std::int64_t line_;
};

/// A record that says how long it lasts should end where the next begins.
void note_seams(const std::vector<ReplayRecord>& records, OddityCounts& oddities) {
  for (std::size_t i = 1; i < records.size(); ++i) {
    if (!records[i - 1].lasts_ms) continue;
    const std::int64_t end_ms = records[i - 1].at_ms + *records[i - 1].lasts_ms;
    if (records[i].at_ms > end_ms) oddities.note("gap", records[i].line);
    if (records[i].at_ms < end_ms) oddities.note("overlap", records[i].line);
  }
}

}  // namespace

Result<Trace> read_replay(const TraceInput& input) {
  RowReader rows(input.text, input.source);
  std::vector<ReplayRecord> records;
  std::size_t nodes = 0;
  while (const auto line = rows.next_line()) {
    PLANARIA_TRY(record, RecordReader(input.source, rows.line()).read(*line));
    nodes += record.nodes.size();
    records.push_back(std::move(record));
    if (std::max(records.size(), nodes) > TraceLimits::records_max) {
      return refused_at(input.source, {rows.line(), 1}, "records and nodes", "too many",
                        fmt::format("at most {}", TraceLimits::records_max));
    }
  }
  if (records.empty()) return nothing_in(input.source);
  sort_by_time(records, input.oddities);
  note_seams(records, input.oddities);
  std::vector<NodeRecord> changes;
  for (const ReplayRecord& record : records) {
    for (const std::string& name : record.nodes) {
      changes.push_back({record.at_ms, record.joins, name, record.line});
    }
  }
  PLANARIA_TRY(trace, trace_of_nodes(TraceForm::replay, records.front().at_ms, changes,
                                     input.source, input.oddities));
  const ReplayRecord& last = records.back();
  trace.end_ms = last.at_ms + last.lasts_ms.value_or(0);
  trace.end_known = !last.lasts_ms;
  return trace;
}

}  // namespace planaria
