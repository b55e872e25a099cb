// Changes that nobody waits for: what simulations and the perfect future make of them.
#include <algorithm>
#include <cstddef>
#include <map>
#include <memory>
#include <utility>
#include <vector>

#include <catch2/catch.hpp>

#include <planaria/base/random.hpp>
#include <planaria/liveput/policies.hpp>
#include <planaria/liveput/profile_prices.hpp>
#include <planaria/liveput/simulation.hpp>

#include "liveput/made_up_profile.hpp"

namespace planaria {
namespace {

constexpr double interval_ms = 1000;

/// One worker trains 10 samples a second, two 30, three 40. Growth takes `fill_ms` a newcomer
/// beside training and 100 ms of a stop; a loss stops for 400 ms.
class HandPrices final : public PriceModel {
 public:
  explicit HandPrices(double fill_ms) : fill_ms_(fill_ms) {}
  [[nodiscard]] const std::vector<MeasuredLayout>& layouts() const override { return layouts_; }
  [[nodiscard]] int workers_max() const override { return 3; }
  [[nodiscard]] double change_ms(const LayoutChange& change) const override {
    if (change.to.empty()) return 0;
    if (change.from.empty()) return 200;
    if (change.lost > 0) return stop_ms;
    return change.from == change.to ? 0 : 100;
  }
  [[nodiscard]] double background_ms(const LayoutChange& change) const override {
    if (change.lost > 0 || change.from.empty() || change.to.empty()) return 0;
    if (!fills_ms.empty()) return fills_ms.at({change.from, change.to});
    return std::max(0, change.to.width - change.from.width) * fill_ms_;
  }
  [[nodiscard]] double restart_ms(const GridLayout&, bool) const override { return 50; }
  [[nodiscard]] double read_all_ms(const GridLayout&) const override { return 300; }
  [[nodiscard]] double checkpoint_ms() const override { return 300; }

  double stop_ms = 400;
  void set_rate(int width, double samples_per_s) {
    layouts_[static_cast<std::size_t>(width - 1)].samples_per_s = samples_per_s;
  }
  std::map<std::pair<GridLayout, GridLayout>, double> fills_ms;  // in place of fill_ms

 private:
  double fill_ms_;
  std::vector<MeasuredLayout> layouts_{{{1, 1}, 1, 10}, {{2, 1}, 1, 30}, {{3, 1}, 1, 40}};
};

/// Chooses what it is told, at the price of live migration.
class Told final : public Policy {
 public:
  Told(const PriceModel& prices, std::vector<int> widths)
      : prices_(prices), widths_(std::move(widths)) {}
  Choice choose(const Situation& situation) override {
    seen.push_back(situation);
    const int width = widths_.at(next_++);
    const GridLayout layout = width == 0 ? GridLayout{} : GridLayout{width, 1};
    return {.layout = layout, .charge = migration_charge(prices_, situation, layout)};
  }
  std::vector<Situation> seen;

 private:
  const PriceModel& prices_;
  std::vector<int> widths_;
  std::size_t next_ = 0;
};

std::vector<double> samples_of(const Simulation& simulation) {
  std::vector<double> all;
  for (const SimulatedInterval& one : simulation.intervals) all.push_back(one.samples);
  return all;
}

SimulationRequest request_of(const PriceModel& prices, const std::vector<IntervalCounts>& all) {
  return {.prices = &prices,
          .intervals = all,
          .first = 0,
          .end = all.size(),
          .interval_ms = interval_ms};
}

/// The most that any sequence of widths earns.
double most_samples(const SimulationRequest& request) {
  double best = 0;
  std::vector<int> widths(request.end, 1);
  const auto every = [&](const auto& self, std::size_t t) -> void {
    if (t == request.end) {
      Told policy(*request.prices, widths);
      best = std::max(best, simulate(request, policy).samples);
      return;
    }
    const int most = request.intervals[t].count;
    for (widths[t] = 1; widths[t] <= most; ++widths[t]) self(self, t + 1);
  };
  every(every, 0);
  return best;
}

}  // namespace

TEST_CASE("hysteresis weighs what goes on beside training", "[unit]") {
  const HandPrices prices(600);
  const std::vector<IntervalCounts> all{{1, 0, 1}, {1, 0, 2}, {0, 0, 2}};
  const auto widths = [&](double hold_ms) {
    const auto policy = hysteresis_policy(prices, {hold_ms});
    std::vector<int> chosen;
    for (const auto& one : simulate(request_of(prices, all), *policy).intervals) {
      chosen.push_back(one.choice.layout.width);
    }
    return chosen;
  };
  // Two train 6 samples beside, nothing for 100 ms, then 3 each 100 ms; one alone 1 each 100 ms.
  // Even at 750 ms: 6 + 1.5 against 7.5.
  CHECK(widths(740) == std::vector<int>{1, 1, 1});
  CHECK(widths(760) == std::vector<int>{1, 2, 2});
}

TEST_CASE("the layout that ran trains until newcomers are filled", "[unit]") {
  const HandPrices prices(600);
  const std::vector<IntervalCounts> all{{1, 0, 1}, {1, 0, 2}, {0, 0, 2}};
  Told policy(prices, {1, 2, 2});
  const Simulation simulation = simulate(request_of(prices, all), policy);
  // 200 ms to begin; 600 ms of one worker, 100 ms of none, 300 ms of two.
  CHECK(samples_of(simulation) == std::vector<double>{8, 6 + 9, 30});
  CHECK(simulation.intervals[1].standing_ms == 100);
  CHECK(simulation.intervals[1].missed_samples == Approx(3));
}

TEST_CASE("what is still coming goes on in the next interval", "[unit]") {
  const HandPrices prices(2500);
  const std::vector<IntervalCounts> all{{1, 0, 1}, {1, 0, 2}, {0, 0, 2}, {0, 0, 2}, {0, 0, 2}};
  Told policy(prices, {1, 2, 2, 2, 2});
  const Simulation simulation = simulate(request_of(prices, all), policy);
  const std::vector<double> samples = samples_of(simulation);
  REQUIRE(samples.size() == 5);
  CHECK(samples[1] == Approx(10));
  CHECK(samples[2] == Approx(10));
  CHECK(samples[3] == Approx(5 + (0.4 * 30)));
  CHECK(samples[4] == Approx(30));
  CHECK(policy.seen[2].layout == GridLayout{1, 1});
  CHECK(policy.seen[2].coming == GridLayout{2, 1});
  CHECK(policy.seen[3].coming_ms == Approx(500));
  CHECK(policy.seen[4].layout == GridLayout{2, 1});
  CHECK(policy.seen[4].coming.empty());
  CHECK(!simulation.intervals[1].continues);
  CHECK(simulation.intervals[2].continues);
  CHECK(simulation.intervals[3].continues);
  CHECK(!simulation.intervals[4].continues);
}

TEST_CASE("what was coming is begun anew after a loss, and dropped for another layout", "[unit]") {
  const HandPrices prices(1500);
  const std::vector<IntervalCounts> all{{1, 0, 1}, {2, 0, 3}, {0, 1, 2}, {0, 0, 2}, {0, 0, 2}};
  Told policy(prices, {1, 2, 1, 2, 1});
  const std::vector<double> samples = samples_of(simulate(request_of(prices, all), policy));
  REQUIRE(samples.size() == 5);
  CHECK(samples[1] == Approx(10));
  CHECK(samples[2] == Approx(6));  // 400 ms for the loss
  CHECK(samples[3] == Approx(10));
  CHECK(samples[4] == Approx(10));  // it stays as it is: no stop at all
  CHECK(policy.seen[4].coming_ms == Approx(500));
}

TEST_CASE("newcomers are filled while an earlier stop lasts", "[unit]") {
  const Charge charge{100, 50, 600};
  const Course course = course_of(800, charge, interval_ms);
  CHECK(course.standing_ms == 900);
  CHECK(course.before_ms == 0);
  CHECK(course.arrived);
  CHECK(course.leftover_ms == 0);
  // 300 ms of the earlier stop, 200 of the old layout, a stop that outlasts the interval.
  const Course longer = course_of(300, {900, 50, 500}, interval_ms);
  CHECK(longer.standing_ms == 300 + 500);
  CHECK(longer.before_ms == 200);
  CHECK(longer.leftover_ms == 400);
  const Course later = course_of(1300, {100, 50, 200}, interval_ms);
  CHECK(!later.arrived);
  CHECK(later.standing_ms == interval_ms);
  CHECK(later.leftover_ms == 300);
  CHECK(later.coming_ms == 300);
}

TEST_CASE("the perfect future is the best of all sequences, with changes beside training",
          "[unit]") {
  const double fill_ms = GENERATE(0, 300, 700, 1600, 2500);
  const double stop_ms = GENERATE(400, 1700);
  Random random(static_cast<std::uint64_t>(fill_ms + stop_ms));
  HandPrices prices(fill_ms);
  prices.stop_ms = stop_ms;
  for (int round = 0; round < 10; ++round) {
    std::vector<IntervalCounts> all{{2, 0, 2}};
    while (all.size() < 6) {
      const int before = all.back().count;
      const int now = 1 + static_cast<int>(random.uniform() * 3);
      all.push_back({std::max(0, now - before), std::max(0, before - now), now});
    }
    const SimulationRequest request = request_of(prices, all);
    const auto oracle = oracle_policy(request);
    CAPTURE(fill_ms, stop_ms, round);
    CHECK(simulate(request, *oracle).samples == Approx(most_samples(request)).epsilon(1e-12));
  }
}

TEST_CASE("the perfect future weighs what has been earned against what is coming", "[unit]") {
  Random random(77);
  HandPrices prices(0);
  for (int round = 0; round < 300; ++round) {
    for (int width = 1; width <= 3; ++width) prices.set_rate(width, 100 * random.uniform());
    for (const MeasuredLayout& from : prices.layouts()) {
      for (const MeasuredLayout& to : prices.layouts()) {
        const bool moves = from.layout != to.layout;
        prices.fills_ms[{from.layout, to.layout}] = moves ? 3500 * random.uniform() : 0;
      }
    }
    // The third machine comes late: else who wants all three would begin with them.
    const std::vector<IntervalCounts> all{{2, 0, 2}, {1, 0, 3}, {0, 0, 3}, {0, 0, 3},
                                          {0, 0, 3}, {0, 0, 3}, {0, 0, 3}};
    CAPTURE(round);
    const SimulationRequest request = request_of(prices, all);
    const auto oracle = oracle_policy(request);
    CHECK(simulate(request, *oracle).samples == Approx(most_samples(request)).epsilon(1e-12));
  }
}

TEST_CASE("with a profile's prices no live migration beats the perfect future", "[unit]") {
  Random random(21);
  const Profile profile = made_up_profile(random, 6);
  const Cluster cluster = identical_workers(6, memory_without_limit);
  ProfilePricesRequest asked;
  asked.profile = &profile;
  asked.cluster = &cluster;
  asked.micro_batches = 12;
  const ProfilePrices prices = ProfilePrices::of(asked).value();
  std::vector<IntervalCounts> all{{4, 0, 4}};
  while (all.size() < 40) {
    const int before = all.back().count;
    const int now = std::clamp(before + static_cast<int>(random.uniform() * 5) - 2, 1, 6);
    all.push_back({std::max(0, now - before), std::max(0, before - now), now});
  }
  SimulationRequest request = request_of(prices, all);
  request.interval_ms = 10'000;
  const auto earned = [&](std::unique_ptr<Policy> policy) {
    return simulate(request, *policy).samples;
  };
  const double oracle = earned(oracle_policy(request));
  const double reactive = earned(reactive_policy(prices));
  const double liveput = earned(liveput_policy(prices, {12, request.interval_ms}));
  CHECK(oracle <= ideal_samples(request));
  CHECK(liveput <= oracle * (1 + 1e-12));
  CHECK(reactive <= oracle * (1 + 1e-12));
  CHECK(reactive > 0.5 * oracle);
  CHECK(liveput > 0.5 * oracle);
}

}  // namespace planaria
