#include <catch2/catch.hpp>

#include <algorithm>

#include <fmt/format.h>

#include <planaria/base/random.hpp>

#include "protocol/scenario.hpp"

namespace planaria::protocol {
namespace {

using Kind = ClusterFault::Kind;

// What many runs amount to.
struct Sums {
  int done = 0;
  int losses = 0;
  int rolled_back = 0;
  int late_fills = 0;
  int evicted_silent = 0;
  int evicted_cut_off = 0;
  int redone = 0;
  int salvaged = 0;
  int planned_views = 0;
  int rerouted_views = 0;
  int moves = 0;
  int evaluations = 0;
  int thrown = 0;
  // The watch itself finds those that end for no reason that their scenario has.
  int too_few = 0;
  int nobody_left = 0;
  int threw_twice = 0;
  int stopped = 0;

  void add(const ClusterReport& report) {
    done += report.outcome->status == 0 ? 1 : 0;
    losses += report.losses;
    rolled_back += report.rolled_back;
    late_fills += report.late_fills;
    evicted_silent += report.evicted_silent;
    evicted_cut_off += report.evicted_cut_off;
    redone += report.redone;
    salvaged += report.salvaged;
    planned_views += report.planned_views;
    rerouted_views += report.rerouted_views;
    moves += report.moves;
    evaluations += report.evaluations;
    thrown += report.thrown;
    const auto says = [&](const char* words) {
      return report.outcome->sentence.find(words) != std::string::npos ? 1 : 0;
    };
    too_few += says("left, must be at least");
    nobody_left += says("no other worker is left to try");
    threw_twice += report.outcome->sentence.ends_with("bad sample") ? 1 : 0;
    stopped += says("stopped before the first step");
  }
};

ClusterReport run_unbroken(std::uint64_t seed) {
  const ClusterOptions scenario = scenario_of(seed);
  INFO("replay it: simulate_cluster --seed " << seed << "\n  " << text_of(scenario));
  ClusterReport report = run_cluster(scenario);
  REQUIRE(report.broken == "");
  return report;
}

// A few workers over many steps, nothing asked of the layout, k 2, nothing that happens.
ClusterOptions quiet_cluster(std::uint64_t seed, int workers) {
  ClusterOptions options = scenario_of(seed, {.faults_max = 0, .throws = false});
  options.faults.clear();
  options.spec.steps = 12;
  options.coordinator.workers = workers;
  options.coordinator.spares = 0;
  options.coordinator.depth.reset();
  options.coordinator.commit_domains = 2;
  return options;
}

ClusterFault crash(int process, int before_delivery) {
  return {.before_delivery = before_delivery, .kind = Kind::crash, .process = process};
}

}  // namespace

TEST_CASE("whatever happens to a cluster, a run keeps the promises", "[simulation]") {
  Sums sums;
  for (std::uint64_t seed = 0; seed < 2400; ++seed) sums.add(run_unbroken(seed));
  INFO(
      fmt::format("{} done, {} losses, {} roll-backs, {} late fills, {} silent, {} cut off, {} "
                  "redone, {} salvaged, {} planned views, {} re-routed, {} moves, {} evaluations, "
                  "{} exceptions",
                  sums.done, sums.losses, sums.rolled_back, sums.late_fills, sums.evicted_silent,
                  sums.evicted_cut_off, sums.redone, sums.salvaged, sums.planned_views,
                  sums.rerouted_views, sums.moves, sums.evaluations, sums.thrown));
  CHECK(sums.done > 1600);
  CHECK(sums.losses > 500);
  CHECK(sums.rolled_back > 10);
  CHECK(sums.late_fills > 10);
  CHECK(sums.evicted_silent > 2);
  CHECK(sums.evicted_cut_off > 5);
  CHECK(sums.redone > 500);
  CHECK(sums.salvaged > 500);
  CHECK(sums.planned_views > 300);
  CHECK(sums.rerouted_views > 20);
  CHECK(sums.moves > 5);
  CHECK(sums.evaluations > 400);
  CHECK(sums.thrown > 50);
  CHECK(sums.too_few > 5);
  CHECK(sums.nobody_left > 5);
  CHECK(sums.threw_twice > 5);
  CHECK(sums.stopped > 5);
}

TEST_CASE("clusters of up to 64 workers keep them too", "[simulation]") {
  int losses = 0;
  for (std::uint64_t seed = 0; seed < 40; ++seed) {
    const ClusterOptions scenario = scenario_of(seed, {.workers_min = seed < 10 ? 64 : 33});
    INFO("seed " << seed << " of 33 to 64 workers\n  " << text_of(scenario));
    const ClusterReport report = run_cluster(scenario);
    REQUIRE(report.broken == "");
    losses += report.losses;
  }
  CHECK(losses > 10);
}

TEST_CASE("the same seed gives the same run", "[simulation]") {
  for (std::uint64_t seed = 0; seed < 20; ++seed) {
    INFO("seed " << seed);
    ClusterOptions scenario = scenario_of(seed);
    scenario.tell_story = true;
    const ClusterReport first = run_cluster(scenario);
    const ClusterReport second = run_cluster(scenario);
    CHECK(first.deliveries == second.deliveries);
    CHECK(first.story == second.story);
    CHECK(first.records == second.records);
    REQUIRE(first.events.size() == second.events.size());
    for (std::size_t i = 0; i < first.events.size(); ++i) {
      CHECK(to_json(first.events[i]) == to_json(second.events[i]));
    }
  }
}

TEST_CASE("records and final state are those of one worker alone, whoever is lost",
          "[simulation]") {
  for (std::uint64_t seed = 0; seed < 60; ++seed) {
    INFO("seed " << seed);
    const ClusterReport alone = run_cluster(quiet_cluster(seed, 1));
    ClusterOptions scenario = quiet_cluster(seed, 2 + static_cast<int>(seed % 5));
    Random random(seed);
    scenario.faults = {
        crash(static_cast<int>(random.below(2)), static_cast<int>(random.between(200, 900)))};
    const ClusterReport report = run_cluster(scenario);
    REQUIRE(report.broken == "");
    REQUIRE(report.outcome->status == 0);
    CHECK(report.records == alone.records);
    REQUIRE(report.stored.size() == alone.stored.size());
    for (std::size_t i = 0; i < alone.stored.size(); ++i) {
      CHECK(report.stored[i].xxh3 == alone.stored[i].xxh3);
    }
  }
}

TEST_CASE("a loss costs no more than the step in flight", "[simulation]") {
  int compared = 0;
  int redone = 0;
  for (std::uint64_t seed = 3000; seed < 3500; ++seed) {
    const ClusterOptions scenario = scenario_of(seed, {.throws = false});
    INFO("seed " << seed << "\n  " << text_of(scenario));
    const ClusterReport report = run_cluster(scenario);
    REQUIRE(report.broken == "");
    if (report.rolled_back > 0) continue;
    const int step = scenario.spec.micro_batches * static_cast<int>(scenario.spec.layers.size());
    CHECK(report.redone <= report.losses * step);
    redone += report.redone;
    ++compared;
  }
  CHECK(compared > 400);
  CHECK(redone > 100);
}

TEST_CASE("of what pipelines have finished only the lost one's lanes are computed again",
          "[simulation]") {
  int salvaged = 0;
  for (std::uint64_t seed = 0; seed < 200; ++seed) {
    const int workers = 2 + static_cast<int>(seed % 5);
    ClusterOptions scenario = quiet_cluster(seed, workers);
    scenario.coordinator.depth = 1;
    scenario.spec.micro_batches = 24;
    Random random(seed);
    // Behind the first step, which begins again from nothing.
    scenario.faults = {crash(static_cast<int>(random.below(2)),
                             static_cast<int>(random.between(150, 400)) * workers)};
    INFO("seed " << seed << "\n  " << text_of(scenario));
    const ClusterReport report = run_cluster(scenario);
    REQUIRE(report.broken == "");
    const int lanes = 24 / scenario.spec.lane_size;
    const int share = (lanes + workers - 1) / workers * scenario.spec.lane_size;
    CHECK(report.redone <= share * static_cast<int>(scenario.spec.layers.size()));
    salvaged += report.salvaged;
  }
  CHECK(salvaged > 1000);
}

TEST_CASE("while fewer than k are lost before the layers are held k times again, nobody goes back",
          "[simulation]") {
  int crashed = 0;
  for (std::uint64_t seed = 0; seed < 200; ++seed) {
    const int workers = 3 + static_cast<int>(seed % 4);
    ClusterOptions scenario = quiet_cluster(seed, workers);
    Random random(seed);
    // Far enough apart that the fills between them end; two are left.
    const int distance = 300 * workers;
    int moment = static_cast<int>(random.between(0, distance));
    for (int process = 0; process + 2 < workers; ++process) {
      scenario.faults.push_back(crash(process, moment));
      moment += distance;
    }
    INFO("seed " << seed << "\n  " << text_of(scenario));
    const ClusterReport report = run_cluster(scenario);
    REQUIRE(report.broken == "");
    REQUIRE(report.outcome->status == 0);
    REQUIRE(report.rolled_back == 0);
    REQUIRE(report.records.size() == 12);
    crashed += report.losses;
  }
  CHECK(crashed > 150);
}

}  // namespace planaria::protocol
