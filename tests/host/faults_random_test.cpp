#include <catch2/catch.hpp>

#include <fmt/format.h>

#include <algorithm>
#include <map>
#include <set>
#include <string>
#include <vector>

#include <planaria/base/random.hpp>
#include <planaria/host/faults.hpp>

namespace planaria::host {
namespace {

std::string text_of_orders(const std::vector<FaultOrder>& orders) {
  return text_of(FaultPlan{.orders = orders, .random = {}});
}

struct Counts {
  int kills = 0, stops = 0, joins = 0;
};

// Plays the orders one by one with a list of living workers; shares nothing with expand().
Counts play(const std::vector<FaultOrder>& orders, const FaultBounds& bounds) {
  std::set<int> living;
  int next = bounds.workers + bounds.spares;
  for (int i = 0; i < next; ++i) living.insert(i);
  Counts counts;
  std::int64_t step_before = 1;
  for (const FaultOrder& order : orders) {
    INFO(text_of(order));
    const std::int64_t step = std::get<Step>(order.when).value;
    CHECK(step >= step_before);
    CHECK(step <= *bounds.steps);
    step_before = step;
    if (order.kind == FaultAct::join) {
      ++counts.joins;
      for (int i = 0; i < order.count; ++i) living.insert(next++);
      continue;
    }
    ++(order.kind == FaultAct::kill ? counts.kills : counts.stops);
    CHECK((order.kind == FaultAct::stop) == order.for_s.has_value());
    CHECK(living.erase(std::get<WorkerId>(order.who).value) == 1);
    CHECK(living.size() >= 2);
  }
  return counts;
}

}  // namespace

TEST_CASE("one seed gives the same orders every time, another gives others") {
  const FaultBounds bounds{
      .workers = 4, .spares = 2, .steps = 100, .micro_batches = {}, .layers = {}};
  const RandomFaults random{.kills = 3, .stops = 1, .joins = 2, .seed = 3, .written = {}};
  const auto orders = expand(random, bounds).value();
  CHECK(orders == expand(random, bounds).value());
  // The text that a report would quote: it must not change from machine to machine.
  CHECK(text_of_orders(orders) ==
        "kill@step=3:worker=2:phase=reduce,stop@step=17:worker=1:for_s=1,kill@step=35:worker=5,"
        "join@step=53:count=1,kill@step=77:worker=4,join@step=89:count=1");
  std::set<std::string> texts;
  for (std::uint64_t seed = 0; seed < 50; ++seed) {
    texts.insert(
        text_of_orders(expand({.kills = 3, .stops = 1, .joins = 2, .seed = seed}, bounds).value()));
  }
  CHECK(texts.size() == 50);
}

TEST_CASE("random orders over many seeds leave two workers and fit the run") {
  constexpr std::uint64_t seed = 99;
  INFO("seed " << seed);
  Random random(seed);
  std::map<FaultPhase, int> phases;
  int feasible = 0;
  for (int i = 0; i < 3000; ++i) {
    const FaultBounds bounds{.workers = static_cast<int>(random.between(1, 8)),
                             .spares = static_cast<int>(random.between(0, 3)),
                             .steps = random.between(1, 60),
                             .micro_batches = 8,
                             .layers = 6};
    const RandomFaults wanted{.kills = static_cast<int>(random.between(0, 9)),
                              .stops = static_cast<int>(random.between(0, 4)),
                              .joins = static_cast<int>(random.between(1, 9)),
                              .seed = random.next()};
    INFO(fmt::format("{} workers, {} spares, {} steps: {}", bounds.workers, bounds.spares,
                     *bounds.steps, text_of(wanted)));
    const int most = bounds.workers + bounds.spares + wanted.joins - 2;
    const auto orders = expand(wanted, bounds);
    const bool possible = wanted.kills + wanted.stops <= std::max(0, most);
    REQUIRE(orders.ok() == possible);
    CHECK(check_faults({.orders = {}, .random = wanted}, bounds).ok() == possible);
    if (!possible) continue;
    ++feasible;
    INFO(text_of_orders(orders.value()));
    const Counts counts = play(orders.value(), bounds);
    CHECK(counts.kills == wanted.kills);
    CHECK(counts.stops == wanted.stops);
    CHECK(counts.joins == wanted.joins);
    const FaultPlan plan{.orders = orders.value(), .random = {}};
    CHECK(check_faults(plan, bounds).ok());
    CHECK(faults_from_text(text_of(plan)).value() == plan);
    for (const FaultOrder& order : orders.value()) {
      CHECK(order.written == text_of(order));
      if (order.phase) ++phases[*order.phase];
    }
  }
  CHECK(feasible > 1500);
  // Every phase of a plain step comes up, and none that not every step has.
  CHECK(phases.size() == 5);
  CHECK(phases.rbegin()->first == FaultPhase::committed);
}

TEST_CASE("random orders are spread over all the steps") {
  const FaultBounds bounds{.workers = 12, .steps = 100};
  for (std::uint64_t seed = 0; seed < 200; ++seed) {
    const auto orders = expand({.kills = 10, .seed = seed}, bounds).value();
    INFO("seed " << seed << ": " << text_of_orders(orders));
    for (std::size_t i = 0; i < orders.size(); ++i) {
      const auto step = std::get<Step>(orders[i].when).value;
      CHECK((step - 1) / 10 == static_cast<std::int64_t>(i));
    }
  }
  // More orders than steps: several in one, each step some.
  const auto crowded = expand({.joins = 9, .seed = 1}, {.workers = 4, .steps = 3}).value();
  std::map<std::int64_t, int> per_step;
  for (const FaultOrder& order : crowded) ++per_step[std::get<Step>(order.when).value];
  CHECK(per_step == std::map<std::int64_t, int>{{1, 3}, {2, 3}, {3, 3}});
}

TEST_CASE("two workers lose one only after another has joined") {
  const FaultBounds bounds{.workers = 2, .steps = 50};
  for (std::uint64_t seed = 0; seed < 100; ++seed) {
    const auto orders = expand({.kills = 3, .joins = 3, .seed = seed}, bounds).value();
    INFO("seed " << seed << ": " << text_of_orders(orders));
    CHECK(orders.front().kind == FaultAct::join);
    CHECK(play(orders, bounds).kills == 3);
  }
  CHECK(expand({.kills = 4, .joins = 3, .seed = 1}, bounds).fault().sentence ==
        "--faults: random:kills=4:joins=3:seed=1: kills: 4, must be at most 3: 2 workers "
        "at the start, 3 joins of its own, and 2 must stay");
}

TEST_CASE("random orders leave alone whom other orders name") {
  const FaultBounds bounds{.workers = 6, .steps = 40};
  const auto others = faults_from_text("kill@step=20:worker=1,stop@s=2:worker=6,join@s=1").value();
  for (std::uint64_t seed = 0; seed < 200; ++seed) {
    const RandomFaults random{.kills = 3, .joins = 1, .seed = seed};
    const auto orders = expand(random, bounds, others.orders).value();
    INFO("seed " << seed << ": " << text_of_orders(orders));
    for (const FaultOrder& order : orders) {
      CHECK(order.who != FaultTarget{WorkerId{1}});
      CHECK(order.who != FaultTarget{WorkerId{6}});
    }
    FaultPlan all = others;
    all.orders.insert(all.orders.end(), orders.begin(), orders.end());
    CHECK(check_faults(all, bounds).ok());
  }
  CHECK_FALSE(expand({.kills = 4, .joins = 1, .seed = 1}, bounds, others.orders).ok());
}

}  // namespace planaria::host
