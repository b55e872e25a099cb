// Every way in which a plan may not be what it promises is planted once and must be told.
#include <algorithm>
#include <functional>
#include <limits>
#include <utility>

#include <fmt/format.h>
#include <catch2/catch.hpp>

#include <planaria/base/text.hpp>

#include "planner/plan_cases.hpp"
#include "planner/plan_verifier.hpp"

namespace planaria {
namespace {

using plan_cases::alike_layers;
using plan_cases::filled;
using plan_cases::plan_of;
using plan_cases::stage;

// Two pipelines over workers 0 to 2, worker 3 shadows layer 1, worker 4 is idle. Nothing is wrong.
struct Story {
  Profile profile = alike_layers(3);
  Cluster cluster = identical_workers(5, 10'000);
  Promises promises;
  Plan plan;

  explicit Story(const std::string& schedule = "1f1b") {
    plan = plan_of(schedule, {{4, {stage(0, 1, 0), stage(2, 2, 1)}}, {2, {stage(0, 2, 2)}}});
    plan.shadows = {{WorkerId{3}, {LayerId{1}}}};
    if (schedule == "auto") {
      plan.pipelines[0].stages[0].actions = "F0 F1 B0 W0 F2 B1 F3 B2 W1 G3 W2";
      plan.pipelines[0].stages[1].actions = "F0 B0 W0 F1 B1 F2 B2 W1 W2 F3 G3";
      plan.pipelines[1].stages[0].actions = "F0 G0 F1 G1";
    }
    fill();
    promises.micro_batches = 6;
    promises.survive = 1;
  }
  void fill() { plan = filled(plan, profile, cluster); }
  [[nodiscard]] std::vector<std::string> faults() const {
    return faults_of(plan, profile, cluster, promises);
  }
  PlannedStage& stage_of(std::size_t pipeline, std::size_t index) {
    return plan.pipelines[pipeline].stages[index];
  }
};

struct Planted {
  const char* told;  // part of a sentence, "\n" before its beginning
  std::function<void(Story&)> plant;
};

void check_told(const std::vector<Planted>& all, const std::string& schedule) {
  for (const Planted& planted : all) {
    Story story(schedule);
    REQUIRE(story.faults().empty());
    planted.plant(story);
    const auto faults = story.faults();
    INFO(planted.told << "\n" << join(faults, "\n"));
    CHECK(std::any_of(faults.begin(), faults.end(), [&](const std::string& fault) {
      return ("\n" + fault).find(planted.told) != std::string::npos;
    }));
  }
}

}  // namespace

TEST_CASE("a plan with nothing wrong has no faults", "[unit]") {
  CHECK(join(Story().faults(), "\n").empty());
  CHECK(join(Story("auto").faults(), "\n").empty());
}

TEST_CASE("a plan that is not what was asked is told", "[unit]") {
  check_told(
      {{"micro_batches: 6, asked 7", [](Story& s) { s.promises.micro_batches = 7; }},
       {"micro_batch_size: 1, asked 2", [](Story& s) { s.promises.micro_batch_size = 2; }},
       {"micro_batch_size: 3, must be one of 1", [](Story& s) { s.plan.micro_batch_size = 3; }},
       {"lane_size: 1, asked 2", [](Story& s) { s.promises.lane_size = 2; }},
       {"lane_size: 0, must be", [](Story& s) { s.plan.lane_size = 0; }},
       {"schedule: 1f1b, asked gpipe", [](Story& s) { s.promises.schedule = "gpipe"; }},
       {"schedule: zb-v, must be", [](Story& s) { s.plan.schedule = "zb-v"; }},
       {"pipelines: 2, asked 3", [](Story& s) { s.promises.width = 3; }},
       {"stages: 1, asked 2", [](Story& s) { s.promises.depth = 2; }},
       {"shadows: there, asked none", [](Story& s) { s.promises.shadows = false; }},
       {"survives: 1, asked 2", [](Story& s) { s.promises.survive = 2; }},
       {"some loss of 2 workers takes a layer", [](Story& s) { s.promises.survive = 2; }},
       {"samples_per_s",
        [](Story& s) { s.promises.min_samples_per_s = s.plan.samples_per_s * 1.01; }},
       {"stages[0].recompute: false", [](Story& s) { s.promises.recompute = Recompute::always; }},
       {"stages[1].recompute: true, asked never",
        [](Story& s) {
          s.stage_of(0, 1).recompute = true;
          s.fill();
          s.promises.recompute = Recompute::never;
        }},
       {"pipelines[0].stages[1].recompute: true, though worker 1 has room",
        [](Story& s) {
          s.stage_of(0, 1).recompute = true;
          s.fill();
        }}},
      "1f1b");
}

TEST_CASE("pipelines that do not stand are told", "[unit]") {
  check_told(
      {{"pipelines: none", [](Story& s) { s.plan.pipelines.clear(); }},
       {"pipelines[0]: ends before layer 2",
        [](Story& s) { s.plan.pipelines[0].stages.pop_back(); }},
       {"stages[1]: layers 1 to 2, must begin at 2",
        [](Story& s) { s.stage_of(0, 1).layers.first = LayerId{1}; }},
       {"stages[0]: layers 0 to 3", [](Story& s) { s.stage_of(1, 0).layers.last = LayerId{3}; }},
       {"stages[0]: layers 0 to -1", [](Story& s) { s.stage_of(0, 0).layers.last = LayerId{-1}; }},
       {"worker: 9 is not there", [](Story& s) { s.stage_of(0, 1).worker = WorkerId{9}; }},
       {"worker: 2 is in two places", [](Story& s) { s.stage_of(0, 1).worker = WorkerId{2}; }},
       {"pipelines[1].micro_batches: 0, must be",
        [](Story& s) { s.plan.pipelines[1].micro_batches = 0; }},
       {"micro-batches are 7, must be 6", [](Story& s) { s.plan.pipelines[1].micro_batches = 3; }},
       {"pipelines[0].micro_batches: 3, must be whole lanes of 2",
        [](Story& s) {
          s.plan.lane_size = 2;
          s.plan.pipelines[0].micro_batches = 3;
          s.plan.pipelines[1].micro_batches = 3;
        }},
       {"zb-h2 is not for 2 stages and 2",
        [](Story& s) {
          s.plan.schedule = "zb-h2";
          s.plan.pipelines[0].micro_batches = 2;
          s.plan.pipelines[1].micro_batches = 4;
        }},
       {"there, though the schedule is not auto",
        [](Story& s) { s.stage_of(1, 0).actions = "F0 G0 F1 G1"; }}},
      "1f1b");
}

TEST_CASE("a short last lane belongs to the last pipeline", "[unit]") {
  Story story;
  story.plan.lane_size = 4;
  story.fill();
  CHECK(join(story.faults(), "\n").empty());
  std::swap(story.plan.pipelines[0], story.plan.pipelines[1]);
  story.fill();
  CHECK(join(story.faults(), "\n") == "pipelines[0].micro_batches: 2, must be whole lanes of 4");
}

TEST_CASE("actions that are no schedule are told", "[unit]") {
  const auto last = [](const char* actions) {
    return [actions](Story& s) { s.stage_of(1, 0).actions = actions; };
  };
  check_told({{"\"F0 X0\" cannot be read", last("F0 X0")},
              {"B0 is not its turn", last("B0 F0 W0 F1 G1")},
              {"W0 is not its turn", last("F0 W0 B0 F1 G1")},
              {"W0 is not its turn", last("F0 G0 W0 F1 G1")},
              {"F0 is not its turn", last("F0 F0 G0 F1 G1")},
              {"micro-batch 1 ends as \"F\"", last("F0 G0 F1")},
              {"micro-batch 1 ends as \"\"", last("F0 G0")},
              {"F2 is not of the share of 2", last("F0 G0 F1 G1 F2 G2")},
              {"G0 comes after 1 of its lane",
               [](Story& s) {
                 s.plan.lane_size = 2;
                 s.stage_of(1, 0).actions = "F0 F1 G1 G0";
               }},
              {"pipelines[0]: its actions wait for each other",
               [](Story& s) {
                 s.stage_of(0, 0).actions = "F0 G0 F1 G1 F2 G2 F3 G3";
                 s.stage_of(0, 1).actions = "F1 G1 F0 G0 F2 G2 F3 G3";
               }}},
             "auto");
  Story other_lanes("auto");  // in lanes of one any order will do
  other_lanes.stage_of(1, 0).actions = "F0 F1 G1 G0";
  other_lanes.fill();
  CHECK(join(other_lanes.faults(), "\n").empty());
}

TEST_CASE("shadows that cannot be are told", "[unit]") {
  const auto shadows = [](const std::vector<ShadowAssignment>& all) {
    return [all](Story& s) { s.plan.shadows = all; };
  };
  check_told(
      {{"shadows[0].worker: 9 is not there", shadows({{WorkerId{9}, {LayerId{1}}}})},
       {"shadows[1].worker: 3 stands there twice",
        shadows({{WorkerId{3}, {LayerId{1}}}, {WorkerId{3}, {LayerId{0}}}})},
       {"shadows[0].layers: none", shadows({{WorkerId{3}, {}}})},
       {"layers: 3 is not there", shadows({{WorkerId{3}, {LayerId{3}}}})},
       {"worker 3 holds layer 1 already", shadows({{WorkerId{3}, {LayerId{1}, LayerId{1}}}})},
       {"worker 1 holds layer 2 already", shadows({{WorkerId{1}, {LayerId{2}}}})}},
      "1f1b");
}

TEST_CASE("numbers that do not follow from the plan are told", "[unit]") {
  check_told(
      {{"idle_workers: 0 named, 1 are idle", [](Story& s) { s.plan.idle_workers.clear(); }},
       {"idle_workers", [](Story& s) { s.plan.idle_workers.emplace_back(3); }},
       {"idle_workers", [](Story& s) { s.plan.shadows.clear(); }},
       {"survives: 2, is 1", [](Story& s) { s.plan.survives = 2; }},
       {"some loss of 2 workers takes a layer", [](Story& s) { s.plan.survives = 2; }},
       {"survives: 0, any loss of 1 leaves every layer", [](Story& s) { s.plan.survives = 0; }},
       {"\nstep_ms: ", [](Story& s) { s.plan.step_ms *= 1 + 2e-9; }},
       {"\nstep_ms: ", [](Story& s) { s.plan.step_ms = std::numeric_limits<double>::quiet_NaN(); }},
       {"samples_per_s", [](Story& s) { s.plan.samples_per_s *= 1 - 2e-9; }},
       {"above the step's", [](Story& s) { s.plan.bound_step_ms *= 1 + 2e-12; }},
       {"that is called optimal", [](Story& s) { s.plan.bound_step_ms *= 1 - 2e-12; }},
       {"pipelines[0].stages[1].peak_memory_bytes",
        [](Story& s) { ++s.stage_of(0, 1).peak_memory_bytes; }}},
      "1f1b");
}

TEST_CASE("a bound below a step that is not called optimal is no fault", "[unit]") {
  Story story;
  story.plan.optimal = false;
  story.plan.bound_step_ms = 0;
  CHECK(join(story.faults(), "\n").empty());
}

TEST_CASE("memory that is just enough is enough, one byte less is not", "[unit]") {
  Story story;
  story.plan.shadows.push_back({WorkerId{1}, {LayerId{1}}});
  story.fill();
  const VerifiedCost cost = verified_cost(story.plan, story.profile, story.cluster);
  for (std::size_t i = 0; i < 4; ++i) {
    story.cluster.workers[i].memory_bytes = cost.memory_bytes.at(WorkerId{static_cast<int>(i)});
  }
  CHECK(join(story.faults(), "\n").empty());
  for (std::size_t i = 0; i < 4; ++i) {
    --story.cluster.workers[i].memory_bytes;
    const std::int64_t bytes = cost.memory_bytes.at(WorkerId{static_cast<int>(i)});
    CHECK(join(story.faults(), "\n") ==
          fmt::format("worker {}: needs {} bytes, has {}", i, bytes, bytes - 1));
    ++story.cluster.workers[i].memory_bytes;
  }
}

TEST_CASE("recompute is in its place where nothing else fits, shadows counted", "[unit]") {
  // Two micro-batches in flight on worker 0: 400 bytes of activations, or 200 with recompute.
  Story story;
  story.plan.shadows.push_back({WorkerId{0}, {LayerId{2}}});
  story.fill();
  const VerifiedCost without = verified_cost(story.plan, story.profile, story.cluster);
  story.stage_of(0, 0).recompute = true;
  story.fill();
  story.cluster.workers[0].memory_bytes = without.memory_bytes.at(WorkerId{0}) - 1;
  CHECK(join(story.faults(), "\n").empty());
  ++story.cluster.workers[0].memory_bytes;
  CHECK(join(story.faults(), "\n") ==
        "pipelines[0].stages[0].recompute: true, though worker 0 has room without it");
  story.promises.recompute = Recompute::never;
  CHECK(join(story.faults(), "\n") == "pipelines[0].stages[0].recompute: true, asked never");
}

TEST_CASE("a rate asked for is reached or not", "[unit]") {
  Story story;
  story.promises.min_samples_per_s = story.plan.samples_per_s;
  CHECK(join(story.faults(), "\n").empty());
}

}  // namespace planaria
