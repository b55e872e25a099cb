#include <catch2/catch.hpp>

#include <set>

#include <planaria/base/random.hpp>

#include "protocol/cluster.hpp"
#include "protocol/toy_worker.hpp"

namespace planaria::protocol {
namespace {

RunSpec spec_of(std::uint64_t seed) {
  RunSpec spec = toy_spec();
  Random random(seed);
  spec.steps = random.between(1, 5);
  spec.micro_batches = static_cast<int>(random.between(1, 9));
  spec.lane_size = static_cast<int>(random.between(1, 2));
  return spec;
}

ClusterOptions cluster_of(int workers, std::uint64_t seed) {
  ClusterOptions options;
  options.seed = seed;
  options.spec = spec_of(seed);
  options.coordinator.workers = workers;
  if (seed % 3 == 0) options.coordinator.schedule = "gpipe";
  return options;
}

// The first thing broken over many undisturbed runs and runs with a loss, or nothing.
template <class Plant>
std::string first_broken(Plant plant) {
  for (std::uint64_t seed = 0; seed < 40; ++seed) {
    ClusterOptions options = cluster_of(3, seed);
    plant(options);
    if (seed % 2 == 1) {
      options.lost_process = static_cast<int>(seed % 3);
      options.lost_before_delivery = static_cast<int>(seed) + 10;
    }
    const ClusterReport report = run_cluster(options);
    if (!report.broken.empty()) return report.broken;
  }
  return "";
}

bool is_report(const Input& input) {
  const auto* received = std::get_if<Received>(&input);
  return received != nullptr && std::holds_alternative<Report>(received->message);
}

}  // namespace

TEST_CASE("undisturbed runs commit every step once, in order, and end with status 0", "[unit]") {
  for (int workers = 1; workers <= 8; ++workers) {
    for (std::uint64_t seed = 0; seed < 40; ++seed) {
      INFO("workers " << workers << ", seed " << seed);
      const ClusterOptions options = cluster_of(workers, seed);
      const ClusterReport report = run_cluster(options);
      REQUIRE(report.broken == "");
      REQUIRE(report.outcome->status == 0);
      REQUIRE(report.ends.size() == static_cast<std::size_t>(workers));
      REQUIRE(report.records.size() == static_cast<std::size_t>(options.spec.steps));
      REQUIRE(report.records.back().last);
      REQUIRE(report.stored.size() == options.spec.layers.size());
    }
  }
}

TEST_CASE("records and final state are the same whatever the workers and the order", "[unit]") {
  for (std::uint64_t seed = 0; seed < 10; ++seed) {
    const ClusterReport alone = run_cluster(cluster_of(1, seed));
    for (int workers = 2; workers <= 8; ++workers) {
      INFO("workers " << workers << ", seed " << seed);
      ClusterOptions options = cluster_of(workers, seed);
      options.seed = seed * 100 + static_cast<std::uint64_t>(workers);
      const ClusterReport report = run_cluster(options);
      REQUIRE(report.records == alone.records);
      REQUIRE(report.stored.size() == alone.stored.size());
      for (std::size_t i = 0; i < alone.stored.size(); ++i) {
        REQUIRE(report.stored[i].xxh3 == alone.stored[i].xxh3);
      }
    }
  }
}

TEST_CASE("the same seed gives the same run", "[unit]") {
  const ClusterReport first = run_cluster(cluster_of(5, 12));
  const ClusterReport second = run_cluster(cluster_of(5, 12));
  CHECK(first.deliveries == second.deliveries);
  REQUIRE(first.events.size() == second.events.size());
  for (std::size_t i = 0; i < first.events.size(); ++i) {
    CHECK(to_json(first.events[i]) == to_json(second.events[i]));
  }
}

TEST_CASE("a worker lost anywhere ends the run for everybody with one sentence", "[unit]") {
  std::set<std::string> endings;
  int replaced = 0;
  int too_late = 0;
  for (int workers = 1; workers <= 8; ++workers) {
    for (std::uint64_t seed = 0; seed < 60; ++seed) {
      ClusterOptions options = cluster_of(workers, seed);
      const int length = run_cluster(options).deliveries;
      Random random(mix({seed, static_cast<std::uint64_t>(workers)}));
      options.lost_process = static_cast<int>(random.between(0, workers - 1));
      options.lost_before_delivery = static_cast<int>(random.between(0, length - 1));
      INFO("workers " << workers << ", seed " << seed << ", process " << *options.lost_process
                      << " before delivery " << options.lost_before_delivery);
      const ClusterReport report = run_cluster(options);
      REQUIRE(report.broken == "");
      if (report.outcome->status == 0) {
        // Another took its place while joining, or the run was over but for the goodbyes.
        report.lost_while_joining ? ++replaced : ++too_late;
        REQUIRE(report.records.size() == static_cast<std::size_t>(options.spec.steps));
        continue;
      }
      REQUIRE(report.outcome->status == 1);
      const std::string& sentence = report.outcome->sentence;
      REQUIRE(sentence.starts_with("worker "));
      REQUIRE(sentence.ends_with(": killed"));
      endings.insert(sentence.substr(9, sentence.find(':') - 9));
    }
  }
  CHECK(replaced > 0);
  CHECK(too_late > 0);
  CHECK(endings.contains("was lost before the first step"));
  CHECK(endings.contains("was lost in step 2"));
  CHECK(endings.contains("was lost after step 3, the last"));
}

TEST_CASE("a user's exception ends the run for everybody with its place", "[unit]") {
  for (int workers = 1; workers <= 8; ++workers) {
    for (std::uint64_t seed = 0; seed < 20; ++seed) {
      INFO("workers " << workers << ", seed " << seed);
      ClusterOptions options = cluster_of(workers, seed);
      options.spec.steps = 4;
      options.throws_in_step = Step{3};
      const ClusterReport report = run_cluster(options);
      REQUIRE(report.broken == "");
      REQUIRE(report.outcome->status == 1);
      const std::string& sentence = report.outcome->sentence;
      REQUIRE(sentence.substr(10) == "step 3, micro-batch 0, layer 0 (embedding): bad sample");
      REQUIRE(report.records.size() == 2);
      REQUIRE(report.stored.empty());
    }
  }
}

TEST_CASE("a stop at any point ends the run with a whole number of steps, stored", "[unit]") {
  int stopped_early = 0;
  for (int workers = 1; workers <= 6; ++workers) {
    for (std::uint64_t seed = 0; seed < 40; ++seed) {
      ClusterOptions options = cluster_of(workers, seed);
      options.spec.steps = 6;
      const int length = run_cluster(options).deliveries;
      Random random(seed);
      options.stop_before_delivery = static_cast<int>(random.between(0, length - 1));
      INFO("workers " << workers << ", seed " << seed << ", stop before delivery "
                      << *options.stop_before_delivery);
      const ClusterReport report = run_cluster(options);
      if (report.outcome && report.outcome->status == 1) {
        REQUIRE(report.outcome->sentence == "stopped before the first step: signal 15");
        REQUIRE(report.records.empty());
        continue;
      }
      REQUIRE(report.broken == "");
      REQUIRE(report.outcome->status == 0);
      REQUIRE(report.records.back().last);
      REQUIRE(report.stored.size() == options.spec.layers.size());
      if (report.records.size() < 6) ++stopped_early;
    }
  }
  CHECK(stopped_early > 20);
}

TEST_CASE("planted: a coordinator that commits on the first report is caught", "[unit]") {
  const auto hasty = [](CoordinatorState& state, const Input& input, Instant now) {
    const bool first = is_report(input) && state.reports.empty();
    Decision decision = step(state, input, now);
    if (first && state.phase == CoordinatorState::Phase::training && !state.reports.empty()) {
      for (const auto& [worker, member] : state.members) {
        decision.commands.emplace_back(Send{worker, Commit{{.step = state.step}}});
      }
    }
    return decision;
  };
  CHECK(first_broken([&](ClusterOptions& options) {
          options.coordinator_step = hasty;
        }).find("was committed before worker") != std::string::npos);
}

TEST_CASE("planted: a coordinator that does not hear of losses is caught", "[unit]") {
  const auto deaf = [](CoordinatorState& state, const Input& input, Instant now) {
    const bool loss = std::holds_alternative<WorkerLost>(input);
    if (loss && state.phase != CoordinatorState::Phase::joining) return Decision{{}, "unheard"};
    return step(state, input, now);
  };
  CHECK(first_broken([&](ClusterOptions& options) { options.coordinator_step = deaf; }) ==
        "the coordinator never finished");
}

TEST_CASE("planted: an agent that applies before the record is caught", "[unit]") {
  const auto eager = [](agent::AgentState& state, const agent::Input& input) {
    agent::Decision decision = agent::step(state, input);
    if (const auto* computed = std::get_if<agent::Computed>(&input)) {
      decision.commands.emplace_back(agent::Apply{{.step = computed->report.step}});
    }
    return decision;
  };
  CHECK(first_broken([&](ClusterOptions& options) {
          options.agent_step = eager;
        }).find(", which was not committed") != std::string::npos);
}

TEST_CASE("nothing is found broken where nothing was planted", "[unit]") {
  CHECK(first_broken([](ClusterOptions&) {}) == "");
}

}  // namespace planaria::protocol
