// The field's policies over a few minutes that are reckoned by hand.
#include <string>
#include <vector>

#include <catch2/catch.hpp>

#include <planaria/liveput/policies.hpp>
#include <planaria/liveput/simulation.hpp>

#include "liveput/flat_prices.hpp"

using namespace planaria;
using namespace planaria::test;

namespace {

/// Samples of each interval.
std::vector<double> samples_of(const Simulation& simulation) {
  std::vector<double> samples;
  for (const SimulatedInterval& one : simulation.intervals) samples.push_back(one.samples);
  return samples;
}

std::vector<GridLayout> layouts_of(const Simulation& simulation) {
  std::vector<GridLayout> layouts;
  for (const SimulatedInterval& one : simulation.intervals) layouts.push_back(one.choice.layout);
  return layouts;
}

void check_samples(const Simulation& simulation, const std::vector<double>& expected) {
  REQUIRE(simulation.intervals.size() == expected.size());
  for (std::size_t t = 0; t < expected.size(); ++t) {
    CAPTURE(t, simulation.intervals[t].choice.explanation);
    CHECK(samples_of(simulation)[t] == Approx(expected[t]).epsilon(1e-12));
  }
}

/// Two workers in a row are a little slower than two side by side.
const FlatPrices& small_prices() {
  static const FlatPrices prices({{{1, 1}, 10}, {{2, 1}, 20}, {{1, 2}, 19}});
  return prices;
}

}  // namespace

TEST_CASE("varuna restarts all from a checkpoint and does again what was not saved", "[unit]") {
  const auto intervals = intervals_with({{2, 0}, {0, 0}, {0, 1}, {1, 0}});
  SimulationRequest request = all_of(small_prices(), intervals);
  // To begin 5 + 3 s. After 112 steps the last two are not saved: 40 samples. A restart takes 5 +
  // 3 + 6 s; before that for the newcomer, a checkpoint is written.
  check_samples(simulate(request, *varuna_policy(small_prices())),
                {20 * 52, 1200, (10 * 46) - 40, 20 * 46});
  // Who knows of the loss an interval ahead saves before it.
  request.notice_intervals = 1;
  check_samples(simulate(request, *varuna_policy(small_prices())),
                {20 * 52, 1200, 10 * 46, 20 * 46});
}

TEST_CASE("varuna takes of each depth the widest that fits", "[unit]") {
  // Two pipelines of two are the fastest of four workers, but not the widest of that depth.
  const FlatPrices prices({{{1, 2}, 30}, {{2, 2}, 20}, {{3, 1}, 25}, {{4, 1}, 24}});
  const auto intervals = intervals_with({{4, 0}});
  CHECK(layouts_of(simulate(all_of(prices, intervals), *varuna_policy(prices))) ==
        std::vector<GridLayout>{{4, 1}});
}

TEST_CASE("parcae's plan is made before the interval, and only clamped in it", "[unit]") {
  const auto intervals = intervals_with({{2, 0}, {0, 0}, {0, 1}, {1, 0}, {0, 0}});
  const Simulation simulation =
      simulate(all_of(small_prices(), intervals), *parcae_policy(small_prices(), {}));
  CHECK(layouts_of(simulation) == std::vector<GridLayout>{{2, 1}, {2, 1}, {1, 1}, {1, 1}, {2, 1}});
  // Of a machine that comes it knows an interval later: until then one trains.
  check_samples(simulation, {20 * 52, 1200, 10 * 59, 600, 20 * 52});
  CHECK(simulation.intervals[2].choice.explanation == "2x1 was planned, for more machines than 1");
  CHECK(simulation.intervals[3].choice.explanation == "was planned before the interval");
}

TEST_CASE("parcae plans changes that outlast an interval", "[unit]") {
  const auto intervals = intervals_with({{2, 0}, {0, 0}, {0, 0}});
  SimulationRequest request = all_of(small_prices(), intervals);
  request.interval_ms = 5000;
  check_samples(simulate(request, *parcae_policy(small_prices(), {.interval_ms = 5000})),
                {0, 20 * 2, 20 * 5});
}

TEST_CASE("parcae's clamp takes what the setting lists", "[unit]") {
  const auto clamped = [](const std::vector<FlatPrices::Rate>& rates, int lost) {
    const FlatPrices prices(rates);
    const auto intervals = intervals_with({{6, 0}, {0, lost}});
    const Simulation simulation = simulate(all_of(prices, intervals), *parcae_policy(prices, {}));
    CHECK(simulation.intervals[0].choice.layout == GridLayout{3, 2});
    return simulation.intervals[1].choice.layout;
  };
  // 5 / 2 = 2 pipelines of the same depth, though another layout were faster.
  CHECK(clamped({{{3, 2}, 60}, {{2, 2}, 20}, {{5, 1}, 50}}, 1) == GridLayout{2, 2});
  CHECK(clamped({{{3, 2}, 60}, {{1, 2}, 10}, {{5, 1}, 50}}, 1) == GridLayout{1, 2});
  // Not enough for one: a pipeline of all, or of as many as are listed.
  CHECK(clamped({{{3, 2}, 60}, {{1, 1}, 10}, {{1, 4}, 20}, {{4, 1}, 50}}, 2) == GridLayout{1, 4});
  CHECK(clamped({{{3, 2}, 60}, {{1, 3}, 10}, {{4, 1}, 50}}, 2) == GridLayout{1, 3});
  CHECK(clamped({{{3, 2}, 60}, {{2, 1}, 30}, {{4, 1}, 50}}, 2) == GridLayout{4, 1});
  CHECK(clamped({{{3, 2}, 60}, {{2, 1}, 30}}, 5).empty());
}

TEST_CASE("oobleck shrinks by templates, does not grow, and begins anew at last", "[unit]") {
  const FlatPrices prices({{{1, 2}, 19},
                           {{2, 2}, 38},
                           {{3, 2}, 56},
                           {{1, 3}, 28},
                           {{2, 3}, 54},
                           {{1, 4}, 90}});  // a depth that is no template: 2 and 3 are
  const auto intervals = intervals_with({{7, 0}, {0, 1}, {0, 1}, {4, 0}, {0, 4}});
  const Simulation simulation =
      simulate(all_of(prices, intervals), *oobleck_policy(prices, {.failures = 1}));
  CHECK(layouts_of(simulation) == std::vector<GridLayout>{{3, 2}, {3, 2}, {2, 2}, {2, 2}, {2, 2}});
  // Half a step in flight is lost, where one of the grid is: 6 in 7 at first. Then two pipelines
  // of five machines, and none for the four that join. Of its five the four lost are expected to
  // take more than two: three steps are not saved.
  check_samples(simulation, {56 * 52, (56 * 52) - (28 * 6 / 7.0), (38 * 59) - 28, 38 * 60,
                             (38 * 46) - (3 * 38)});
}

TEST_CASE("of machines that oobleck loses some only stood by", "[unit]") {
  const FlatPrices prices({{{2, 2}, 38}, {{3, 2}, 56}});
  // Two of fourteen are expected to take one of the seven that it began with: six suffice.
  const auto intervals = intervals_with({{7, 0}, {7, 0}, {0, 2}});
  CHECK(layouts_of(simulate(all_of(prices, intervals), *oobleck_policy(prices))) ==
        std::vector<GridLayout>(3, {3, 2}));
}

TEST_CASE("oobleck keeps as many pipelines as failures ask for, while it can", "[unit]") {
  // Of depths 2 and 3 there are templates.
  const FlatPrices prices({{{1, 3}, 50}, {{2, 2}, 40}, {{3, 2}, 45}, {{2, 4}, 90}});
  const auto first = [&](int machines, int failures) {
    const auto intervals = intervals_with({{machines, 0}});
    const Simulation simulation =
        simulate(all_of(prices, intervals), *oobleck_policy(prices, {.failures = failures}));
    return simulation.intervals[0].choice.layout;
  };
  CHECK(first(6, 0) == GridLayout{1, 3});
  CHECK(first(5, 1) == GridLayout{2, 2});
  CHECK(first(6, 2) == GridLayout{3, 2});
  CHECK(first(8, 1) == GridLayout{3, 2});
  CHECK(first(5, 2) == GridLayout{1, 3});  // there is no room for three
  CHECK(first(1, 1).empty());
}

TEST_CASE("hysteresis changes for what pays within the time it holds", "[unit]") {
  const FlatPrices prices({{{1, 1}, 10}, {{2, 1}, 10.1}, {{3, 1}, 30}});
  const auto intervals = intervals_with({{1, 0}, {1, 0}, {1, 0}, {0, 1}});
  // 10.1 x 592 are fewer than 10 x 600; 30 x 592 are more; then three do not fit any more.
  CHECK(layouts_of(simulate(all_of(prices, intervals), *hysteresis_policy(prices))) ==
        std::vector<GridLayout>{{1, 1}, {1, 1}, {3, 1}, {2, 1}});
  // 10.1 x 5992 are more than 10 x 6000.
  CHECK(layouts_of(simulate(all_of(prices, intervals),
                            *hysteresis_policy(prices, {.hold_ms = 6'000'000}))) ==
        std::vector<GridLayout>{{1, 1}, {2, 1}, {3, 1}, {2, 1}});
}

TEST_CASE("spot-hedge spreads over zones and leaves those that take machines back", "[unit]") {
  const FlatPrices prices({{{1, 1}, 10}, {{2, 1}, 20}, {{3, 1}, 30}, {{4, 1}, 40}});
  const std::vector<std::vector<IntervalCounts>> zones{
      intervals_with({{2, 0}, {0, 2}, {2, 0}, {0, 0}}),
      intervals_with({{2, 0}, {0, 0}, {0, 0}, {0, 2}}),
      intervals_with({{2, 0}, {0, 0}, {0, 0}, {0, 0}})};
  const auto sum = sum_of_zones(zones);
  CHECK(sum[1] == IntervalCounts{0, 2, 4});
  SimulationRequest request = all_of(prices, sum);
  request.zones = zones;
  const auto policy = spot_hedge_policy(prices, {.target = 2, .extra = 1});
  const Simulation simulation = simulate(request, *policy);
  const auto said = [&](std::size_t t) { return simulation.intervals[t].choice.explanation; };
  CHECK(said(0) == "holds 3 machines, 3 zones active");
  CHECK(said(1) == "holds 3 machines, 2 zones active");
  CHECK(said(2) == "holds 3 machines, 2 zones active");  // the first is back: no matter
  // One active is too few: all are, and the one that has none to give is found out again.
  CHECK(said(3) == "holds 3 machines, 2 zones active");
  CHECK(layouts_of(simulation) == std::vector<GridLayout>(4, {2, 1}));
}

TEST_CASE("spot-hedge that wants all of one zone reacts at once", "[unit]") {
  const auto intervals = intervals_with({{2, 0}, {0, 1}, {1, 0}, {0, 0}});
  const SimulationRequest request = all_of(small_prices(), intervals);
  CHECK(simulate(request, *spot_hedge_policy(small_prices())).samples ==
        simulate(request, *reactive_policy(small_prices())).samples);
}
