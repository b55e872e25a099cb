#include <planaria/availability/trace_writing.hpp>

#include <algorithm>
#include <cstddef>
#include <deque>
#include <numeric>
#include <set>
#include <tuple>
#include <vector>

#include <fmt/format.h>

#include <planaria/availability/trace_text.hpp>

namespace planaria {
namespace {

/// Names of a trace that a row of form A holds, each there once.
bool has_row_names(const Trace& trace) {
  std::set<std::string_view> names;
  for (const MachineLife& life : trace.lives) {
    if (life.name.find_first_of(",\r\n") != std::string::npos) return false;
    if (life.name.front() == ' ' || life.name.front() == '\t') return false;
    if (life.name.back() == ' ' || life.name.back() == '\t') return false;
    if (!names.insert(life.name).second) return false;
  }
  return !trace.lives.empty();
}

/// Who has been there longest goes first.
std::vector<MachineLife> made_up_lives(const Trace& trace) {
  std::vector<MachineLife> lives;
  std::deque<std::size_t> there;
  const auto join = [&](std::int64_t at_ms, int machines) {
    for (int i = 0; i < machines; ++i) {
      there.push_back(lives.size());
      lives.push_back({fmt::format("node{}", lives.size() + 1), at_ms, std::nullopt});
    }
  };
  join(trace.first_ms, trace.initial);
  for (const TraceChange& change : trace.changes) {
    join(change.at_ms, change.joined);
    for (int i = 0; i < change.lost; ++i) {
      lives[there.front()].to_ms = change.at_ms;
      there.pop_front();
    }
  }
  return lives;
}

/// The longest tick that meets the end and every change.
std::int64_t exact_tick_ms(const Trace& trace) {
  std::int64_t tick_ms = trace.end_ms - trace.first_ms;
  for (const TraceChange& change : trace.changes) {
    tick_ms = std::gcd(tick_ms, change.at_ms - trace.first_ms);
  }
  return std::max<std::int64_t>(tick_ms, 1);
}

}  // namespace

std::string events_text(const Trace& trace) {
  const std::vector<MachineLife> lives = has_row_names(trace) ? trace.lives : made_up_lives(trace);
  // At one time who goes stands before who comes, each in the order of the lives.
  std::vector<std::tuple<std::int64_t, bool, std::size_t>> rows;
  for (std::size_t i = 0; i < lives.size(); ++i) {
    rows.emplace_back(lives[i].from_ms, true, i);
    if (lives[i].to_ms) rows.emplace_back(*lives[i].to_ms, false, i);
  }
  std::sort(rows.begin(), rows.end());
  std::string text;
  for (const auto& [at_ms, joins, life] : rows) {
    text += fmt::format("{},{},{}\n", at_ms, joins ? "add" : "remove", lives[life].name);
  }
  return text;
}

Result<std::string> counts_text(const Trace& trace, std::optional<std::int64_t> tick_ms) {
  const std::int64_t step_ms = tick_ms.value_or(exact_tick_ms(trace));
  const auto ticks = static_cast<std::size_t>((trace.end_ms - trace.first_ms) / step_ms) + 1;
  if (ticks > TraceLimits::records_max) {
    return Fault::invalid_input(fmt::format("tick-s: {}, must be longer: {} ticks are more than {}",
                                            static_cast<double>(step_ms) / 1000, ticks,
                                            TraceLimits::records_max));
  }
  const std::vector<int> counts = counts_on_grid(trace, step_ms);
  if (static_cast<std::int64_t>(counts.size()) > TraceLimits::span_ms_max / step_ms) {
    return Fault::invalid_input(
        fmt::format("tick-s: {}, must be shorter: the last tick would end after 1000 days",
                    static_cast<double>(step_ms) / 1000));
  }
  const double gap_s = static_cast<double>(step_ms) / 1000;
  return fmt::format("{{\"metadata\": {{\"gap_seconds\": {}}}, \"data\": [{}]}}\n", gap_s,
                     fmt::join(counts, ", "));
}

}  // namespace planaria
