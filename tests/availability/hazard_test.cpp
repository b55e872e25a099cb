// How often machines go and come, from what was counted.
#include <cmath>
#include <vector>

#include <catch2/catch.hpp>

#include <planaria/availability/hazard.hpp>
#include <planaria/base/random.hpp>

using namespace planaria;

namespace {

double sum_of(const std::vector<double>& values) {
  double sum = 0;
  for (const double value : values) sum += value;
  return sum;
}

EventHazard pairs_in_bursts() {
  EventHazard hazard;
  hazard.in_burst = 0.5;
  hazard.otherwise = 0.1;
  hazard.intervals_since_event = 1;
  hazard.size = Distribution::certain(2);
  return hazard;
}

}  // namespace

TEST_CASE("before anything is seen the prior is believed", "[unit]") {
  HazardCounter counter(HazardPrior{});
  counter.observe({32, 0, 32});
  const HazardEstimate estimate = counter.estimate();
  CHECK(estimate.loss.otherwise == Approx(0.08));
  CHECK(estimate.loss.in_burst == Approx(0.2));
  CHECK(estimate.loss.next() == estimate.loss.otherwise);
  CHECK(estimate.join.size.mean() == Approx(2.3).margin(0.01));
  CHECK(estimate.join.size.probability(0) == 0);
}

TEST_CASE("the machines of the first interval are no event", "[unit]") {
  HazardCounter begun(HazardPrior{});
  begun.observe({32, 0, 32});
  HazardCounter other(HazardPrior{});
  other.observe({0, 0, 32});
  CHECK(begun.estimate().join.otherwise == other.estimate().join.otherwise);
  CHECK(begun.estimate().join.intervals_since_event > 1000);
}

TEST_CASE("an hour of losses alone moves the rate of joins too, but less", "[unit]") {
  HazardCounter counter(HazardPrior{});
  counter.observe({100, 0, 100});
  for (int minute = 0; minute < 60; ++minute) {
    counter.observe({0, minute % 4 == 0 ? 1 : 0, 100});
  }
  const HazardEstimate estimate = counter.estimate();
  CHECK(estimate.loss.otherwise > estimate.join.otherwise);
  CHECK(estimate.loss.size.probability(1) > estimate.join.size.probability(1));
  CHECK(estimate.loss.intervals_since_event == 3);
}

TEST_CASE("rates that were counted for long are those of the counter's world", "[unit]") {
  constexpr std::uint64_t seed = 11;
  INFO("seed " << seed);
  Random random(seed);
  HazardCounter counter(HazardPrior{});
  counter.observe({1000, 0, 1000});
  int since = 100;
  for (int minute = 0; minute < 100'000; ++minute) {
    const bool event = random.uniform() < (since < 2 ? 0.3 : 0.05);
    counter.observe({0, event ? 1 + static_cast<int>(random.below(3)) : 0, 1000});
    since = event ? 0 : since + 1;
  }
  const EventHazard loss = counter.estimate().loss;
  CHECK(loss.otherwise == Approx(0.05).margin(0.003));
  CHECK(loss.in_burst == Approx(0.3).margin(0.01));
  CHECK(loss.size.probability(2) == Approx(1.0 / 3).margin(0.01));
}

TEST_CASE("with a half-life a change of rates shows soon", "[unit]") {
  HazardCounter slow(HazardPrior{});
  HazardCounter fast(HazardPrior{.half_life = 60});
  for (int minute = 0; minute < 2000; ++minute) {
    const IntervalCounts interval{0, minute >= 1800 && minute % 5 == 0 ? 1 : 0, 50};
    slow.observe(interval);
    fast.observe(interval);
  }
  CHECK(fast.estimate().loss.otherwise > 2 * slow.estimate().loss.otherwise);
}

TEST_CASE("events ahead follow bursts, interval by interval", "[unit]") {
  // One interval after an event: in a burst for one interval more, unless another comes.
  const EventsAhead ahead = events_ahead(pairs_in_bursts(), 3, 20);
  CHECK(ahead.in_interval[0][2] == Approx(0.5));
  CHECK(ahead.in_interval[1][2] == Approx(0.5 * 0.5 + 0.5 * 0.1));
  CHECK(ahead.in_total[1][0] == Approx(0.5 * 0.9));
  CHECK(ahead.in_total[1][4] == Approx(0.25));
  CHECK(ahead.in_total[2][6] == Approx(0.125));
  for (int h = 0; h < 3; ++h) {
    CHECK(sum_of(ahead.in_interval[h]) == Approx(1));
    CHECK(sum_of(ahead.in_total[h]) == Approx(1));
  }
}

TEST_CASE("more machines than are told apart count as the most", "[unit]") {
  const EventsAhead ahead = events_ahead(pairs_in_bursts(), 3, 3);
  CHECK(ahead.in_total[2].size() == 4);
  CHECK(ahead.in_total[2][3] == Approx(1 - ahead.in_total[2][0] - ahead.in_total[2][2]));
  const EventsAhead some = events_ahead(pairs_in_bursts(), 1, 1);
  CHECK(some.in_total[0] == std::vector<double>{0.5, 0.5});
}
