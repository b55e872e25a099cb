// The lookahead against every way that the next intervals may go, tried one by one.
#include <algorithm>
#include <optional>
#include <set>
#include <vector>

#include <catch2/catch.hpp>

#include <planaria/base/random.hpp>
#include <planaria/liveput/optimizer.hpp>
#include <planaria/liveput/policy.hpp>

#include "liveput/made_up_setting.hpp"

using namespace planaria;

namespace {

/// Every decision and every outcome, by recursion, from prices alone.
class EveryWay {
 public:
  EveryWay(const PriceModel& prices, const Outlook& outlook) : prices_(prices), outlook_(outlook) {}

  /// The most expected from step `step` on, `layout` having run with `workers` machines.
  [[nodiscard]] double best(const GridLayout& layout, int workers, std::size_t step) const {
    if (step == outlook_.loss.size()) return held(layout, workers);
    const int most = workers < outlook_.most_seen ? outlook_.most_seen : prices_.workers_max();
    const double loss = workers == 0 ? 0 : outlook_.loss[step];
    double join = workers < outlook_.most_seen ? outlook_.join[step] : outlook_.join_beyond;
    if (most == workers) join = 0;
    double expected = (1 - loss - join) * decided(layout, workers, 0, 0, step);
    for (int size = 1; size <= 2; ++size) {
      // More than there are, or than there is room for, count as the most.
      expected += loss * outlook_.loss_size.probability(size) *
                  decided(layout, workers, std::min(size, workers), 0, step);
      expected += join * outlook_.join_size.probability(size) *
                  decided(layout, workers, 0, std::min(size, most - workers), step);
    }
    return expected;
  }

 private:
  [[nodiscard]] double decided(const GridLayout& from, int workers, int lost, int joined,
                               std::size_t step) const {
    const int left = workers - lost + joined;
    std::optional<double> most;
    for (const MeasuredLayout& to : prices_.layouts()) {
      if (to.layout.workers() > left) continue;
      const double standing_ms = prices_.change_ms({from, to.layout, workers, lost});
      const double samples =
          (to.samples_per_s * (60'000 - standing_ms) / 1000) + best(to.layout, left, step + 1);
      most = std::max(most.value_or(samples), samples);
    }
    return most ? *most : best({}, left, step + 1);
  }

  [[nodiscard]] double held(const GridLayout& layout, int workers) const {
    double events = outlook_.loss.back();
    if (workers < outlook_.most_seen) events += outlook_.join.back();
    if (workers >= outlook_.most_seen && workers < prices_.workers_max()) {
      events += outlook_.join_beyond;
    }
    double most = 0;
    for (const MeasuredLayout& to : prices_.layouts()) {
      if (to.layout.workers() > workers) continue;
      const double standing_ms = prices_.change_ms({layout, to.layout, workers, 0});
      most = std::max(most, to.samples_per_s * ((60'000 / events) - standing_ms) / 1000);
    }
    return most;
  }

  const PriceModel& prices_;
  const Outlook& outlook_;
};

Outlook drawn_outlook(Random& random, int steps) {
  Outlook outlook;
  for (int h = 0; h < steps; ++h) {
    outlook.loss.push_back(0.05 + (0.4 * random.uniform()));
    outlook.join.push_back(0.05 + (0.4 * random.uniform()));
  }
  outlook.join_beyond = 0.1 * random.uniform();
  outlook.most_seen = 3 + static_cast<int>(random.below(3));
  outlook.loss_size =
      Distribution::from_weights({0, random.uniform() + 0.1, random.uniform() + 0.1});
  outlook.join_size =
      Distribution::from_weights({0, random.uniform() + 0.1, random.uniform() + 0.1});
  return outlook;
}

/// Whether every depth is the fastest's for some number of workers: others are not thought of.
bool all_worth_a_thought(const PriceModel& prices) {
  std::set<int> depths;
  for (int workers = 1; workers <= prices.workers_max(); ++workers) {
    depths.insert(best_layout(prices, workers).depth);
  }
  return std::ranges::all_of(prices.layouts(), [&](const MeasuredLayout& one) {
    return depths.contains(one.layout.depth);
  });
}

}  // namespace

TEST_CASE("what is expected of each choice is what all ways together say", "[unit]") {
  constexpr std::uint64_t seed = 20;
  CAPTURE(seed);
  Random random(seed);
  int tried = 0;
  for (int problem = 0; problem < 120; ++problem) {
    const SettingPrices prices(made_up_setting(random));
    if (!all_worth_a_thought(prices)) continue;
    ++tried;
    const Outlook outlook = drawn_outlook(random, 3);
    const int workers = 2 + static_cast<int>(random.below(4));
    const GridLayout before = best_layout(prices, workers);
    const std::vector<IntervalCounts> history{{0, 0, workers}};
    const Situation situation{before, 0, false, history, {}};
    LiveputOptimizer optimizer(prices, {.look_ahead = 3});
    const std::vector<ValuedLayout> choices = optimizer.choices(situation, outlook);
    CAPTURE(problem, workers, before.width, before.depth, outlook.most_seen);
    REQUIRE(!choices.empty());
    CHECK(std::ranges::is_sorted(choices, std::ranges::greater{}, &ValuedLayout::samples));
    for (const ValuedLayout& choice : choices) {
      CAPTURE(choice.layout.width, choice.layout.depth);
      double samples_per_s = 0;
      for (const MeasuredLayout& one : prices.layouts()) {
        if (one.layout == choice.layout) samples_per_s = one.samples_per_s;
      }
      const double standing_ms = prices.change_ms({before, choice.layout, workers, 0});
      const double expected = (samples_per_s * (60'000 - standing_ms) / 1000) +
                              EveryWay(prices, outlook).best(choice.layout, workers, 0);
      CHECK(choice.samples == Approx(expected).epsilon(1e-12));
    }
  }
  CHECK(tried >= 20);
}

TEST_CASE("a loss that is known is no matter of chance", "[unit]") {
  Random random(21);
  const SettingPrices prices(made_up_setting(random));
  Outlook certain = drawn_outlook(random, 3);
  certain.loss = {1, 0, 0};
  certain.join = {0, 0, 0};
  certain.join_beyond = 0;
  certain.loss_size = Distribution::certain(1);
  Outlook known = certain;
  known.loss_size = Distribution::certain(2);
  known.known_lost = {1};
  const std::vector<IntervalCounts> history{{4, 0, 4}};
  const Situation situation{{}, 0, true, history, {}};
  LiveputOptimizer optimizer(prices, {.look_ahead = 3});
  const auto one = optimizer.choices(situation, certain);
  const auto other = optimizer.choices(situation, known);
  REQUIRE(one.size() == other.size());
  for (std::size_t i = 0; i < one.size(); ++i) {
    CHECK(one[i].layout == other[i].layout);
    CHECK(one[i].samples == Approx(other[i].samples).epsilon(1e-12));
  }
}
