// What reads records of machines, and what is done with them.
#include <algorithm>
#include <cmath>
#include <cstdint>
#include <string>

#include <planaria/availability/describe.hpp>
#include <planaria/availability/generate.hpp>
#include <planaria/availability/trace_law.hpp>
#include <planaria/availability/trace_text.hpp>
#include <planaria/availability/trace_writing.hpp>

#include "fuzz/readers.hpp"

namespace planaria::test {
namespace {

/// Refusals name line and column behind the source: "input:2:7: …", here "input: 2:7: …".
Fault refusal_with_place(const Fault& fault) {
  hold_sentence(fault);
  hold(fault.kind == FaultKind::invalid_input, "what is read is refused as bad input");
  const std::string begin = std::string(source_name) + ":";
  hold(fault.sentence.starts_with(begin), "a refusal names its source first: " + fault.sentence);
  const std::string rest = fault.sentence.substr(begin.size());
  return Fault::invalid_input(begin + (rest.starts_with(' ') ? rest : " " + rest));
}

void hold_counts(const Trace& trace) {
  std::int64_t count = trace.initial;
  std::int64_t before_ms = trace.first_ms;
  hold(trace.first_ms >= 0 && trace.end_ms >= trace.first_ms, "a record does not end before");
  for (const TraceChange& change : trace.changes) {
    hold(change.at_ms > before_ms && change.at_ms <= trace.end_ms, "changes rise, up to the end");
    hold(change.joined >= 0 && change.lost >= 0 && change.joined + change.lost > 0,
         "a change changes something");
    count += change.joined - change.lost;
    hold(count >= 0 && count <= TraceLimits::machines_max, "counts are within the limits");
    before_ms = change.at_ms;
  }
  std::int64_t still_there = 0;
  for (const MachineLife& life : trace.lives) {
    hold(!life.to_ms || *life.to_ms >= life.from_ms, "nobody goes before coming");
    still_there += life.to_ms ? 0 : 1;
  }
  hold(trace.lives.empty() || still_there == count, "who is still there makes up the count");
  for (const TraceOddity& oddity : trace.oddities) {
    hold(oddity.count > 0 && oddity.first_line > 0, "what is odd is somewhere");
  }
}

void hold_summary(const Trace& trace) {
  const TraceSummary summary = describe(trace);
  hold(summary.min >= 0 && summary.min <= summary.max, "the fewest are no more than the most");
  hold(summary.mean >= summary.min - 1e-9 && summary.mean <= summary.max + 1e-9,
       "the mean is between them");
  static_cast<void>(to_json(summary).dump());
}

/// Written in either form and read back, the counts are the same.
void hold_written_back(const Trace& trace) {
  const std::int64_t step_ms = std::max<std::int64_t>((trace.end_ms - trace.first_ms) / 500, 1);
  const auto counts = counts_text(trace, step_ms);
  // A last tick may end behind the longest record there is.
  if (!counts && trace.end_ms - trace.first_ms > TraceLimits::span_ms_max - step_ms) return;
  hold(counts.ok(), "five hundred ticks can be written");
  const auto from_counts = trace_from_text(counts.value(), source_name, {});
  hold(from_counts.ok(), "counts that were written are read back");
  hold(counts_on_grid(from_counts.value(), step_ms) == counts_on_grid(trace, step_ms),
       "counts that were written read back as the same");
  const std::string events = events_text(trace);
  if (events.empty()) return;
  const auto from_events = trace_from_text(events, source_name, {});
  if (!from_events) throw BrokenPromise("events are refused: " + from_events.fault().sentence);
  const std::vector<TraceChange>& changes = from_events.value().changes;
  // A record that begins without machines begins with its first in form A.
  const std::size_t ahead = from_events.value().first_ms == trace.first_ms ? 0 : 1;
  hold(changes.size() + ahead == trace.changes.size() &&
           std::equal(changes.begin(), changes.end(),
                      trace.changes.begin() + static_cast<std::ptrdiff_t>(ahead)),
       "events that were written read back as the same: " + events);
}

void hold_law(const Trace& trace) {
  const auto law = fit_law(trace);
  if (!law) {
    hold_sentence(law.fault());
    return;
  }
  constexpr int few = 50;
  hold(verify(law.value()).ok() || law.value().machines_max == 0, "a law that is found is one");
  if (law.value().machines_max > few || law.value().initial > few) return;
  const auto made = generate(law.value(), {.hours = 2, .seed = 3});
  hold(made.ok(), "a trace is drawn from it");
  hold_counts(made.value());
}

}  // namespace

std::optional<Fault> read_trace_text(std::string_view text) {
  for (const TraceForm form :
       {TraceForm::events, TraceForm::replay, TraceForm::count_events, TraceForm::staircase,
        TraceForm::counts, TraceForm::availability, TraceForm::count_log, TraceForm::probes}) {
    const auto forced = trace_from_text(text, source_name, {.form = form, .strict = true});
    if (!forced) static_cast<void>(refusal_with_place(forced.fault()));
    if (forced) hold(forced.value().oddities.empty(), "nothing odd is taken with --strict");
  }
  const auto trace = trace_from_text(text, source_name, {});
  if (!trace) return refusal_with_place(trace.fault());
  hold_counts(trace.value());
  hold_summary(trace.value());
  hold_written_back(trace.value());
  hold_law(trace.value());
  return std::nullopt;
}

}  // namespace planaria::test
