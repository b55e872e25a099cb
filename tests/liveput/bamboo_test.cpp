// Redundant computation by hand, and its probabilities against every set of nodes lost.
#include <bit>
#include <vector>

#include <catch2/catch.hpp>

#include <planaria/liveput/policies.hpp>
#include <planaria/liveput/simulation.hpp>

#include "liveput/flat_prices.hpp"
#include "liveput/neighbour_losses.hpp"

using namespace planaria;
using namespace planaria::test;

namespace {

/// Whether each pipeline goes on when the nodes of `lost` are.
bool goes_on(const RedundantGrid& grid, unsigned lost) {
  for (int pipeline = 0; pipeline < grid.width; ++pipeline) {
    const auto dead = [&](int node) {
      return (lost >> (pipeline * grid.nodes + node % grid.nodes) & 1U) != 0;
    };
    int count = 0;
    for (int node = 0; node < grid.nodes; ++node) {
      if (dead(node)) ++count;
      if (dead(node) && dead(node + 1)) return false;
    }
    if (count > grid.spare) return false;
  }
  return true;
}

}  // namespace

TEST_CASE("pipelines go on as often as every set of nodes says", "[unit]") {
  for (int nodes = 2; nodes <= 7; ++nodes) {
    for (int width = 1; width * nodes <= 14; ++width) {
      for (int spare = 0; spare <= nodes / 2 + 1; ++spare) {
        const RedundantGrid grid{width, nodes, spare};
        std::vector<double> sets(static_cast<std::size_t>(grid.workers()) + 1);
        std::vector<double> going_on(sets.size());
        for (unsigned lost = 0; lost < 1U << grid.workers(); ++lost) {
          const auto count = static_cast<std::size_t>(std::popcount(lost));
          ++sets[count];
          if (goes_on(grid, lost)) ++going_on[count];
        }
        const LossRow row = unbroken(grid);
        CAPTURE(width, nodes, spare);
        for (std::size_t k = 0; k < sets.size(); ++k) {
          CAPTURE(k);
          const double found = k < row.size() ? row[k] : 0;
          CHECK(found == Approx(going_on[k] / sets[k]).epsilon(1e-12).margin(1e-15));
        }
      }
    }
  }
}

TEST_CASE("bamboo masks a loss, and falls back to a checkpoint when neighbours go", "[unit]") {
  const FlatPrices prices({{{1, 1}, 10}, {{1, 2}, 19}});
  const auto intervals = intervals_with({{3, 0}, {0, 1}, {2, 1}});
  const Simulation simulation = simulate(all_of(prices, intervals), *bamboo_policy(prices));
  // Two stages on three nodes, a fifth slower. The first loss costs a step, of 1.2 s; the second is
  // its neighbour's: 5 + 3 + 6 s, and of (52 + 58.8) / 1.2 steps 2 and a third are not saved.
  const double rate = 19 / 1.2;
  const std::vector<double> expected{rate * 52, rate * 58.8, (rate * 46) - (19 * 7 / 3.0)};
  for (std::size_t t = 0; t < expected.size(); ++t) {
    CAPTURE(t);
    CHECK(simulation.intervals[t].choice.layout == GridLayout{1, 2});
    CHECK(simulation.intervals[t].samples == Approx(expected[t]).epsilon(1e-12));
  }
}

TEST_CASE("bamboo weighs who is lost by exact probability", "[unit]") {
  const FlatPrices prices({{{1, 1}, 10}, {{2, 1}, 20}, {{3, 1}, 30}});
  // Two pipelines of two nodes: of the six pairs two are of one pipeline.
  const auto intervals = intervals_with({{4, 0}, {0, 2}, {1, 0}, {3, 0}});
  const Simulation simulation = simulate(all_of(prices, intervals), *bamboo_policy(prices));
  const SimulatedInterval& lost = simulation.intervals[1];
  CHECK(lost.choice.layout == GridLayout{2, 1});
  CHECK(lost.choice.charge.ms == Approx((2 * 1200 + 14'000) / 3.0).epsilon(1e-12));
  // 52 / 1.2 steps were trained, 3 and a third not saved.
  CHECK(lost.choice.lost_samples == Approx(20 * (10 / 3.0) / 3).epsilon(1e-12));
  CHECK(lost.choice.explanation == "goes on with probability 0.67, else from a checkpoint");
  // One that joins waits; four more than two pipelines' two make a third.
  CHECK(simulation.intervals[2].choice.layout == GridLayout{2, 1});
  CHECK(simulation.intervals[2].choice.charge.ms == 0);
  CHECK(simulation.intervals[3].choice.layout == GridLayout{3, 1});
  CHECK(simulation.intervals[3].choice.charge.ms == 8000);
}

TEST_CASE("bamboo stands where no pipeline can be over-provisioned", "[unit]") {
  const FlatPrices prices({{{1, 2}, 19}});
  const auto intervals = intervals_with({{2, 0}, {1, 0}});
  const Simulation simulation = simulate(all_of(prices, intervals), *bamboo_policy(prices));
  CHECK(simulation.intervals[0].choice.layout.empty());
  CHECK(simulation.intervals[1].choice.layout == GridLayout{1, 2});
  CHECK(simulation.intervals[1].standing_ms == 14'000);  // as after any standstill: what is saved
}

TEST_CASE("bamboo knows that earlier losses broke nothing", "[unit]") {
  const FlatPrices prices({{{3, 1}, 30}});
  const auto intervals = intervals_with({{6, 0}, {0, 2}, {0, 1}});
  const Simulation simulation = simulate(all_of(prices, intervals), *bamboo_policy(prices));
  // Of three pipelines of two nodes two have lost one each: a loss among the four nodes left is one
  // of the whole pipeline's in half of the cases.
  CHECK(simulation.intervals[1].choice.explanation ==
        "goes on with probability 0.80, else from a checkpoint");
  CHECK(simulation.intervals[2].choice.explanation ==
        "goes on with probability 0.50, else from a checkpoint");
}

TEST_CASE("a masked loss does not end what is under way", "[unit]") {
  const FlatPrices prices({{{1, 2}, 19}});
  const auto intervals = intervals_with({{3, 0}, {0, 1}});
  SimulationRequest request = all_of(prices, intervals);
  request.interval_ms = 5000;
  const Simulation simulation = simulate(request, *bamboo_policy(prices, {.interval_ms = 5000}));
  // Of 8 s to begin 3 are left, and a step of 1.2 s is added.
  CHECK(simulation.intervals[0].standing_ms == 5000);
  CHECK(simulation.intervals[1].standing_ms == Approx(4200).epsilon(1e-12));
}
