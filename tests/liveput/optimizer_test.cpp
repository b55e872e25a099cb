// The lookahead against every way that the next intervals may go, tried one by one.
#include <algorithm>
#include <optional>
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
  EveryWay(const PriceModel& prices, const Outlook& outlook)
      : prices_(prices),
        outlook_(outlook),
        warned_(std::min<std::size_t>(2, outlook.known_lost.size())) {}

  /// The most expected from the next interval on, `layout` being chosen for `workers` machines.
  [[nodiscard]] double best(const GridLayout& layout, int workers) const {
    std::vector<bool> losses;
    for (std::size_t i = 0; i < warned_; ++i) losses.push_back(outlook_.known_lost[i] > 0);
    return best({layout, workers, 0, losses});
  }

 private:
  struct Node {
    GridLayout layout;
    int workers = 0;
    std::size_t step = 0;
    std::vector<bool> losses;  // known ahead
  };

  [[nodiscard]] bool known(std::size_t step) const { return step < outlook_.known_lost.size(); }
  [[nodiscard]] double loss_at(std::size_t step) const {
    if (known(step)) return outlook_.known_lost[step] > 0 ? 1 : 0;
    return outlook_.loss[std::min(step, outlook_.loss.size() - 1)];
  }

  [[nodiscard]] double best(const Node& node) const {
    if (node.step == outlook_.loss.size()) return held(node.layout, node.workers);
    if (warned_ == 0) return best_knowing(node, {});
    // What is learned before one decides: whether there are losses one interval farther ahead.
    double expected = 0;
    for (const bool later : {false, true}) {
      const double probability = loss_at(node.step + warned_);
      std::vector<bool> losses(node.losses.begin() + 1, node.losses.end());
      losses.push_back(later);
      const double share = later ? probability : 1 - probability;
      if (share > 0) expected += share * best_knowing(node, losses);
    }
    return expected;
  }

  [[nodiscard]] double best_knowing(const Node& node, const std::vector<bool>& losses) const {
    const auto h = static_cast<int>(node.step);
    const int workers = node.workers;
    const bool below = workers < outlook_.most_seen;
    const int most = below ? outlook_.most_seen : prices_.workers_max();
    double loss = loss_at(node.step);
    double join = below ? outlook_.join[node.step] : outlook_.join_beyond;
    if (warned_ > 0) {
      if (!known(node.step)) join /= 1 - loss;
      loss = node.losses.front() ? 1 : 0;
    }
    if (workers == 0) loss = 0;
    join = most == workers ? 0 : std::min(join, 1 - loss);
    double expected = 0;
    if (loss + join < 1) expected = (1 - loss - join) * decided(node, 0, 0, losses);
    // More than there are, or than there is room for, count as the most.
    if (loss > 0 && known(node.step)) {
      return decided(node, std::min(outlook_.known_lost[node.step], workers), 0, losses);
    }
    for (int size = 1; size <= 2; ++size) {
      if (loss > 0) {
        expected += loss * outlook_.loss_size(h).probability(size) *
                    decided(node, std::min(size, workers), 0, losses);
      }
      if (join == 0) continue;
      expected += join * outlook_.join_size(h).probability(size) *
                  decided(node, 0, std::min(size, most - workers), losses);
    }
    return expected;
  }

  [[nodiscard]] double decided(const Node& node, int lost, int joined,
                               const std::vector<bool>& losses) const {
    const int left = node.workers - lost + joined;
    std::optional<double> most;
    for (const MeasuredLayout& to : prices_.layouts()) {
      if (to.layout.workers() > left) continue;
      const double standing_ms = prices_.change_ms({node.layout, to.layout, node.workers, lost});
      const double samples = (to.samples_per_s * (60'000 - standing_ms) / 1000) +
                             best({to.layout, left, node.step + 1, losses});
      most = std::max(most.value_or(samples), samples);
    }
    return most ? *most : best({{}, left, node.step + 1, losses});
  }

  /// Half of the time until something is expected to happen.
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
      most = std::max(most,
                      to.samples_per_s * ((30'000 / std::max(events, 1e-3)) - standing_ms) / 1000);
    }
    return most;
  }

  const PriceModel& prices_;
  const Outlook& outlook_;
  std::size_t warned_;
};

Outlook drawn_outlook(Random& random, int steps) {
  Outlook outlook;
  for (int h = 0; h < steps; ++h) {
    outlook.loss.push_back(0.05 + (0.4 * random.uniform()));
    outlook.join.push_back(0.05 + (0.4 * random.uniform()));
  }
  outlook.join_beyond = 0.1 * random.uniform();
  outlook.most_seen = 3 + static_cast<int>(random.below(3));
  const auto size = [&] {
    return Distribution::from_weights({0, random.uniform() + 0.1, random.uniform() + 0.1});
  };
  // Of each interval another, but the last ones.
  outlook.loss_sizes = {size(), size()};
  outlook.join_sizes = {size(), size()};
  return outlook;
}

/// Every layout and every number of machines is thought of.
OptimizerOptions thinks_of_all(int look_ahead) {
  return {.look_ahead = look_ahead, .rate_share = 0, .idle_share = 1, .rare = 0};
}

/// One worker or two in a row; from one to two nobody waits for half a minute.
class InBackground final : public PriceModel {
 public:
  [[nodiscard]] const std::vector<MeasuredLayout>& layouts() const override { return layouts_; }
  [[nodiscard]] int workers_max() const override { return 2; }
  [[nodiscard]] double change_ms(const LayoutChange& change) const override {
    return change.from == change.to ? 0 : 1000;
  }
  [[nodiscard]] double background_ms(const LayoutChange& change) const override {
    return change.from.workers() == 1 && change.to.workers() == 2 ? 30'000 : 0;
  }
  [[nodiscard]] double restart_ms(const GridLayout& /*to*/, bool /*grows*/) const override {
    return 1000;
  }
  [[nodiscard]] double read_all_ms(const GridLayout& /*to*/) const override { return 0; }
  [[nodiscard]] double checkpoint_ms() const override { return 0; }

 private:
  std::vector<MeasuredLayout> layouts_{{{1, 1}, 1, 10}, {{1, 2}, 1, 20}};
};

/// What the optimizer says of each choice, beside all ways together.
void check_choices(const SettingPrices& prices, const Outlook& outlook, int workers) {
  const GridLayout before = best_layout(prices, workers);
  const std::vector<IntervalCounts> history{{0, 0, workers}};
  const Situation situation{before, 0, false, history, {}};
  LiveputOptimizer optimizer(prices, thinks_of_all(static_cast<int>(outlook.loss.size())));
  const std::vector<ValuedLayout> choices = optimizer.choices(situation, outlook);
  CAPTURE(workers, before.width, before.depth, outlook.most_seen);
  const auto fitting = std::ranges::count_if(
      prices.layouts(), [&](const MeasuredLayout& one) { return one.layout.workers() <= workers; });
  REQUIRE(static_cast<std::ptrdiff_t>(choices.size()) == fitting);
  CHECK(std::ranges::is_sorted(choices, std::ranges::greater{}, &ValuedLayout::samples));
  const EveryWay every_way(prices, outlook);
  for (const ValuedLayout& choice : choices) {
    CAPTURE(choice.layout.width, choice.layout.depth);
    const double standing_ms = prices.change_ms({before, choice.layout, workers, 0});
    const double now = samples_per_s(prices, choice.layout) * (60'000 - standing_ms) / 1000;
    CHECK(choice.samples == Approx(now + every_way.best(choice.layout, workers)).epsilon(1e-12));
  }
}

}  // namespace

TEST_CASE("what is expected of each choice is what all ways together say", "[unit]") {
  constexpr std::uint64_t seed = 20;
  CAPTURE(seed);
  Random random(seed);
  for (int problem = 0; problem < 60; ++problem) {
    CAPTURE(problem);
    const SettingPrices prices(made_up_setting(random));
    check_choices(prices, drawn_outlook(random, 3), 2 + static_cast<int>(random.below(4)));
  }
}

TEST_CASE("who is warned of losses expects to be warned of later ones", "[unit]") {
  constexpr std::uint64_t seed = 22;
  CAPTURE(seed);
  Random random(seed);
  for (int problem = 0; problem < 18; ++problem) {
    CAPTURE(problem);
    const SettingPrices prices(made_up_setting(random));
    Outlook outlook = drawn_outlook(random, 3);
    for (int i = 0; i <= problem % 3; ++i) {
      // More than are lost at once otherwise, and than there are, too.
      const auto lost = static_cast<int>(random.below(6));
      outlook.known_lost.push_back(lost);
      outlook.loss[static_cast<std::size_t>(i)] = lost > 0 ? 1 : 0;
    }
    check_choices(prices, outlook, 2 + static_cast<int>(random.below(3)));
  }
}

TEST_CASE("what is not thought of changes no choice on small problems by much", "[unit]") {
  constexpr std::uint64_t seed = 23;
  CAPTURE(seed);
  Random random(seed);
  int fewer = 0;
  for (int problem = 0; problem < 60; ++problem) {
    CAPTURE(problem);
    const SettingPrices prices(made_up_setting(random));
    const Outlook outlook = drawn_outlook(random, 6);
    const std::vector<IntervalCounts> history{{0, 0, 6}};
    const Situation situation{best_layout(prices, 5), 0, false, history, {}};
    LiveputOptimizer all(prices, thinks_of_all(6));
    LiveputOptimizer some(prices, {.look_ahead = 6, .rare = 0});
    const auto of_all = all.choices(situation, outlook);
    const auto of_some = some.choices(situation, outlook);
    if (of_some.size() < of_all.size()) ++fewer;
    REQUIRE(!of_some.empty());
    // No way is better than the best of all, and what is left out is worth little.
    CHECK(of_some.front().samples <= of_all.front().samples * (1 + 1e-12));
    CHECK(of_some.front().samples >= of_all.front().samples * 0.98);
  }
  CHECK(fewer >= 30);
}

TEST_CASE("what nobody waits for costs only what would have been trained more", "[unit]") {
  const InBackground prices;
  Outlook calm;
  calm.loss = calm.join = {0};
  calm.loss_sizes = calm.join_sizes = {Distribution::certain(1)};
  calm.most_seen = 2;
  const std::vector<IntervalCounts> history{{1, 0, 2}};
  OptimizerOptions options = thinks_of_all(1);
  options.held_share = 0;
  LiveputOptimizer optimizer(prices, options);
  const GridLayout alone{1, 1};
  const auto choices = optimizer.choices({alone, 0, false, history, {}}, calm);
  REQUIRE(choices.size() == 2);
  // 30 s alone, 1 s still, 29 s of two; then a minute of two.
  CHECK(choices[0].layout == GridLayout{1, 2});
  CHECK(choices[0].samples == Approx(300 + 580 + 1200));
  // A minute alone, then the same.
  CHECK(choices[1].samples == Approx(600 + 300 + 580));
  // What is under way takes what is left of it, and another stop goes on beside.
  Situation under_way{alone, 5000, false, history, {}};
  under_way.coming = {1, 2};
  under_way.coming_ms = 12'000;
  CHECK(optimizer.choices(under_way, calm)[0].samples == Approx(70 + (47 * 20) + 1200));
}

TEST_CASE("a layout that runs may stay however slow it is", "[unit]") {
  Random random(24);
  Setting setting = made_up_setting(random);
  // A change takes longer than all that is looked ahead to.
  setting.process_ms = 1e9;
  const GridLayout slow{1, 3};
  for (MeasuredLayout& one : setting.throughput) {
    one.samples_per_s = one.layout == slow ? 0.1 : one.layout.workers() * 6;
  }
  const SettingPrices prices(std::move(setting));
  const std::vector<IntervalCounts> history{{0, 0, 6}};
  LiveputOptimizer optimizer(prices, {.look_ahead = 3});
  const auto choices = optimizer.choices({slow, 0, false, history, {}}, drawn_outlook(random, 3));
  REQUIRE(!choices.empty());
  CHECK(choices.front().layout == slow);
}

TEST_CASE("a loss that is known is no matter of chance", "[unit]") {
  Random random(21);
  const SettingPrices prices(made_up_setting(random));
  Outlook certain = drawn_outlook(random, 3);
  certain.loss = {1, 0, 0};
  certain.join = {0, 0, 0};
  certain.join_beyond = 0;
  certain.loss_sizes = {Distribution::certain(1)};
  Outlook known = certain;
  known.loss_sizes = {Distribution::certain(2)};
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
