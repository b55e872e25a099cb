// Prices of a profile against every set of workers that may have vanished, told apart one by one:
// each worker's layers, every assignment of places, by code that shares nothing with the prices.
#include <algorithm>
#include <cmath>
#include <cstddef>
#include <functional>
#include <iterator>
#include <map>
#include <optional>
#include <set>
#include <vector>

#include <catch2/catch.hpp>

#include <planaria/base/random.hpp>
#include <planaria/liveput/optimizer.hpp>
#include <planaria/liveput/profile_prices.hpp>

#include "liveput/made_up_profile.hpp"

namespace planaria {
namespace {

using Layers = std::set<int>;

/// What the workers of a layout hold, one behind the other.
std::vector<Layers> holdings(const ProfilePrices& prices, const GridLayout& layout) {
  std::vector<Layers> all;
  const std::vector<int>& cuts = prices.cuts(layout);
  for (int pipeline = 0; pipeline < layout.width; ++pipeline) {
    for (std::size_t stage = 0; stage + 1 < cuts.size(); ++stage) {
      Layers layers;
      for (int layer = cuts[stage]; layer < cuts[stage + 1]; ++layer) layers.insert(layer);
      all.push_back(layers);
    }
  }
  return all;
}

class Enumeration {
 public:
  Enumeration(const Profile& profile, const ProfilePrices& prices, const MigrationCosts& costs)
      : profile_(profile), prices_(prices), costs_(costs) {
    for (const MeasuredLayout& one : prices.layouts()) {
      if (one.layout.shadows == 0) continue;
      const Cluster cluster = identical_workers(one.layout.workers(), memory_without_limit);
      for (const ShadowAssignment& shadow : planned(profile, cluster, one.layout).shadows) {
        Layers layers;
        for (const LayerId layer : shadow.layers) layers.insert(layer.value);
        shadows_[one.layout].push_back(layers);
      }
    }
  }

  /// What the planner says of a layout; of a shadowed one, with another holder of every layer.
  static Plan planned(const Profile& profile, const Cluster& cluster, const GridLayout& layout) {
    BestPlanRequest request;
    request.profile = &profile;
    request.cluster = &cluster;
    request.micro_batches = 5;
    request.schedule = "1f1b";
    request.width = layout.width;
    request.depth = layout.depth;
    request.survive = layout.shadows > 0 ? layout.width - 1 + layout.shadows : 0;
    return best_plan(request).value().plan;
  }

  struct Price {
    double stop_ms = 0;
    double background_ms = 0;
  };

  [[nodiscard]] Price expected(const LayoutChange& change) const {
    Price sum;
    int sets = 0;
    for (unsigned lost = 0; lost < (1U << static_cast<unsigned>(change.workers)); ++lost) {
      if (__builtin_popcount(lost) != change.lost) continue;
      const Price one = after(change, lost);
      sum.stop_ms += one.stop_ms;
      sum.background_ms += one.background_ms;
      ++sets;
    }
    return {sum.stop_ms / sets, sum.background_ms / sets};
  }

 private:
  [[nodiscard]] Price after(const LayoutChange& change, unsigned lost) const {
    std::vector<Layers> left = holdings(prices_, change.from);
    left.resize(static_cast<std::size_t>(change.workers));
    bool hurt = false;
    Layers held;
    for (int worker = change.workers - 1; worker >= 0; --worker) {
      const auto at = static_cast<std::size_t>(worker);
      if ((lost >> static_cast<unsigned>(worker)) % 2 == 1) {
        hurt = hurt || worker < change.from.workers();
        left.erase(left.begin() + worker);
      } else {
        held.insert(left[at].begin(), left[at].end());
      }
    }
    if (change.lost == 0) left.resize(static_cast<std::size_t>(change.from.workers()));
    const bool starts = change.to.workers() > static_cast<int>(left.size());
    left.resize(left.size() + static_cast<std::size_t>(change.to.workers()));  // whoever comes
    const double ready_ms = costs_.build_ms + (starts ? costs_.start_ms : 0);
    const double move = slowest(change, left, [&](const Layers& lack) { return moved(lack); });
    if (!hurt) {
      if (change.from == change.to) return {};
      double shadows = 0;
      const auto found = shadows_.find(change.to);
      for (const Layers& layers : found == shadows_.end() ? std::vector<Layers>{} : found->second) {
        const bool stop = costs_.growth == Growth::stop;
        shadows = std::max(shadows, stop ? moved(layers) : filled(change, layers));
      }
      if (costs_.growth == Growth::stop) {
        return {costs_.cut_over_ms + (move > 0 ? ready_ms + move : 0) + shadows, 0};
      }
      const double fill =
          slowest(change, left, [&](const Layers& lack) { return filled(change, lack); });
      return {costs_.cut_over_ms, (fill > 0 ? ready_ms + fill : 0) + shadows};
    }
    const double known_ms =
        costs_.detect_ms + costs_.view_ms + (costs_.redo_steps * step_ms(change.from));
    const GridLayout& from = change.from;
    const bool shadowed = from.shadows > 0 && change.lost < from.width + from.shadows;
    if (held.size() < profile_.layers.size() && !shadowed) {
      Layers all;
      for (std::size_t i = 0; i < profile_.layers.size(); ++i) all.insert(static_cast<int>(i));
      return {known_ms + ready_ms + moved(all) + costs_.rolled_back_ms, 0};
    }
    return {known_ms + (move > 0 ? ready_ms + move : 0), 0};
  }

  [[nodiscard]] double step_ms(const GridLayout& layout) const {
    for (const MeasuredLayout& one : prices_.layouts()) {
      if (one.layout == layout) return one.step_ms;
    }
    return NAN;
  }

  [[nodiscard]] double moved(const Layers& layers) const {
    double ms = 0;
    for (const int layer : layers) {
      const LayerProfile& one = profile_.layers[static_cast<std::size_t>(layer)];
      ms += transfer_ms(profile_.transfer, one.parameter_bytes + one.state_bytes);
    }
    return ms;
  }

  [[nodiscard]] double filled(const LayoutChange& change, const Layers& layers) const {
    const int steps = (static_cast<int>(layers.size()) + 1) / 2;  // two layers a step
    return std::max(moved(layers), steps * step_ms(change.from));
  }

  /// The least that the slowest of any assignment takes, by augmenting paths.
  [[nodiscard]] double slowest(const LayoutChange& change, const std::vector<Layers>& workers,
                               const std::function<double(const Layers&)>& ms) const {
    const std::vector<Layers> places = holdings(prices_, change.to);
    std::vector<std::vector<double>> takes;
    std::vector<double> lengths{0};
    for (const Layers& place : places) {
      takes.emplace_back();
      for (const Layers& worker : workers) {
        Layers lack;
        std::ranges::set_difference(place, worker, std::inserter(lack, lack.end()));
        takes.back().push_back(ms(lack));
        lengths.push_back(takes.back().back());
      }
    }
    std::ranges::sort(lengths);
    for (const double longest : lengths) {
      if (assigned(takes, longest)) return longest;
    }
    return NAN;
  }

  static bool assigned(const std::vector<std::vector<double>>& takes, double longest) {
    std::vector<std::optional<std::size_t>> place_of(takes.front().size());
    for (std::size_t place = 0; place < takes.size(); ++place) {
      std::vector<bool> seen(place_of.size(), false);
      const auto find = [&](const auto& self, std::size_t at) -> bool {
        for (std::size_t worker = 0; worker < place_of.size(); ++worker) {
          if (seen[worker] || takes[at][worker] > longest) continue;
          seen[worker] = true;
          if (place_of[worker] && !self(self, *place_of[worker])) continue;
          place_of[worker] = at;
          return true;
        }
        return false;
      };
      if (!find(find, place)) return false;
    }
    return true;
  }

  const Profile& profile_;
  const ProfilePrices& prices_;
  const MigrationCosts& costs_;
  std::map<GridLayout, std::vector<Layers>> shadows_;
};

MigrationCosts made_up_costs(Growth growth) {
  MigrationCosts costs{.detect_ms = 31, .view_ms = 7, .cut_over_ms = 2, .start_ms = 210};
  costs.build_ms = 13;
  costs.redo_steps = 0.25;
  costs.rolled_back_ms = 900;
  costs.growth = growth;
  return costs;
}

ProfilePrices priced(const Profile& profile, int workers, const MigrationCosts& costs,
                     int micro_batches = 5, bool shadows = false) {
  const Cluster cluster = identical_workers(workers, memory_without_limit);
  ProfilePricesRequest request;
  request.profile = &profile;
  request.cluster = &cluster;
  request.micro_batches = micro_batches;
  request.costs = costs;
  request.shadows = shadows;
  return ProfilePrices::of(request).value();
}

}  // namespace

TEST_CASE("a change costs the mean over every set of workers that may have vanished", "[unit]") {
  const auto growth = GENERATE(Growth::background, Growth::stop);
  const auto seed = GENERATE(1, 2, 3);
  Random random(static_cast<std::uint64_t>(seed));
  const Profile profile = made_up_profile(random, 4 + seed);
  const MigrationCosts costs = made_up_costs(growth);
  const bool shadows = seed == 3;
  const ProfilePrices prices = priced(profile, 6, costs, 5, shadows);
  CHECK((prices.layouts().size() > priced(profile, 6, costs).layouts().size()) == shadows);
  const Enumeration every(profile, prices, costs);
  for (const MeasuredLayout& from : prices.layouts()) {
    for (const MeasuredLayout& to : prices.layouts()) {
      for (int workers = from.layout.workers(); workers <= 6; ++workers) {
        for (int lost = 0; lost <= workers; ++lost) {
          const LayoutChange change{from.layout, to.layout, workers, lost};
          const Enumeration::Price expected = every.expected(change);
          CAPTURE(seed, from.layout.width, from.layout.depth, from.layout.shadows, to.layout.width,
                  to.layout.depth, to.layout.shadows, workers, lost);
          REQUIRE(prices.change_ms(change) == Approx(expected.stop_ms).epsilon(1e-10));
          REQUIRE(prices.background_ms(change) == Approx(expected.background_ms).epsilon(1e-10));
        }
      }
    }
  }
}

TEST_CASE("eight workers in pipelines of any cuts cost what enumeration says", "[unit]") {
  Random random(11);
  const Profile profile = made_up_profile(random, 9);
  const MigrationCosts costs = made_up_costs(Growth::background);
  const ProfilePrices prices = priced(profile, 8, costs);
  const Enumeration every(profile, prices, costs);
  const auto& all = prices.layouts();
  for (int i = 0; i < 400; ++i) {
    const auto drawn = [&](std::size_t most) {
      return std::min(most - 1,
                      static_cast<std::size_t>(random.uniform() * static_cast<double>(most)));
    };
    const LayoutChange change{all[drawn(all.size())].layout, all[drawn(all.size())].layout, 8,
                              static_cast<int>(drawn(6))};
    CAPTURE(i, change.from.width, change.from.depth, change.to.width, change.to.depth, change.lost);
    REQUIRE(prices.change_ms(change) == Approx(every.expected(change).stop_ms).epsilon(1e-10));
  }
}

TEST_CASE("layouts earn what the planner says, lanes shared out unevenly too", "[unit]") {
  Random random(5);
  const Profile profile = made_up_profile(random, 5);
  const ProfilePrices prices = priced(profile, 6, {});
  // Six of 1, three of 2, two of 3, 4 and 5 stages need 4 and 5 workers; five micro-batches do for
  // five pipelines at most.
  CHECK(prices.layouts().size() == 5 + 3 + 2 + 1 + 1);
  for (const MeasuredLayout& one : prices.layouts()) {
    const Cluster cluster = identical_workers(one.layout.workers(), memory_without_limit);
    const Plan plan = Enumeration::planned(profile, cluster, one.layout);
    CHECK(one.step_ms == plan.step_ms);
    CHECK(one.samples_per_s == plan.samples_per_s);
    CHECK(one.samples_per_s == Approx(1000 * 5 * 2 / one.step_ms));
  }
}

TEST_CASE("a shadow costs time in every step, and saves the one pipeline that loses a worker",
          "[unit]") {
  Random random(12);
  const Profile profile = made_up_profile(random, 6);
  const MigrationCosts costs = made_up_costs(Growth::background);
  const ProfilePrices prices = priced(profile, 4, costs, 5, true);
  const auto rate = [&](const GridLayout& layout) {
    return std::ranges::find(prices.layouts(), layout, &MeasuredLayout::layout)->samples_per_s;
  };
  CHECK(rate({1, 3, 1}) < rate({1, 3}));
  CHECK(rate({1, 3, 1}) > 0.5 * rate({1, 3}));
  const double alone_ms = prices.change_ms({{1, 3}, {1, 3}, 4, 1});
  const double shadowed_ms = prices.change_ms({{1, 3, 1}, {1, 3, 1}, 4, 1});
  CHECK(shadowed_ms < alone_ms - (0.7 * costs.rolled_back_ms));
  // Two losses may take a shadow, too.
  CHECK(prices.change_ms({{1, 3, 1}, {1, 2}, 4, 2}) >= prices.change_ms({{1, 3}, {1, 2}, 4, 2}));
  // Shadows are filled beside training, and go for nothing.
  CHECK(prices.background_ms({{1, 3}, {1, 3, 1}, 3, 0}) > 0);
  CHECK(prices.change_ms({{1, 3}, {1, 3, 1}, 3, 0}) == costs.cut_over_ms);
  CHECK(prices.background_ms({{1, 3, 1}, {1, 3}, 3, 0}) == 0);
  CHECK(std::ranges::count(prices.layouts(), 1, [](auto one) { return one.layout.shadows; }) == 4);
}

TEST_CASE("liveput has a pipeline shadowed where a loss is likely, and not where none is",
          "[unit]") {
  Random random(12);
  const Profile profile = made_up_profile(random, 6);
  MigrationCosts costs = made_up_costs(Growth::background);
  costs.rolled_back_ms = 60'000;
  const ProfilePrices prices = priced(profile, 3, costs, 5, true);
  OptimizerOptions options;
  options.rate_share = 0;
  LiveputOptimizer optimizer(prices, options);
  const std::vector<IntervalCounts> history{{0, 0, 3}};
  Situation situation;
  situation.history = history;
  const auto chosen = [&](double loss) {
    Outlook outlook;
    outlook.loss.assign(12, loss);
    outlook.join.assign(12, 0.5 * loss);
    outlook.most_seen = 3;
    outlook.loss_sizes = {Distribution::certain(1)};
    outlook.join_sizes = {Distribution::certain(1)};
    // Of pipelines of three stages: three of one need no shadow.
    for (const ValuedLayout& one : optimizer.choices(situation, outlook)) {
      if (one.layout.depth == 3) return one.layout;
    }
    return GridLayout{};
  };
  CHECK(chosen(0) == GridLayout{1, 3});
  CHECK(chosen(0.2) == GridLayout{1, 3, 1});
}

TEST_CASE("growth beside training stops nobody but for the cut over", "[unit]") {
  Random random(6);
  const Profile profile = made_up_profile(random, 6);
  const ProfilePrices beside = priced(profile, 4, made_up_costs(Growth::background));
  const ProfilePrices stopped = priced(profile, 4, made_up_costs(Growth::stop));
  const LayoutChange grows{{1, 2}, {2, 2}, 2, 0};
  CHECK(beside.change_ms(grows) == 2);
  CHECK(beside.background_ms(grows) > 210 + 13);
  CHECK(stopped.background_ms(grows) == 0);
  CHECK(stopped.change_ms(grows) > 2 + 210 + 13);
  // To fewer pipelines of the same cuts nothing moves.
  const LayoutChange shrinks{{2, 1}, {1, 1}, 2, 0};
  CHECK(beside.background_ms(shrinks) == 0);
  CHECK(stopped.change_ms(shrinks) == 2);
}

TEST_CASE("layouts that do not fit the memory are none", "[unit]") {
  Random random(7);
  const Profile profile = made_up_profile(random, 6);
  const Cluster cluster = identical_workers(4, 60'000'000);
  ProfilePricesRequest request;
  request.profile = &profile;
  request.cluster = &cluster;
  request.micro_batches = 4;
  const ProfilePrices prices = ProfilePrices::of(request).value();
  REQUIRE(!prices.layouts().empty());
  CHECK(prices.layouts().size() < priced(profile, 4, {}, 4).layouts().size());
  for (const MeasuredLayout& one : prices.layouts()) CHECK(one.layout.depth > 1);
  const Cluster none = identical_workers(4, 1'000'000);
  request.cluster = &none;
  CHECK(ProfilePrices::of(request).fault().kind == FaultKind::infeasible);
}

TEST_CASE("many workers leave out wide layouts, never the widest", "[unit]") {
  const Profile profile = profile_of_costs({1, 2, 3});
  const ProfilePrices prices = priced(profile, 400, {}, 400);
  CHECK(prices.layouts().size() <= 300);
  CHECK(prices.layouts().size() > 200);
  CHECK(prices.layouts().back().layout == GridLayout{400, 1});
  CHECK(std::ranges::count(prices.layouts(), GridLayout{133, 3}, &MeasuredLayout::layout) == 1);
  for (int width = 1; width <= 50; ++width) {
    CHECK(std::ranges::count(prices.layouts(), GridLayout{width, 2}, &MeasuredLayout::layout) == 1);
  }
}

TEST_CASE("prices refuse workers that differ", "[unit]") {
  Random random(8);
  const Profile profile = made_up_profile(random, 3);
  Cluster cluster = identical_workers(3, memory_without_limit);
  cluster.workers[2].speed = 2;
  ProfilePricesRequest request;
  request.profile = &profile;
  request.cluster = &cluster;
  request.micro_batches = 4;
  const auto differ = ProfilePrices::of(request);
  CHECK(differ.fault().sentence == "cluster: workers 0 and 2 differ, must be alike");
  CHECK(differ.fault().kind == FaultKind::invalid_input);
  request.layouts_max = 255;
  CHECK(ProfilePrices::of(request).fault().sentence == "layouts_max: 255, must be 256 to 4096");
}

}  // namespace planaria
