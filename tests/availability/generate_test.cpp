// Synthetic traces follow the law that they are drawn from, and a law is found again in its traces.
#include <cmath>
#include <string>
#include <vector>

#include <catch2/catch.hpp>

#include <planaria/availability/describe.hpp>
#include <planaria/availability/generate.hpp>
#include <planaria/availability/trace_writing.hpp>

namespace planaria::test {
namespace {

constexpr double long_hours = 3000;

Trace made(const TraceLaw& law, double hours, std::uint64_t seed) {
  INFO("seed " << seed);
  const auto trace = generate(law, {.hours = hours, .seed = seed});
  INFO((trace.ok() ? "" : trace.fault().sentence));
  REQUIRE(trace.ok());
  return trace.value();
}

TraceLaw small_law() {
  TraceLaw law;
  law.mean_machines = 12;
  law.machines_max = 16;
  law.initial = 12;
  law.hazard = {{0, 0.5}};
  return law;
}

double share_of(const std::vector<BurstSize>& sizes, int machines) {
  double weights = 0;
  double found = 0;
  for (const BurstSize& size : sizes) {
    weights += size.weight;
    if (size.machines == machines) found = size.weight;
  }
  return found / weights;
}

/// How much more the losses of an hour vary than they would by chance.
double dispersion(const Trace& trace) {
  const std::vector<IntervalCounts> hours = intervals_of(trace, 3'600'000);
  double sum = 0;
  double squares = 0;
  for (const IntervalCounts& hour : hours) {
    sum += hour.lost;
    squares += static_cast<double>(hour.lost) * hour.lost;
  }
  const double mean = sum / static_cast<double>(hours.size());
  return (squares / static_cast<double>(hours.size()) - mean * mean) / mean;
}

std::string sentence_of(const TraceLaw& law, const GenerateOptions& options = {}) {
  const auto trace = generate(law, options);
  return trace.ok() ? "made" : trace.fault().sentence;
}

}  // namespace

TEST_CASE("the same law and seed give the same bytes, another seed others", "[unit]") {
  const TraceLaw law = small_law();
  CHECK(events_text(made(law, 24, 7)) == events_text(made(law, 24, 7)));
  CHECK(events_text(made(law, 24, 7)) != events_text(made(law, 24, 8)));
  // On every machine: the first rows behind those of the begin.
  const Trace trace = made(law, 24, 7);
  REQUIRE(trace.changes.size() > 2);
  CHECK(trace.initial == 12);
  CHECK(trace.end_ms == 86'400'000);
}

TEST_CASE("many machines come and go in one tick", "[unit]") {
  TraceLaw law;
  law.mean_machines = 900;
  law.machines_max = 1000;
  law.initial = 900;
  law.hazard = {{0, 1}};
  const TraceSummary summary = describe(made(law, 60, 9));
  CHECK(summary.mean == Approx(900).epsilon(0.03));
  CHECK(*summary.preemptions_per_machine_hour == Approx(1).epsilon(0.03));
  CHECK(summary.allocations.largest > 5);
}

TEST_CASE("a long trace has its law's mean, hazard and sizes of bursts", "[unit]") {
  TraceLaw law = small_law();
  law.loss_bursts = {{1, 3}, {2, 2}, {4, 1}};
  law.join_bursts = {{1, 1}, {3, 1}};
  const Trace trace = made(law, long_hours, 1);
  const TraceSummary summary = describe(trace);
  CHECK(summary.mean == Approx(12).epsilon(0.03));
  CHECK(summary.max <= 16);
  CHECK(*summary.preemptions_per_machine_hour == Approx(0.5).epsilon(0.03));
  CHECK(*summary.lifetimes->mean_min == Approx(120).epsilon(0.03));
  const TraceLaw found = fit_law(trace).value();
  CHECK(share_of(found.loss_bursts, 1) == Approx(0.5).margin(0.03));
  CHECK(share_of(found.loss_bursts, 2) == Approx(0.333).margin(0.03));
  CHECK(share_of(found.loss_bursts, 4) == Approx(0.167).margin(0.03));
  CHECK(found.storm_strength < 0.3);
}

TEST_CASE("young machines die as often as the law says, and old ones too", "[unit]") {
  TraceLaw law = small_law();
  law.hazard = {{0, 2}, {60, 0.25}};
  const Trace trace = made(law, long_hours, 2);
  const TraceLaw found = fit_law(trace).value();
  for (const HazardPiece& piece : found.hazard) {
    INFO("from " << piece.from_min);
    CHECK(piece.per_hour == Approx(piece.from_min < 60 ? 2 : 0.25).epsilon(0.1));
  }
  CHECK(hazard_at(found.hazard, 5) == Approx(2).epsilon(0.1));
  CHECK(hazard_at(found.hazard, 90) == Approx(0.25).epsilon(0.1));
  CHECK(describe(trace).mean == Approx(12).epsilon(0.03));
}

TEST_CASE("the mean life is that of the hazards", "[unit]") {
  CHECK(mean_life_h({{0, 0.5}}, 1) == Approx(2));
  // 1 - e^-2 of the first hour at rate 2, and e^-2 of 4 h behind it.
  const double expected = (1 - std::exp(-2)) / 2 + std::exp(-2) * 4;
  CHECK(mean_life_h({{0, 2}, {60, 0.25}}, 0.01) == Approx(expected).epsilon(0.001));
}

TEST_CASE("storms make losses uneven, and are found again", "[unit]") {
  TraceLaw law = small_law();
  const double calm = dispersion(made(law, long_hours, 3));
  law.storm_strength = 0.9;
  law.storm_min = 120;
  const Trace stormy = made(law, long_hours, 3);
  CHECK(dispersion(stormy) > calm + 0.5);
  const TraceLaw found = fit_law(stormy).value();
  CHECK(found.storm_strength == Approx(0.9).margin(0.15));
  CHECK(found.storm_min >= 60);
  CHECK(found.storm_min <= 240);
  CHECK(describe(stormy).mean == Approx(12).epsilon(0.1));
}

TEST_CASE("more are lost at the peak of the day", "[unit]") {
  TraceLaw law = small_law();
  law.day_strength = 0.8;
  law.day_peak_h = 14;
  double peak = 0;
  double trough = 0;
  for (const TraceChange& change : made(law, long_hours, 4).changes) {
    const auto hour = (change.at_ms / 3'600'000) % 24;
    if (hour >= 11 && hour < 17) peak += change.lost;
    if (hour >= 23 || hour < 5) trough += change.lost;
  }
  // 1.6 and 0.4 times what is usual on average over these hours, fewer machines at the peak.
  CHECK(peak > 2.5 * trough);
}

TEST_CASE("what goes together is of one zone", "[unit]") {
  TraceLaw law = small_law();
  law.zones = 3;
  law.loss_bursts = {{16, 1}};
  const Trace trace = made(law, 400, 5);
  // A whole zone at a time: of each zone all or none are left.
  for (const TraceChange& change : trace.changes) {
    for (const char zone : {'a', 'b', 'c'}) {
      int lost = 0;
      int left = 0;
      for (const MachineLife& life : trace.lives) {
        if (life.name[0] != zone || life.from_ms >= change.at_ms) continue;
        if (life.to_ms == change.at_ms) ++lost;
        if (!life.to_ms || *life.to_ms > change.at_ms) ++left;
      }
      CHECK((lost == 0 || left == 0));
    }
  }
  CHECK(describe(trace).mean == Approx(12).epsilon(0.15));
}

TEST_CASE("a law that nothing can be drawn from is refused by its number", "[unit]") {
  TraceLaw law = small_law();
  law.mean_machines = 16;
  CHECK(sentence_of(law) ==
        "mean_machines: 16, must be above 0 and below 16, the most machines there are");
  law = small_law();
  law.hazard = {{0, 1}, {0, 2}};
  CHECK(sentence_of(law) == "hazard[1].from_min: 0, must be above 0, at most 1440000");
  law.hazard = {{0, 0}};
  CHECK(sentence_of(law) == "hazard: none above 0, must be above 0 at some age");
  law.hazard = {{0, std::nan("")}};
  CHECK(sentence_of(law) == "hazard[0].per_hour: nan, must be a number from 0 to 1000");
  law = small_law();
  law.loss_bursts = {};
  CHECK(sentence_of(law) == "loss_bursts: no weight above 0, must be above 0 somewhere");
  law = small_law();
  law.zones = 27;
  CHECK(sentence_of(law) == "zones: 27, must be from 1 to 26");
  law = small_law();
  CHECK(sentence_of(law, {.hours = 0}) == "hours: 0, must be a number above 0, at most 24000");
  CHECK(sentence_of(law, {.tick_s = 0}) == "tick_s: 0, must be from 1 to 3600");
}

TEST_CASE("no law is fitted to a trace in which nothing is lost", "[unit]") {
  Trace trace;
  trace.initial = 3;
  trace.end_ms = 60'000;
  const auto law = fit_law(trace);
  REQUIRE_FALSE(law.ok());
  CHECK(law.fault().kind == FaultKind::infeasible);
}

}  // namespace planaria::test
