#include "availability/trace_building.hpp"

#include <algorithm>
#include <cstddef>
#include <unordered_map>
#include <utility>

#include <fmt/format.h>

#include <planaria/availability/trace_text.hpp>

#include "availability/trace_rows.hpp"

namespace planaria {
namespace {

/// Refuses more coming and going than sums over any interval can hold.
class Turnover {
 public:
  bool add(const TraceChange& change) {
    joined_ += change.joined;
    lost_ += change.lost;
    return std::max(joined_, lost_) <= TraceLimits::turnover_max;
  }

 private:
  std::int64_t joined_ = 0;
  std::int64_t lost_ = 0;
};

Fault too_much(const std::string& source, std::int64_t line) {
  return refused_at(source, {line, 1}, "machines that came and went", "too many",
                    fmt::format("at most {}", TraceLimits::turnover_max));
}

/// The machines there are, and those that were.
class Machines {
 public:
  Machines(Trace& trace, OddityCounts& oddities) : trace_(trace), oddities_(oddities) {}

  /// Returns whether it could be.
  bool take(const NodeRecord& record, TraceChange& change) {
    const auto [found, is_new] = by_name_.try_emplace(record.name, Known{});
    Known& known = found->second;
    if (record.joins) {
      if (known.present) return false;
      if (!is_new && known.life) oddities_.note("repeated_node", record.line);
      known = {true, trace_.lives.size()};
      trace_.lives.push_back({record.name, record.at_ms, std::nullopt});
      ++change.joined;
      ++count_;
      return true;
    }
    if (!known.present) return false;
    known.present = false;
    trace_.lives[*known.life].to_ms = record.at_ms;
    ++change.lost;
    --count_;
    return true;
  }
  [[nodiscard]] int count() const { return count_; }

 private:
  struct Known {
    bool present = false;
    std::optional<std::size_t> life;
  };
  Trace& trace_;
  OddityCounts& oddities_;
  std::unordered_map<std::string, Known> by_name_;
  int count_ = 0;
};

}  // namespace

void OddityCounts::note(const std::string& kind, std::int64_t line) {
  TraceOddity& oddity = by_kind_[kind];
  if (oddity.count == 0) oddity = {kind, 0, line};
  ++oddity.count;
  oddity.first_line = std::min(oddity.first_line, line);
}

std::vector<TraceOddity> OddityCounts::found() const {
  std::vector<TraceOddity> oddities;
  for (const auto& [kind, oddity] : by_kind_) oddities.push_back(oddity);
  std::stable_sort(
      oddities.begin(), oddities.end(),
      [](const TraceOddity& a, const TraceOddity& b) { return a.first_line < b.first_line; });
  return oddities;
}

Result<Trace> trace_of_counts(TraceForm form, const std::vector<CountRecord>& records,
                              const std::string& source) {
  Trace trace;
  trace.form = form;
  trace.first_ms = records.front().at_ms;
  trace.end_ms = records.back().at_ms;
  Turnover turnover;
  int count = 0;
  for (std::size_t i = 0; i < records.size(); ++i) {
    const CountRecord& record = records[i];
    if (i + 1 < records.size() && records[i + 1].at_ms == record.at_ms) continue;
    if (record.at_ms == trace.first_ms) {
      trace.initial = record.count;
    } else if (record.count != count) {
      const TraceChange change{record.at_ms, std::max(record.count - count, 0),
                               std::max(count - record.count, 0)};
      if (!turnover.add(change)) return too_much(source, record.line);
      trace.changes.push_back(change);
    }
    count = record.count;
  }
  return trace;
}

Result<Trace> trace_of_nodes(TraceForm form, std::int64_t first_ms,
                             const std::vector<NodeRecord>& records, const std::string& source,
                             OddityCounts& oddities) {
  Trace trace;
  trace.form = form;
  trace.first_ms = first_ms;
  trace.end_ms = records.empty() ? first_ms : records.back().at_ms;
  Machines machines(trace, oddities);
  std::vector<const NodeRecord*> deferred;  // what could not be in the file's order
  for (std::size_t i = 0; i < records.size();) {
    TraceChange change{records[i].at_ms, 0, 0};
    deferred.clear();
    for (; i < records.size() && records[i].at_ms == change.at_ms; ++i) {
      if (!machines.take(records[i], change)) deferred.push_back(&records[i]);
    }
    for (const NodeRecord* record : deferred) {
      if (machines.take(*record, change)) continue;
      oddities.note(record->joins ? "duplicate_add" : "unknown_remove", record->line);
    }
    if (machines.count() > TraceLimits::machines_max) {
      return refused_at(source, {records[i - 1].line, 1}, "machines",
                        fmt::to_string(machines.count()),
                        fmt::format("at most {}", TraceLimits::machines_max));
    }
    if (change.at_ms == trace.first_ms) {
      trace.initial = machines.count();
    } else if (change.joined > 0 || change.lost > 0) {
      trace.changes.push_back(change);
    }
  }
  return trace;
}

}  // namespace planaria
