// What has no price, and why.
#include <string>

#include <catch2/catch.hpp>

#include <planaria/planner/plan.hpp>

#include "planner/plan_cases.hpp"

namespace planaria {
namespace {

using plan_cases::plan_of;
using plan_cases::stage;

const Profile profile = plan_cases::alike_layers(3);
const Cluster cluster = identical_workers(3, 1'000'000);

std::string refusal(const Plan& plan) {
  const auto cost = cost_of(plan, profile, cluster);
  if (cost.ok()) return "priced";
  CHECK(cost.fault().kind == FaultKind::invalid_input);
  return cost.fault().sentence;
}

/// Two stages with these actions, layers 0 and 1 on worker 0, layer 2 on `second`.
Plan own_actions(int micro_batches, const std::string& first, const std::string& other,
                 int second = 1) {
  Plan plan = plan_of("auto", {{micro_batches, {stage(0, 1, 0), stage(2, 2, second)}}});
  plan.pipelines[0].stages[0].actions = first;
  plan.pipelines[0].stages[1].actions = other;
  return plan;
}

}  // namespace

TEST_CASE("what profile, cluster or schedule do not have is told by its field", "[unit]") {
  const Plan good = plan_of("1f1b", {{4, {stage(0, 1, 0), stage(2, 2, 1)}}});
  CHECK(refusal(good) == "priced");
  Plan plan = good;
  plan.micro_batch_size = 2;
  CHECK(refusal(plan) == "micro_batch_size: 2, must be one of 1");
  plan = good;
  plan.schedule = "fast\x1b[31m";
  CHECK(refusal(plan).starts_with("pipelines[0]: schedule: fast\\x1b[31m, must be one of gpipe, "));
  plan = good;
  plan.pipelines[0].stages[1].worker = WorkerId{3};
  CHECK(refusal(plan) == "pipelines[0].stages[1].worker: 3, must be 0 to 2");
  Cluster others = cluster;
  others.workers[1].id = WorkerId{7};
  CHECK(cost_of(good, profile, others).fault().sentence ==
        "pipelines[0].stages[1].worker: 1, must be one of the cluster's");
  plan = good;
  plan.shadows = {{WorkerId{1}, {LayerId{0}}}};
  CHECK(cost_of(plan, profile, identical_workers(3, 1)).ok());  // memory is told, not held against
  plan.shadows[0].worker = WorkerId{9};
  CHECK(refusal(plan) == "shadows[0].worker: 9, must be 0 to 2");
}

TEST_CASE("workers that do not stand as the schedule places them are told", "[unit]") {
  CHECK(refusal(plan_of("1f1b", {{4, {stage(0, 1, 0), stage(2, 2, 0)}}})) ==
        "pipelines[0]: workers do not stand as 1f1b places its stages");
  CHECK(refusal(plan_of("zb-v", {{4, {stage(0, 1, 0), stage(2, 2, 1)}}})) ==
        "pipelines[0]: workers do not stand as zb-v places its stages");
  CHECK(refusal(plan_of("zb-v", {{4, {stage(0, 2, 0)}}})) != "priced");
  CHECK(refusal(plan_of("1f1b", {{2, {stage(0, 2, 0)}}, {2, {stage(0, 2, 0)}}})) ==
        "pipelines: some share workers, must have workers of their own");
}

TEST_CASE("actions of a plan's own are priced where they are a whole step that can run", "[unit]") {
  CHECK(refusal(own_actions(2, "F0 F1 B0 W0 B1 W1", "F0 G0 F1 G1")) == "priced");
  CHECK(refusal(own_actions(2, "F0 F1 B0 W0 B1", "F0 G0 F1 G1")) ==
        "pipelines[0]: rank 0 misses W1");
  CHECK(refusal(own_actions(2, "F0 G0 F1 G1", "F1 G1 F0 G0")) ==
        "pipelines[0]: rank 1 waits for F1 of rank 0, rank 0 waits for G0 of rank 1");
  CHECK(refusal(own_actions(2, "F0 G0", "F0 G0")) ==
        "pipelines[0]: actions of 2 stages and 1 micro-batches, must be of 2 and 2");
  CHECK(refusal(own_actions(2, "F0 F1 G0 X", "F0 G0 F1 G1"))
            .starts_with("pipelines[0].stages: line 1, column 13: X: must be "));
  CHECK(refusal(own_actions(2, "F0 F1 G0 G1", "F0 G0 F1 G1", 0)) ==
        "pipelines[0]: workers do not stand as auto places its stages");
  Plan lanes = own_actions(2, "F0 F1 G1 G0", "F0 F1 G1 G0");
  CHECK(refusal(lanes) == "priced");
  lanes.lane_size = 2;
  CHECK(
      refusal(lanes) ==
      "pipelines[0]: rank 0 runs G1 before G0: weight gradients of a lane of 2 go in index order");
}

TEST_CASE("a plan's actions are one line of an auto schedule, in its file too", "[unit]") {
  const auto read = [](const Plan& plan) {
    const auto again = plan_from_json(to_json(plan), "plan.json");
    return again.ok() ? "read" : again.fault().sentence;
  };
  CHECK(read(own_actions(1, "F0 G0", "F0 G0")) == "read");
  CHECK(read(own_actions(1, "F0 G0\n# placement: v", "F0 G0")) ==
        "plan.json: pipelines[0].stages[0].actions: F0 G0\\x0a# placement: v, must be one line");
  Json json = to_json(plan_of("1f1b", {{1, {stage(0, 2, 0)}}}));
  json["pipelines"][0]["stages"][0]["actions"] = "F0 G0";
  CHECK(plan_from_json(json, "plan.json").fault().sentence ==
        "plan.json: pipelines[0].stages[0].actions: F0 G0, must not be there with schedule 1f1b");
}

}  // namespace planaria
