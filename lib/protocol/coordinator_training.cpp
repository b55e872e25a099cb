// Reports come in until every layer of the step is held; then the step is one record.
#include <algorithm>
#include <cmath>

#include <fmt/format.h>

#include "protocol/commit_record.hpp"
#include "protocol/coordinator_transitions.hpp"

namespace planaria::protocol {
namespace {

using Phase = CoordinatorState::Phase;

// Memory apart, which is measured and not computed.
bool same_content(const Report& a, const Report& b) {
  Report other = b;
  other.resident_bytes = a.resident_bytes;
  return encode(a) == encode(other);
}

std::vector<WorkerId> not_reported(const CoordinatorState& state) {
  std::vector<WorkerId> missing;
  for (const WorkerId worker : active_workers(state)) {
    if (!state.reports.contains(worker)) missing.push_back(worker);
  }
  return missing;
}

void emit_committed(const CoordinatorState& state, const CommitRecord& record, Instant now,
                    Decision& decision) {
  Json resident = Json::object();
  for (const auto& [worker, report] : state.reports) {
    resident[std::to_string(worker.value)] = report.resident_bytes;
  }
  const std::int64_t samples =
      std::int64_t{state.spec->micro_batches} * state.spec->micro_batch_size;
  emit(state, now, "step_committed",
       {{"loss", record.loss},
        {"norm", record.norm},
        {"rate", record.rate},
        {"verdict", record.verdict == Verdict::apply ? "apply" : "skip"},
        {"samples", samples},
        {"step_ms", (now - state.step_began).value},
        {"resident_bytes", std::move(resident)}},
       decision);
  if (record.verdict == Verdict::skip) {
    emit(state, now, "skipped_step", Json::object(), decision);
  }
}

// Sets whether the record is the last, and how the run then ends.
void decide_last(CoordinatorState& state, CommitRecord& record) {
  const auto& spec = *state.spec;
  const bool hopeless = record.verdict == Verdict::skip && record.skips_in_a_row >= spec.skips_max;
  record.last = hopeless || record.step.value >= spec.steps || state.stop_why.has_value();
  if (hopeless) {
    state.outcome = {1, fmt::format("{} steps in a row had no finite gradient norm, the last was "
                                    "step {}",
                                    record.skips_in_a_row, record.step.value)};
  }
}

Decision commit(CoordinatorState& state, Instant now) {
  auto made = commit_step(state);
  if (!made) return end_run(state, 1, made.fault().sentence);
  CommitRecord record = made.value().record;
  decide_last(state, record);
  // The record first: workers wait for it, the ledger and the events do not.
  Decision decision;
  send_to_all(state, Commit{record}, decision);
  decision.commands.emplace_back(std::move(made.value().line));
  emit_committed(state, record, now, decision);
  decision.explanation =
      fmt::format("step {} committed: loss {}, norm {}{}", record.step.value, record.loss,
                  record.norm, record.verdict == Verdict::skip ? ", skipped" : "");
  state.last_record = record;
  if (record.last) {
    state.phase = Phase::applying;
    decision.explanation +=
        fmt::format(", the last{}", state.stop_why ? ": " + *state.stop_why : "");
  } else {
    state.step = state.step.next();
    state.step_began = now;
    state.reports.clear();
  }
  return decision;
}

}  // namespace

Decision on_report(CoordinatorState& state, WorkerId from, const Report& report, Instant now) {
  const auto what = fmt::format("report of worker {} on step {}", from.value, report.step.value);
  if (state.phase != Phase::training) {
    return ignored(what, fmt::format("the run is {}", name_of(state.phase)));
  }
  if (report.view != state.view.view) {
    return ignored(what,
                   fmt::format("view {}, must be {}", report.view.value, state.view.view.value));
  }
  if (report.step != state.step) {
    return ignored(what, fmt::format("step {} is in flight", state.step.value));
  }
  if (!place_of(state.view.layout, from)) return ignored(what, "it is idle");
  if (const auto known = state.reports.find(from); known != state.reports.end()) {
    if (same_content(known->second, report)) return ignored(what, "it has come before");
    return end_run(state, 1,
                   fmt::format("step {}: worker {} reported twice, with different content",
                               state.step.value, from.value));
  }
  state.reports.emplace(from, report);
  if (const auto missing = not_reported(state); !missing.empty()) {
    return {{},
            fmt::format("step {} waits: {} {} not reported", state.step.value, text_of(missing),
                        missing.size() == 1 ? "has" : "have")};
  }
  return commit(state, now);
}

}  // namespace planaria::protocol
