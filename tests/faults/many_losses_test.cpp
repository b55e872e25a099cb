// Several are lost: at once, in turn, all that hold a layer, half of them.
#include <catch2/catch.hpp>

#include <algorithm>
#include <set>

#include <fmt/format.h>

#include "faults/run_rules.hpp"

namespace planaria::test {
namespace {

// Who holds which layer in a layout, computing or shadowing.
std::vector<std::set<int>> holders_of(const Json& layout, int layers) {
  std::vector<std::set<int>> holders(static_cast<std::size_t>(layers));
  for (const Json& pipeline : layout.at("pipelines")) {
    for (const Json& stage : pipeline.at("stages")) {
      for (int layer = stage.at("first_layer"); layer <= stage.at("last_layer"); ++layer) {
        holders[static_cast<std::size_t>(layer)].insert(stage.at("worker").get<int>());
      }
    }
  }
  for (const Json& shadow : layout.value("shadows", Json::array())) {
    for (const Json& layer : shadow.at("layers")) {
      holders[layer.get<std::size_t>()].insert(shadow.at("worker").get<int>());
    }
  }
  return holders;
}

// Two workers that together are all holders of some layer, or of none.
std::pair<int, int> pair_that(bool wipes_out, const std::vector<std::set<int>>& holders,
                              int workers) {
  for (int a = 0; a < workers; ++a) {
    for (int b = a + 1; b < workers; ++b) {
      const bool wiped = std::ranges::any_of(holders, [&](const std::set<int>& of_layer) {
        return std::ranges::all_of(of_layer,
                                   [&](int holder) { return holder == a || holder == b; });
      });
      if (wiped == wipes_out) return {a, b};
    }
  }
  FAIL("no such pair");
  return {};
}

constexpr int layers = 8;
const std::string deep = "--workers 4 --width 1 --depth 4";

std::string killed_at_once(std::pair<int, int> pair, const std::string& phase) {
  return fmt::format("kill@step=20:worker={}:phase={},kill@step=20:worker={}:phase={}", pair.first,
                     phase, pair.second, phase);
}

}  // namespace

TEST_CASE("two killed at once who leave every layer held cost no step", "[faults]") {
  Training training;
  const auto holders = holders_of(first_layout(training.run(deep)), layers);
  const auto pair = pair_that(false, holders, 4);
  for (const char* phase : {"forward", "committed"}) {
    const RunFiles run = training.run(deep, killed_at_once(pair, phase));
    CHECK(complaints_about(run, training.undisturbed()) == "");
    CHECK(events_named(run, "worker_lost").size() == 2);
    CHECK(events_named(run, "rolled_back").empty());
  }
}

TEST_CASE("two killed at once who alone held a layer take all back to the beginning", "[faults]") {
  Training training;
  const auto holders = holders_of(first_layout(training.run(deep)), layers);
  const auto pair = pair_that(true, holders, 4);
  for (const char* phase : {"backward", "reported"}) {
    const RunFiles run = training.run(deep, killed_at_once(pair, phase));
    CHECK(complaints_about(run, training.undisturbed()) == "");
    const auto back = events_named(run, "rolled_back");
    REQUIRE(back.size() == 1);
    CHECK(back[0].at("to") == 0);
    CHECK(back[0].at("from").get<int>() >= 19);
  }
}

TEST_CASE("with one copy of each layer any loss takes all back, and the bits stay", "[faults]") {
  Training training;
  const RunFiles run = training.run("--workers 3 --width 1 --depth 3 --commit-domains 1",
                                    "kill@step=9:worker=1:phase=reduce");
  CHECK(complaints_about(run, training.undisturbed(), 1) == "");
  CHECK(events_named(run, "rolled_back").size() == 1);
}

TEST_CASE("three lost in turn, the first worker among them, leave one that finishes", "[faults]") {
  Training training;
  for (const char* options :
       {"--workers 4 --width 1 --depth 4", "--workers 4 --width 2 --depth 2"}) {
    const RunFiles run = training.run(options,
                                      "kill@step=8:worker=0,kill@step=18:worker=3:phase=committed,"
                                      "kill@step=28:worker=1:phase=backward");
    CHECK(complaints_about(run, training.undisturbed()) == "");
    CHECK(run.result.at("workers").size() == 1);
    CHECK(events_named(run, "rolled_back").empty());
  }
}

TEST_CASE("who has just been promoted is killed too", "[faults]") {
  Training training;
  const RunFiles run =
      training.run(deep + " --spares 1 --commit-domains 3",
                   "kill@step=8:worker=1:phase=reduce,kill@step=9:worker=promoted:phase=backward");
  CHECK(complaints_about(run, training.undisturbed(), 3) == "");
  CHECK(events_named(run, "worker_lost").size() == 2);
  CHECK(events_named(run, "rolled_back").empty());
}

TEST_CASE("half of the workers are killed in one step", "[faults]") {
  Training training;
  const RunFiles run =
      training.run("--workers 6 --width 2 --depth 3",
                   "kill@step=15:worker=0,kill@step=15:worker=1,kill@step=15:worker=2");
  CHECK(complaints_about(run, training.undisturbed()) == "");
  CHECK(events_named(run, "worker_lost").size() == 3);
}

TEST_CASE("a spare that does nothing may be lost without a word", "[faults]") {
  Training training;
  const RunFiles run = training.run("--workers 2 --width 2 --depth 1 --spares 1",
                                    "kill@step=10:worker=2:phase=idle");
  CHECK(complaints_about(run, training.undisturbed()) == "");
  CHECK(run.result.at("redone_micro_batches") == 0);
}

}  // namespace planaria::test
