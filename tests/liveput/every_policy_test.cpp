// What holds of every policy, over drawn prices and machines.
#include <functional>
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include <catch2/catch.hpp>

#include <planaria/base/random.hpp>
#include <planaria/liveput/policies.hpp>
#include <planaria/liveput/simulation.hpp>

#include "liveput/made_up_setting.hpp"

using namespace planaria;

namespace {

using Make = std::function<std::unique_ptr<Policy>(const PriceModel&)>;

/// Those who do not know the future.
const std::vector<std::pair<std::string, Make>>& policies() {
  static const std::vector<std::pair<std::string, Make>> all{
      {"restart", [](const PriceModel& p) { return restart_policy(p); }},
      {"reactive", [](const PriceModel& p) { return reactive_policy(p); }},
      {"liveput", [](const PriceModel& p) { return liveput_policy(p, {.look_ahead = 4}); }},
      {"parcae", [](const PriceModel& p) { return parcae_policy(p, {.look_ahead = 8}); }},
      {"varuna", [](const PriceModel& p) { return varuna_policy(p); }},
      {"bamboo", [](const PriceModel& p) { return bamboo_policy(p); }},
      {"oobleck", [](const PriceModel& p) { return oobleck_policy(p); }},
      {"hysteresis", [](const PriceModel& p) { return hysteresis_policy(p); }},
      {"spot-hedge",
       [](const PriceModel& p) { return spot_hedge_policy(p, {.target = 4, .extra = 1}); }}};
  return all;
}

/// A few machines that come and go, now and then both at once, now and then all.
std::vector<IntervalCounts> drawn_zone(Random& random, std::size_t length, int most) {
  std::vector<IntervalCounts> intervals;
  int count = 0;
  for (std::size_t t = 0; t < length; ++t) {
    IntervalCounts interval;
    if (random.uniform() < 0.2) {
      interval.lost = static_cast<int>(random.below(static_cast<std::uint64_t>(count) + 1));
    }
    if (t == 0 || random.uniform() < 0.2) {
      interval.joined = static_cast<int>(
          random.below(static_cast<std::uint64_t>(most - count + interval.lost) + 1));
    }
    count += interval.joined - interval.lost;
    interval.count = count;
    intervals.push_back(interval);
  }
  return intervals;
}

std::vector<std::vector<IntervalCounts>> drawn_zones(Random& random, std::size_t length) {
  return {drawn_zone(random, length, 3), drawn_zone(random, length, 2),
          drawn_zone(random, length, 1)};
}

}  // namespace

TEST_CASE("every layout fits, and no policy earns more than the perfect future", "[unit]") {
  constexpr std::uint64_t seed = 31;
  CAPTURE(seed);
  Random random(seed);
  for (int problem = 0; problem < 300; ++problem) {
    const SettingPrices prices(made_up_setting(random));
    const auto zones = drawn_zones(random, 60);
    const auto intervals = sum_of_zones(zones);
    SimulationRequest request{.prices = &prices, .intervals = intervals, .end = intervals.size()};
    request.zones = zones;
    const double oracle = simulate(request, *oracle_policy(request)).samples;
    for (const auto& [policy_name, make] : policies()) {
      const std::string& name = policy_name;  // a structured binding cannot be captured
      CAPTURE(problem, name);
      const Simulation simulation = simulate(request, *make(prices));
      CHECK(simulation.samples <= oracle * (1 + 1e-12));
      for (const SimulatedInterval& one : simulation.intervals) {
        CHECK(one.choice.layout.workers() <= one.event.count);
        CHECK(one.choice.charge.ms >= 0);
        CHECK(one.choice.lost_samples >= 0);
      }
    }
  }
}

TEST_CASE("another future does not change what was decided before it", "[unit]") {
  constexpr std::uint64_t seed = 32;
  CAPTURE(seed);
  Random random(seed);
  for (int problem = 0; problem < 40; ++problem) {
    const SettingPrices prices(made_up_setting(random));
    const auto zones = drawn_zones(random, 40);
    auto others = zones;
    constexpr std::size_t same = 25;
    for (auto& zone : others) {
      for (std::size_t t = same; t < zone.size(); ++t) zone[t] = {0, zone[t - 1].count, 0};
    }
    const auto simulated = [&](const std::vector<std::vector<IntervalCounts>>& all,
                               const Make& make) {
      const auto intervals = sum_of_zones(all);
      SimulationRequest request{.prices = &prices, .intervals = intervals, .end = 40};
      request.zones = all;
      return simulate(request, *make(prices));
    };
    for (const auto& [policy_name, make] : policies()) {
      const std::string& name = policy_name;  // a structured binding cannot be captured
      CAPTURE(problem, name);
      const Simulation one = simulated(zones, make);
      const Simulation other = simulated(others, make);
      for (std::size_t t = 0; t < same; ++t) {
        CAPTURE(t);
        CHECK(one.intervals[t].choice.layout == other.intervals[t].choice.layout);
        CHECK(one.intervals[t].samples == other.intervals[t].samples);
      }
    }
  }
}
