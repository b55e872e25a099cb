// What replan() answers where workers have little memory, are unlike each other, or were planned
// for ahead.
#include <planaria/planner/replan.hpp>

#include <catch2/catch.hpp>

#include <planaria/planner/best_plan.hpp>

#include "planner/even_case.hpp"
#include "planner/held_states.hpp"
#include "planner/plan_verifier.hpp"

namespace planaria {
namespace {

std::vector<std::string> shapes_of(const Layout& layout) {
  std::vector<std::string> shapes;
  for (const auto& pipeline : layout.pipelines) {
    std::string& shape = shapes.emplace_back();
    for (const auto& stage : pipeline.stages) {
      shape += fmt::format("w{}[{}..{}]", stage.worker.value, stage.layers.first.value,
                           stage.layers.last.value);
    }
  }
  return shapes;
}

// One pipeline of four workers that shadow each other; the third is gone.
struct Lost {
  Profile profile = even_profile(8);
  Cluster cluster;
  ReplanRequest request;
  explicit Lost(std::int64_t memory_bytes) : cluster(identical_workers(4, memory_bytes)) {
    Layout before{.pipelines = {{8, {}}}};
    for (int i = 0; i < 4; ++i) {
      before.pipelines[0].stages.push_back({{LayerId{2 * i}, LayerId{(2 * i) + 1}}, WorkerId{i}});
    }
    std::vector<WorkerId> all{WorkerId{0}, WorkerId{1}, WorkerId{2}, WorkerId{3}};
    before.shadows = place_shadows(before, state_bytes(profile), all, {}, 2);
    cluster.workers.erase(cluster.workers.begin() + 2);
    request.profile = &profile;
    request.cluster = &cluster;
    request.layer_bytes = state_bytes(profile);
    request.micro_batches = 8;
    request.micro_batch_size = 2;
    request.holders = holders_of(before);
    request.before = Layout{before.pipelines, {}};
    request.width = 1;
    request.ms_per_byte = 1e-6;
  }
};

/// Peaks by the verifier, which shares no code with the planner.
void require_fits(const Lost& lost, const Layout& layout) {
  Plan plan{.micro_batches = 8, .micro_batch_size = 2, .schedule = "1f1b"};
  for (const auto& pipeline : layout.pipelines) {
    PlannedPipeline& planned = plan.pipelines.emplace_back();
    planned.micro_batches = pipeline.micro_batches;
    for (const auto& stage : pipeline.stages) {
      planned.stages.push_back({.layers = stage.layers, .worker = stage.worker});
    }
  }
  const VerifiedCost cost = verified_cost(plan, lost.profile, lost.cluster);
  for (const auto& [worker, bytes] : cost.memory_bytes) {
    INFO("worker " << worker.value);
    CHECK(bytes <= lost.cluster.worker(worker)->memory_bytes);
  }
}

}  // namespace

TEST_CASE("a repair that would not fit memory is not made", "[unit]") {
  // With room, a neighbour takes over what it shadows: no state has to move.
  const Lost roomy(memory_without_limit);
  const Replan promoted = replan(roomy.request).value();
  CHECK(promoted.transfers.empty());
  CHECK(promoted.explanation.find("repaired") != std::string::npos);
  // A stage of three layers and their activations has 8 kB at most, of four more than that.
  std::int64_t least = 0;
  for (std::int64_t memory = 20'000; memory >= 2'000; memory -= 500) {
    const Lost lost(memory);
    const auto answer = replan(lost.request);
    INFO("memory " << memory);
    if (!answer) {
      CHECK(answer.fault().kind == FaultKind::infeasible);
      CHECK(answer.fault().sentence == "nothing fits the memory of the 3 workers there are");
      continue;
    }
    least = memory;
    require_fits(lost, answer.value().layout);
    CHECK(answer.value().bytes >= promoted.bytes);
  }
  // Somewhere between, fitting costs transfers; below, nothing fits.
  CHECK(least > 2'000);
  const Lost tight(least);
  CHECK(replan(tight.request).value().bytes > 0);
}

TEST_CASE("a slow worker gets fewer layers, and places go to workers of their kind", "[unit]") {
  Lost lost(memory_without_limit);
  lost.cluster.workers[1].speed = 0.5;
  lost.request.ms_per_byte = 0;
  lost.request.horizon_steps = 1;
  const Replan answer = replan(lost.request).value();
  INFO(answer.explanation);
  const auto place = place_of(answer.layout, WorkerId{1});
  for (const auto& stage : answer.layout.pipelines[0].stages) {
    if (stage.worker != WorkerId{1}) continue;
    CHECK(stage.layers.size() <= 2);
  }
  const BestPlan best = best_plan({.profile = &lost.profile,
                                   .cluster = &lost.cluster,
                                   .micro_batches = 8,
                                   .micro_batch_size = 2,
                                   .schedule = "1f1b",
                                   .recompute = Recompute::never,
                                   .width = 1})
                            .value();
  CHECK(answer.step_ms == best.plan.step_ms);
}

TEST_CASE("links are part of the step that is chosen", "[unit]") {
  Lost lost(memory_without_limit);
  lost.request.ms_per_byte = 0;
  lost.request.horizon_steps = 1;
  lost.cluster.links = Links{{0, 1}, {0, 1}, {1e4, 1}};
  CHECK(replan(lost.request).value().layout.pipelines[0].stages.size() == 3);
  lost.cluster.workers[2].zone = "far";
  const Replan answer = replan(lost.request).value();
  INFO(answer.explanation);
  // Ten seconds to the other zone and back are more than its worker helps.
  CHECK_FALSE(place_of(answer.layout, WorkerId{3}).has_value());
}

TEST_CASE("a plan known ahead is the one that would be made", "[unit]") {
  Lost lost(memory_without_limit);
  lost.request.horizon_steps = 100;
  lost.request.width.reset();
  const Replan here = replan(lost.request).value();
  const Cluster places = identical_workers(3, memory_without_limit);
  ReplanRequest ahead = lost.request;
  ahead.cluster = &places;
  const auto plan = planned_anew(ahead).value();
  REQUIRE(plan.has_value());
  lost.request.best = &*plan;
  const Replan answer = replan(lost.request).value();
  CHECK(answer.layout == here.layout);
  CHECK(answer.explanation == here.explanation);
  CHECK(shapes_of(answer.layout) == shapes_of(here.layout));
}

}  // namespace planaria
