// The best plan against trying every one, and every answer against the verifier.
#include <planaria/planner/best_plan.hpp>

#include <fmt/format.h>
#include <catch2/catch.hpp>

#include "planner/plan_brute_force.hpp"
#include "planner/plan_verifier.hpp"
#include "planner/random_problems.hpp"

namespace planaria {
namespace {

BestPlanRequest request_of(const Problem& problem, const std::string& schedule) {
  BestPlanRequest request;
  request.profile = &problem.profile;
  request.cluster = &problem.cluster;
  request.micro_batches = problem.micro_batches;
  request.micro_batch_size = problem.micro_batch_size;
  request.lane_size = problem.lane_size;
  request.schedule = schedule;
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
  CHECK(feasible >= 100);
}

}  // namespace planaria
