#include <planaria/availability/describe.hpp>

#include <algorithm>
#include <cstddef>
#include <utility>

#include <planaria/availability/trace_text.hpp>

namespace planaria {
namespace {

constexpr double minute_ms = 60'000;
constexpr double hour_ms = 3'600'000;

/// So many machines from one moment to another.
struct Stretch {
  std::int64_t from_ms = 0;
  std::int64_t to_ms = 0;
  int count = 0;
};

std::vector<Stretch> stretches_of(const Trace& trace) {
  std::vector<Stretch> stretches{{trace.first_ms, trace.end_ms, trace.initial}};
  for (const TraceChange& change : trace.changes) {
    const int count = stretches.back().count + change.joined - change.lost;
    stretches.back().to_ms = change.at_ms;
    stretches.push_back({change.at_ms, trace.end_ms, count});
  }
  return stretches;
}

void note(TurnoverSummary& summary, int machines) {
  if (machines == 0) return;
  ++summary.events;
  summary.machines += machines;
  summary.largest = std::max(summary.largest, machines);
}

/// The middle one, or the mean of the two in the middle.
std::optional<double> median_of(std::vector<double> values) {
  if (values.empty()) return std::nullopt;
  std::sort(values.begin(), values.end());
  const std::size_t half = values.size() / 2;
  return values.size() % 2 == 1 ? values[half] : (values[half - 1] + values[half]) / 2;
}

/// How long the stretches above zero, or those at zero, lasted.
std::vector<double> spells_ms(const std::vector<Stretch>& stretches, bool above_zero) {
  std::vector<double> spells;
  bool inside = false;
  for (const Stretch& stretch : stretches) {
    const bool belongs = (stretch.count > 0) == above_zero;
    if (belongs && !inside) spells.push_back(0);
    if (belongs) spells.back() += static_cast<double>(stretch.to_ms - stretch.from_ms);
    inside = belongs;
  }
  return spells;
}

double share_at(const std::vector<Stretch>& stretches, int count, double duration_ms) {
  double sum = 0;
  for (const Stretch& stretch : stretches) {
    if (stretch.count == count) sum += static_cast<double>(stretch.to_ms - stretch.from_ms);
  }
  return duration_ms > 0 ? sum / duration_ms : stretches.front().count == count ? 1 : 0;
}

LifetimeSummary lifetimes_of(const Trace& trace) {
  LifetimeSummary summary;
  std::vector<double> ended;
  double sum = 0;
  for (const MachineLife& life : trace.lives) {
    if (!life.to_ms) continue;
    ended.push_back(static_cast<double>(*life.to_ms - life.from_ms) / minute_ms);
    sum += ended.back();
  }
  summary.ended = static_cast<std::int64_t>(ended.size());
  summary.still_there = static_cast<std::int64_t>(trace.lives.size() - ended.size());
  if (!ended.empty()) summary.mean_min = sum / static_cast<double>(ended.size());
  summary.median_min = median_of(std::move(ended));
  summary.kaplan_meier_median_min = kaplan_meier_median_min(trace);
  return summary;
}

Json optional_json(const std::optional<double>& value) {
  return value ? Json(*value) : Json();
}

Json to_json(const TurnoverSummary& summary) {
  return {{"events", summary.events}, {"machines", summary.machines}, {"largest", summary.largest}};
}

}  // namespace

std::optional<double> kaplan_meier_median_min(const Trace& trace) {
  std::vector<std::pair<std::int64_t, bool>> ages;  // and whether the life ended then
  for (const MachineLife& life : trace.lives) {
    ages.emplace_back(life.to_ms.value_or(trace.end_ms) - life.from_ms, life.to_ms.has_value());
  }
  std::sort(ages.begin(), ages.end());
  double alive = 1;
  for (std::size_t i = 0; i < ages.size();) {
    const std::size_t at_risk = ages.size() - i;
    const std::int64_t age_ms = ages[i].first;
    std::size_t ended = 0;
    for (; i < ages.size() && ages[i].first == age_ms; ++i) ended += ages[i].second ? 1 : 0;
    alive *= 1 - static_cast<double>(ended) / static_cast<double>(at_risk);
    if (alive <= 0.5) return static_cast<double>(age_ms) / minute_ms;
  }
  return std::nullopt;
}

TraceSummary describe(const Trace& trace) {
  TraceSummary summary;
  summary.form = trace.form;
  summary.duration_ms = trace.end_ms - trace.first_ms;
  summary.initial = trace.initial;
  const std::vector<Stretch> stretches = stretches_of(trace);
  double machine_ms = 0;
  summary.min = trace.initial;
  for (const Stretch& stretch : stretches) {
    machine_ms += stretch.count * static_cast<double>(stretch.to_ms - stretch.from_ms);
    summary.min = std::min(summary.min, stretch.count);
    summary.max = std::max(summary.max, stretch.count);
  }
  const auto duration_ms = static_cast<double>(summary.duration_ms);
  summary.mean = duration_ms > 0 ? machine_ms / duration_ms : trace.initial;
  for (const TraceChange& change : trace.changes) {
    note(summary.preemptions, change.lost);
    note(summary.allocations, change.joined);
  }
  if (machine_ms > 0) {
    summary.preemptions_per_machine_hour =
        static_cast<double>(summary.preemptions.machines) * hour_ms / machine_ms;
  }
  // Who died was drawn at random when a replay was made: its names say nothing of lifetimes.
  if (trace.form == TraceForm::events) summary.lifetimes = lifetimes_of(trace);
  const std::optional<double> spell_ms = median_of(spells_ms(stretches, true));
  if (spell_ms) summary.spell_above_zero_min = *spell_ms / minute_ms;
  summary.share_at_zero = share_at(stretches, 0, duration_ms);
  summary.share_at_max = share_at(stretches, summary.max, duration_ms);
  const std::vector<double> zeros = spells_ms(stretches, false);
  if (!zeros.empty()) {
    summary.longest_zero_ms =
        static_cast<std::int64_t>(*std::max_element(zeros.begin(), zeros.end()));
  }
  summary.oddities = trace.oddities;
  return summary;
}

Json to_json(const TraceSummary& summary) {
  const LifetimeSummary lifetimes = summary.lifetimes.value_or(LifetimeSummary{});
  Json oddities = Json::array();
  for (const TraceOddity& oddity : summary.oddities) {
    oddities.push_back(
        {{"kind", oddity.kind}, {"count", oddity.count}, {"first_line", oddity.first_line}});
  }
  return {{"version", 1},
          {"kind", name_of(summary.form)},
          {"duration_s", static_cast<double>(summary.duration_ms) / 1000},
          {"machines",
           {{"initial", summary.initial},
            {"mean", summary.mean},
            {"min", summary.min},
            {"max", summary.max},
            {"share_at_zero", summary.share_at_zero},
            {"share_at_max", summary.share_at_max},
            {"longest_zero_s", static_cast<double>(summary.longest_zero_ms) / 1000}}},
          {"preemptions", to_json(summary.preemptions)},
          {"allocations", to_json(summary.allocations)},
          {"preemptions_per_machine_hour", optional_json(summary.preemptions_per_machine_hour)},
          {"lifetime_min",
           {{"median", optional_json(lifetimes.median_min)},
            {"mean", optional_json(lifetimes.mean_min)},
            {"kaplan_meier_median", optional_json(lifetimes.kaplan_meier_median_min)}}},
          {"spell_above_zero_min", {{"median", optional_json(summary.spell_above_zero_min)}}},
          {"oddities", std::move(oddities)}};
}

}  // namespace planaria
