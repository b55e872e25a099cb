// Reports come in until every layer of the step is held; then the step is one record.
#include <algorithm>
#include <cmath>

#include <fmt/format.h>

#include <planaria/base/hash.hpp>

#include "protocol/commit_record.hpp"
#include "protocol/coordinator_transitions.hpp"

namespace planaria::protocol {
namespace {

using Phase = CoordinatorState::Phase;

// Memory apart, which is measured and not computed.
Report content_of(Report report) {
  report.resident_bytes = 0;
  return report;
}
ShadowReport content_of(const ShadowReport& report) {
  return report;
}

// Whether a message of this view and step may be one of the step in flight; else why not.
std::optional<std::string> misplaced(const CoordinatorState& state, ViewNumber view, Step step) {
  if (state.phase != Phase::training) return fmt::format("the run is {}", name_of(state.phase));
  if (view != state.view.view) {
    return fmt::format("view {}, must be {}", view.value, state.view.view.value);
  }
  if (step != state.step) return fmt::format("step {} is in flight", state.step.value);
  return std::nullopt;
}

// Keeps a report; a second one of the same worker must say the same.
template <class AnyReport>
Decision keep(CoordinatorState& state, std::map<WorkerId, AnyReport>& reports, WorkerId from,
              const AnyReport& report, const std::string& what, Instant now) {
  const auto [known, fresh] = reports.try_emplace(from, report);
  if (!fresh) {
    if (encode(content_of(known->second)) == encode(content_of(report))) {
      return ignored(what, "it has come before");
    }
    return end_run(state, 1,
                   fmt::format("step {}: worker {} reported twice, with different content",
                               state.step.value, from.value));
  }
  Decision decision;
  commit_if_complete(state, now, decision);
  return decision;
}

bool lists(const ShadowReport& report, LayerId layer) {
  return std::ranges::any_of(report.layers,
                             [&](const LayerChecksum& found) { return found.layer == layer; });
}

bool owes_report(const CoordinatorState& state, WorkerId worker) {
  return std::ranges::any_of(state.owed, [&](const auto& owed) { return owed.second == worker; });
}

bool shadow_reported(const CoordinatorState& state, WorkerId worker) {
  const auto held = shadowed_and_held(state, worker);
  if (held.empty() && !owes_report(state, worker)) return true;
  const auto report = state.shadow_reports.find(worker);
  if (report == state.shadow_reports.end()) return false;
  return std::ranges::all_of(held, [&](LayerId layer) { return lists(report->second, layer); });
}

// Who keeps the step from being committed, ascending.
std::vector<WorkerId> not_reported(const CoordinatorState& state) {
  std::set<WorkerId> missing;
  for (const WorkerId worker : active_workers(state)) {
    if (!state.reports.contains(worker)) missing.insert(worker);
  }
  for (const ShadowAssignment& shadow : state.view.layout.shadows) {
    if (!shadow_reported(state, shadow.worker)) missing.insert(shadow.worker);
  }
  return {missing.begin(), missing.end()};
}

// Whoever owed a report has given it, whatever it says.
void forget_owed(CoordinatorState& state) {
  std::erase_if(state.owed,
                [&](const auto& owed) { return state.shadow_reports.contains(owed.second); });
}

// Whoever has the step's gradient of a layer is, with the record, at its level; nobody else is.
void raise_holders(CoordinatorState& state) {
  state.holders.clear();
  for (const auto& [worker, report] : state.reports) {
    for (const LayerReport& layer : report.layers) {
      state.holders[layer.layer].insert(worker);
      state.checksums[layer.layer] = layer.checksum;
    }
  }
  for (const auto& [worker, report] : state.shadow_reports) {
    for (const LayerChecksum& layer : report.layers) state.holders[layer.layer].insert(worker);
  }
  std::erase_if(state.filling, [&](const Move& move) { return holds(state, move.to, move.layer); });
}

// A step that is done again after a roll-back must come out as it did; its record is the first one.
Result<bool> done_before(CoordinatorState& state, CommitRecord& record, const LedgerLine& line) {
  std::vector<std::span<const std::byte>> pieces{std::as_bytes(std::span(line.read)),
                                                 std::as_bytes(std::span(line.labelled))};
  const std::uint64_t data = xxh3_64(pieces);
  const auto index = static_cast<std::size_t>(record.step.value) - 1;
  if (index == state.committed.size()) {
    state.committed.push_back({record, data});
    return false;
  }
  check(index < state.committed.size(), "a step was left out");
  const CommittedStep& first = state.committed[index];
  const auto differs = [&](const std::string& what) {
    return Fault::corrupt(fmt::format("step {} was done again and {}", record.step.value, what));
  };
  const auto same = [](double a, double b) { return a == b || (std::isnan(a) && std::isnan(b)); };
  if (!same(record.loss, first.record.loss)) {
    return differs(fmt::format("has loss {}, had {}", record.loss, first.record.loss));
  }
  if (!same(record.norm, first.record.norm)) {
    return differs(fmt::format("has norm {}, had {}", record.norm, first.record.norm));
  }
  if (data != first.data_xxh3) return differs("read or labelled other bytes");
  record = first.record;
  return true;
}

void emit_committed(const CoordinatorState& state, const CommitRecord& record, Instant now,
                    bool again, Decision& decision) {
  Json resident = Json::object();
  for (const auto& [worker, report] : state.reports) {
    resident[std::to_string(worker.value)] = report.resident_bytes;
  }
  const std::int64_t samples =
      std::int64_t{state.spec->micro_batches} * state.spec->micro_batch_size;
  Json fields{{"loss", record.loss},
              {"norm", record.norm},
              {"rate", record.rate},
              {"verdict", record.verdict == Verdict::apply ? "apply" : "skip"},
              {"samples", samples},
              {"step_ms", (now - state.step_began).value},
              {"resident_bytes", std::move(resident)}};
  if (again) fields["again"] = true;
  emit(state, now, "step_committed", std::move(fields), decision);
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

bool all_shadows_hold(const CoordinatorState& state) {
  return std::ranges::all_of(state.view.layout.shadows, [&](const ShadowAssignment& shadow) {
    return shadowed_and_held(state, shadow.worker).size() == shadow.layers.size();
  });
}

// The record to all; the view that it names begins with the next step.
void send_record(CoordinatorState& state, const CommitRecord& record, Instant now,
                 Decision& decision, Decision& events) {
  NextView next;
  if (!record.last) {
    state.step = state.step.next();
    state.step_began = now;
    next = next_view(state);
  }
  for (const auto& [worker, membership] : state.members) {
    if (membership.out) continue;
    decision.commands.emplace_back(Send{worker, Commit{record, next.view, next.moves}});
  }
  state.filling.insert(next.moves.begin(), next.moves.end());
  begin_migration(state, next.moves,
                  kind_of_change(state.view.layout, state.target.value_or(state.view.layout)), now,
                  events);
  if (!next.view) {
    if (!state.target && all_shadows_hold(state)) end_migration(state, now, events);
    return;
  }
  if (!state.target && next.moves.empty()) end_migration(state, now, events);
  state.view = std::move(*next.view);
  for (const Member& member : state.view.members) {
    auto& first_step = state.members.at(member.worker).first_step;
    if (!first_step) first_step = state.step;
  }
  announce_view(state, next.explanation, true, now, events);
  events.explanation = fmt::format(", view {}: {}", state.view.view.value, next.explanation);
}

// Holders differ: silent corruption, of which one computation more tells where. Who differs twice
// is out (PROTOCOL 3.1).
void compute_again(CoordinatorState& state, const std::map<WorkerId, LayerId>& differing,
                   Instant now, Decision& decision) {
  std::map<WorkerId, std::string> out;
  std::string why;
  for (const auto& [worker, layer] : differing) {
    const auto what = fmt::format("step {}: {} has another gradient on worker {} than elsewhere",
                                  state.step.value, text_of(state, layer), worker.value);
    emit(state, now, "gradients_differ", {{"worker", worker.value}, {"layer", layer.value}},
         decision);
    if (++state.differed[worker] >= 2) out[worker] = what + ", for the second time";
    why += (why.empty() ? "" : "; ") + what;
  }
  state.compute_whole = true;
  if (out.empty()) return begin_unplanned_view(state, why, now, decision);
  // Without one that only shadowed the others agree, and the step is committed; without one that
  // computed another view begins.
  evict(state, out, now, decision);
}

void commit(CoordinatorState& state, Instant now, Decision& decision) {
  if (const auto fits = check_reported_layers(state); !fits) {
    return end_run(state, 1, fits.fault().sentence, decision);
  }
  if (const auto differing = differing_workers(state); !differing.empty()) {
    return compute_again(state, differing, now, decision);
  }
  auto made = commit_step(state);
  if (!made) return end_run(state, 1, made.fault().sentence, decision);
  CommitRecord record = made.value().record;
  decide_last(state, record);
  const auto again = done_before(state, record, made.value().line);
  if (!again) return end_run(state, 1, again.fault().sentence, decision);
  state.last_record = record;
  raise_holders(state);
  forget_owed(state);
  // The record first: workers wait for it, the ledger and the events do not.
  Decision events;
  emit_committed(state, record, now, again.value(), events);
  if (record.last) state.phase = Phase::applying;
  send_record(state, record, now, decision, events);
  if (!again.value()) decision.commands.emplace_back(std::move(made.value().line));
  for (auto& command : events.commands) decision.commands.push_back(std::move(command));
  decision.explanation =
      fmt::format("step {} committed{}: loss {}, norm {}{}{}", record.step.value,
                  again.value() ? " again" : "", record.loss, record.norm,
                  record.verdict == Verdict::skip ? ", skipped" : "", events.explanation);
  if (record.last) {
    decision.explanation +=
        fmt::format(", the last{}", state.stop_why ? ": " + *state.stop_why : "");
  }
  state.reports.clear();
  state.shadow_reports.clear();
  state.told = {};
  state.sums.clear();
  state.compute_whole = false;
}

}  // namespace

void commit_if_complete(CoordinatorState& state, Instant now, Decision& decision) {
  const auto missing = not_reported(state);
  if (missing.empty()) return commit(state, now, decision);
  if (!decision.explanation.empty()) decision.explanation += "; ";
  decision.explanation += fmt::format("step {} waits: {} {} not reported", state.step.value,
                                      text_of(missing), missing.size() == 1 ? "has" : "have");
}

Decision on_report(CoordinatorState& state, WorkerId from, const Report& report, Instant now) {
  const auto what = fmt::format("report of worker {} on step {}", from.value, report.step.value);
  if (const auto why = misplaced(state, report.view, report.step)) return ignored(what, *why);
  if (!place_of(state.view.layout, from)) return ignored(what, "it is idle");
  return keep(state, state.reports, from, report, what, now);
}

namespace {

// A shadow that has been filled, but said so when the run was steps ahead of it: the step in flight
// waits for it, since it might be behind for ever.
Decision owe(CoordinatorState& state, WorkerId from, const ShadowReport& report,
             const std::string& what) {
  const auto shadowed = shadowed_by(state.view.layout, from);
  for (const LayerChecksum& found : report.layers) {
    const bool shadows = std::ranges::find(shadowed, found.layer) != shadowed.end();
    if (shadows && !holds(state, from, found.layer)) state.owed.insert({found.layer, from});
  }
  return {{}, what + " is late: the step in flight waits for its own"};
}

// A shadow that was not waited for has the gradient of the step that was just committed, and hears
// its record: from now on it counts.
Decision on_late_shadow_report(CoordinatorState& state, WorkerId from, const ShadowReport& report,
                               const std::string& what) {
  for (const LayerChecksum& found : report.layers) {
    const auto committed = state.checksums.find(found.layer);
    if (committed == state.checksums.end() || committed->second != found.checksum) {
      return end_run(state, 1,
                     fmt::format("step {}: {} has another gradient on worker {}", report.step.value,
                                 text_of(state, found.layer), from.value));
    }
    state.holders[found.layer].insert(from);
    std::erase_if(state.filling,
                  [&](const Move& move) { return move.layer == found.layer && move.to == from; });
  }
  return {{}, what + " counts, though it is late"};
}

}  // namespace

Decision on_shadow_report(CoordinatorState& state, WorkerId from, const ShadowReport& report,
                          Instant now) {
  const auto what =
      fmt::format("shadow report of worker {} on step {}", from.value, report.step.value);
  const Step level = state.phase == Phase::applying ? state.step : Step{state.step.value - 1};
  const bool runs = state.phase == Phase::training || state.phase == Phase::applying;
  const bool late = runs && report.step == level && report.view <= state.view.view;
  if (late) return on_late_shadow_report(state, from, report, what);
  const bool behind = state.phase == Phase::training && report.step < level &&
                      report.view <= state.view.view && state.last_record;
  if (behind) return owe(state, from, report, what);
  if (const auto why = misplaced(state, report.view, report.step)) return ignored(what, *why);
  const auto shadowed = shadowed_by(state.view.layout, from);
  for (const LayerChecksum& layer : report.layers) {
    if (std::ranges::find(shadowed, layer.layer) != shadowed.end()) continue;
    return end_run(state, 1,
                   fmt::format("step {}: worker {} reported {}, which it does not shadow",
                               state.step.value, from.value, text_of(state, layer.layer)));
  }
  return keep(state, state.shadow_reports, from, report, what, now);
}

}  // namespace planaria::protocol
