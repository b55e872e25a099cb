// Form A: milliseconds,add|remove,node.
#include <utility>

#include "availability/trace_forms.hpp"
#include "availability/trace_rows.hpp"

namespace planaria {
namespace {

Result<NodeRecord> record_of(const TraceRow& row, const std::string& source) {
  NodeRecord record;
  record.line = row.line;
  PLANARIA_TRY(at_ms, whole_field(source, row, 0, "milliseconds", TraceLimits::span_ms_max));
  record.at_ms = at_ms;
  const RowField& what = row.fields[1];
  if (what.text != "add" && what.text != "remove") {
    return refused_at(source, {row.line, what.column}, "event", what.text, "add or remove");
  }
  record.joins = what.text == "add";
  const RowField& name = row.fields[2];
  if (!is_node_name(name.text)) {
    return refused_at(source, {row.line, name.column}, "node", name.text, node_name_allowed);
  }
  record.name = name.text;
  return record;
}

}  // namespace

Result<Trace> read_events(const TraceInput& input) {
  RowReader rows(input.text, input.source);
  std::vector<NodeRecord> records;
  while (true) {
    PLANARIA_TRY(row, rows.next(3, "milliseconds,add|remove,node"));
    if (!row) break;
    PLANARIA_TRY(record, record_of(*row, input.source));
    records.push_back(std::move(record));
  }
  if (records.empty()) return nothing_in(input.source);
  sort_by_time(records, input.oddities);
  return trace_of_nodes(TraceForm::events, records.front().at_ms, records, input.source,
                        input.oddities);
}

}  // namespace planaria
