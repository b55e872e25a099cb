// The best plan against trying every one, and every answer against the verifier.
#include <planaria/planner/best_plan.hpp>

#include <fmt/format.h>
#include <catch2/catch.hpp>

#include "planner/even_case.hpp"
#include "planner/plan_brute_force.hpp"
#include "planner/plan_verifier.hpp"
#include "planner/random_problems.hpp"

namespace planaria {
namespace {

BestPlanRequest request_of(const Problem& problem, std::optional<std::string> schedule) {
  BestPlanRequest request;
  request.profile = &problem.profile;
  request.cluster = &problem.cluster;
  request.micro_batches = problem.micro_batches;
  request.micro_batch_size = problem.micro_batch_size;
  request.lane_size = problem.lane_size;
  request.schedule = std::move(schedule);
  request.recompute = problem.recompute;
  request.survive = problem.survive;
  request.shadows = false;
  return request;
}

Promises promises_of(const BestPlanRequest& request) {
  return {.micro_batches = request.micro_batches,
          .micro_batch_size = request.micro_batch_size,
          .lane_size = request.lane_size,
          .schedule = request.schedule,
          .recompute = request.recompute,
          .survive = request.survive,
          .shadows = request.shadows,
          .min_samples_per_s = request.min_samples_per_s,
          .width = request.width,
          .depth = request.depth};
}

void check_kept(const BestPlanRequest& request, const Plan& plan) {
  const auto faults = faults_of(plan, *request.profile, *request.cluster, promises_of(request));
  INFO(fmt::format("{}", fmt::join(faults, "; ")));
  CHECK(faults.empty());
}

/// Returns whether there was a plan.
bool check_best(const Problem& problem) {
  INFO(text_of(problem));
  bool any = false;
  for (const std::string& schedule : problem.schedules) {
    Problem one = problem;
    one.schedules = {schedule};
    const BestPlanRequest request = request_of(one, schedule);
    const auto answer = best_plan(request);
    const auto least = brute_force(one);
    REQUIRE(answer.ok() == least.has_value());
    if (!least) continue;
    any = true;
    INFO(schedule);
    const Plan& plan = answer.value().plan;
    CHECK(plan.step_ms == Approx(least->step_ms).epsilon(1e-9).margin(1e-12));
    CHECK(plan.optimal);
    check_kept(request, plan);
  }
  return any;
}

}  // namespace

TEST_CASE("no plan of a small problem takes less than the one chosen", "[unit]") {
  int feasible = 0;
  for (std::uint64_t seed = 1; seed <= 500; ++seed) {
    feasible += check_best(random_problem(seed, {7, 5, 8})) ? 1 : 0;
  }
  CHECK(feasible >= 250);
}

TEST_CASE("among all named schedules the best one's best plan is chosen", "[unit]") {
  for (std::uint64_t seed = 1000; seed < 1100; ++seed) {
    Problem problem = random_problem(seed, {});
    problem.schedules = {"gpipe", "1f1b", "zb-h1", "zb-h2"};
    INFO(text_of(problem));
    const BestPlanRequest request = request_of(problem, std::nullopt);
    const auto answer = best_plan(request);
    const auto least = brute_force(problem);
    REQUIRE(answer.ok() == least.has_value());
    if (!least) continue;
    const Plan& plan = answer.value().plan;
    CHECK(plan.step_ms == Approx(least->step_ms).epsilon(1e-9).margin(1e-12));
    CHECK(plan.optimal);
    check_kept(request, plan);
  }
}

TEST_CASE("lane and micro-batch sizes are chosen for the most samples a second", "[unit]") {
  for (std::uint64_t seed = 2000; seed < 2040; ++seed) {
    Problem problem = random_problem(seed, {5, 3, 5});
    problem.schedules = {"1f1b"};
    INFO(text_of(problem));
    BestPlanRequest request = request_of(problem, "1f1b");
    request.lane_size.reset();
    request.micro_batch_size.reset();
    const auto answer = best_plan(request);
    double most = -1;
    for (const int size : problem.profile.micro_batch_sizes) {
      for (int lane_size = 1; lane_size <= problem.micro_batches; ++lane_size) {
        problem.micro_batch_size = size;
        problem.lane_size = lane_size;
        const auto least = brute_force(problem);
        if (least) most = std::max(most, size / std::max(least->step_ms, 1e-300));
      }
    }
    REQUIRE(answer.ok() == (most >= 0));
    if (most < 0) continue;
    const Plan& plan = answer.value().plan;
    CHECK(plan.micro_batch_size / std::max(plan.step_ms, 1e-300) == Approx(most).epsilon(1e-9));
    CHECK(plan.optimal);
    check_kept(request, plan);
  }
}

TEST_CASE("schedules of the pipelines' own keep what is promised and take no longer", "[unit]") {
  int shorter = 0;
  for (std::uint64_t seed = 3000; seed < 3060; ++seed) {
    const Problem problem = random_problem(seed, {6, 4, 6});
    INFO(text_of(problem));
    BestPlanRequest request = request_of(problem, std::nullopt);
    const auto named = best_plan(request);
    int moves = 50;
    request.keep_going = [&](double) { return moves-- > 0; };
    const auto any = best_plan(request);
    request.schedule = "auto";
    const auto automatic = best_plan(request);
    REQUIRE(any.ok() == named.ok());
    REQUIRE(automatic.ok() == named.ok());
    if (!named.ok()) continue;
    const double named_ms = named.value().plan.step_ms;
    CHECK(any.value().plan.step_ms <= named_ms);
    CHECK(automatic.value().plan.step_ms <= named_ms);
    CHECK(automatic.value().plan.schedule == "auto");
    shorter += automatic.value().plan.step_ms < named_ms * 0.999 ? 1 : 0;
    check_kept(request, automatic.value().plan);
    request.schedule.reset();
    check_kept(request, any.value().plan);
  }
  CHECK(shorter > 0);
}

TEST_CASE("any so many workers may be lost where shadows stand in for pipelines", "[unit]") {
  int shadowed = 0;
  for (std::uint64_t seed = 4000; seed < 4120; ++seed) {
    Problem problem = random_problem(seed, {6, 4, 6});
    for (const int survive : {1, 2}) {
      INFO(text_of(problem) << " survive " << survive);
      BestPlanRequest request = request_of(problem, std::nullopt);
      request.survive = survive;
      const auto alone = best_plan(request);
      request.shadows = true;
      const auto answer = best_plan(request);
      if (alone.ok()) REQUIRE(answer.ok());
      if (!answer.ok()) continue;
      const Plan& plan = answer.value().plan;
      if (alone.ok()) CHECK(plan.step_ms <= alone.value().plan.step_ms * (1 + 1e-12));
      CHECK(plan.survives >= survive);
      shadowed += plan.shadows.empty() ? 0 : 1;
      check_kept(request, plan);
    }
  }
  CHECK(shadowed >= 20);
}

TEST_CASE("larger problems keep what is promised, and their bound holds", "[unit]") {
  for (const int workers : {1, 7, 16, 33}) {
    for (const std::int64_t memory_bytes : {8'000, 20'000, 100'000}) {
      EvenCase even(24, workers, memory_bytes, 48);
      INFO(workers << " workers of " << memory_bytes);
      const auto answer = best_plan(even.request);
      if (!answer.ok()) {
        CHECK(answer.fault().kind == FaultKind::infeasible);
        continue;
      }
      check_kept(even.request, answer.value().plan);
      CHECK(answer.value().plan.bound_step_ms > 0);
    }
  }
}

TEST_CASE("the same question has the same answer", "[unit]") {
  EvenCase even(24, 13, 30'000, 40);
  for (ClusterWorker& worker : even.cluster.workers) {
    if (worker.id.value % 3 == 0) worker.speed = 0.7;
  }
  const auto once = best_plan(even.request);
  const auto again = best_plan(even.request);
  CHECK(once.value().plan == again.value().plan);
  check_kept(even.request, once.value().plan);
}

TEST_CASE("width and depth asked for are kept", "[unit]") {
  EvenCase even(12, 9, 100'000, 16);
  even.request.width = 2;
  CHECK(best_plan(even.request).value().plan.pipelines.size() == 2);
  check_kept(even.request, best_plan(even.request).value().plan);
  even.request.depth = 3;
  check_kept(even.request, best_plan(even.request).value().plan);
  even.request.width.reset();
  check_kept(even.request, best_plan(even.request).value().plan);
}

TEST_CASE("a plan by a schedule in chunks costs what the cost model says", "[unit]") {
  EvenCase even(16, 8, 100'000, 16);
  for (const std::string schedule : {"zb-v", "v-half", "v-min", "interleaved"}) {
    INFO(schedule);
    even.request.schedule = schedule;
    const auto answer = best_plan(even.request);
    REQUIRE(answer.ok());
    const Plan& plan = answer.value().plan;
    const auto cost = cost_of(plan, even.profile, even.cluster);
    REQUIRE(cost.ok());
    CHECK(cost.value().step_ms == Approx(plan.step_ms).epsilon(1e-12));
    for (const auto& [worker, bytes] : cost.value().memory_bytes) CHECK(bytes <= 100'000);
  }
}

TEST_CASE("a schedule in chunks is held to no bound that chunks can break", "[unit]") {
  // One worker of two has 1 and 3 times as much in chunks 0 and 3, the other 2 in each: balanced
  // as no cut into two parts is.
  EvenCase even(4, 2, 1'000'000, 16);
  const std::vector<double> times{1, 2, 2, 3};
  for (std::size_t i = 0; i < times.size(); ++i) {
    LayerProfile& layer = even.profile.layers[i];
    layer.forward_ms = layer.backward_input_ms = layer.backward_weight_ms = {times[i], times[i]};
    layer.gradient_bytes = 0;
    layer.optimizer_ms = 0;
    layer.boundary_bytes = {0, 0};
  }
  even.request.width = 1;
  even.request.depth = 2;
  even.request.schedule = "zb-v";
  const Plan plan = best_plan(even.request).value().plan;
  // A cut into two parts leaves 5 of 8 at one worker.
  CHECK(plan.step_ms < 16 * 3 * 5);
  CHECK(plan.bound_step_ms <= 16 * 3 * 4 * (1 + 1e-9));
  CHECK_FALSE(plan.optimal);
}

TEST_CASE("more losses than there are workers are survived by more workers alone", "[unit]") {
  EvenCase even(4, 3, 1'000'000, 8);
  even.request.survive = 10'000;
  const auto refused = best_plan(even.request);
  REQUIRE_FALSE(refused.ok());
  CHECK(refused.fault().kind == FaultKind::infeasible);
  INFO(refused.fault().sentence);
  CHECK(refused.fault().sentence.find("--survive 2") != std::string::npos);
}

TEST_CASE("a step that takes no time is fast enough for anybody", "[unit]") {
  EvenCase even(2, 1, 1'000'000, 4);
  for (LayerProfile& layer : even.profile.layers) {
    layer.forward_ms = layer.backward_input_ms = layer.backward_weight_ms = {0, 0};
    layer.optimizer_ms = 0;
  }
  even.request.min_samples_per_s = 1e9;
  CHECK(best_plan(even.request).ok());
}

TEST_CASE("a written plan is read as it was", "[unit]") {
  EvenCase even(6, 5, 100'000, 8);
  even.request.survive = 2;
  even.request.schedule = "auto";
  Plan plan = best_plan(even.request).value().plan;
  plan.candidates = 0;  // the command's to write, with the time
  const Json json = to_json(plan);
  CHECK(plan_from_json(json, "plan.json").value() == plan);
  CHECK(layout_from_json(json, "plan.json").value() == layout_of(plan));
}

}  // namespace planaria
