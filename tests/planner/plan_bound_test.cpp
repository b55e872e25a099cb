// What no plan beats, told without knowing any plan: a bound that is cut off at the best plan's own
// step looks right even where it is too high.
#include <fmt/format.h>
#include <catch2/catch.hpp>

#include <planaria/base/random.hpp>

#include "planner/even_case.hpp"
#include "planner/plan_bound.hpp"

namespace planaria {
namespace {

struct Bounded {
  double step_ms;
  double bound_ms;
};

/// The best plan found, and the bound of a search that knows of none as fast.
Bounded bounded(EvenCase& even, const std::string& schedule) {
  even.request.schedule = schedule;
  even.request.recompute = Recompute::never;
  const Plan plan = best_plan(even.request).value().plan;
  const auto terms = CostTerms::of_micro_batches(even.profile, even.cluster, 2).value();
  const LayerSums sums(terms);
  PlanEvaluator evaluator(terms, sums, Recompute::never);
  const SearchLimits limits{.micro_batches = even.request.micro_batches,
                            .lane_sizes = {1},
                            .schedules = {schedule},
                            .recompute = Recompute::never};
  return {plan.step_ms, plan_bound_ms({terms, sums, evaluator}, limits, 4 * plan.step_ms)};
}

}  // namespace

TEST_CASE("the bound is not above the plan that is found, though it is told of none so fast",
          "[unit]") {
  Random random(11);
  for (const int workers : {1, 2, 5, 9, 16, 40}) {
    for (const int micro_batches : {1, 7, 60, 400}) {
      for (const std::string schedule : {"gpipe", "1f1b", "zb-h1"}) {
        EvenCase even(24, workers, 10'000'000, micro_batches);
        for (LayerProfile& layer : even.profile.layers) {
          const double factor = 0.7 + (0.1 * static_cast<double>(random.below(7)));
          for (double& ms : layer.forward_ms) ms *= factor;
        }
        INFO(fmt::format("seed 11, {} workers, {} micro-batches, {}", workers, micro_batches,
                         schedule));
        const auto [step_ms, bound_ms] = bounded(even, schedule);
        CHECK(bound_ms <= step_ms * (1 + 1e-9));
        CHECK(bound_ms >= step_ms / 3);
      }
    }
  }
}

TEST_CASE("pipelines of one stage, which nothing keeps waiting, meet the bound", "[unit]") {
  EvenCase even(2, 4, 10'000'000, 400);
  even.profile.transfer = {{100, 0}};
  const auto [step_ms, bound_ms] = bounded(even, "1f1b");
  CHECK(bound_ms <= step_ms * (1 + 1e-9));
  CHECK(bound_ms >= step_ms * (1 - 2e-3));
}

}  // namespace planaria
