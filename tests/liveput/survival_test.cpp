// Survival is what trying every loss gives, and what formulas give.
#include <cmath>
#include <string>
#include <vector>

#include <catch2/catch.hpp>

#include <planaria/base/random.hpp>
#include <planaria/liveput/holders.hpp>
#include <planaria/liveput/survival.hpp>

#include "liveput/survival_brute_force.hpp"

namespace planaria::test {
namespace {

Survival survival_of(const SurvivalProblem& problem, int replicas_max) {
  SurvivalOptions options;
  options.replicas_max = replicas_max;
  options.zones = problem.zones;
  const auto holders = holders_of(problem.layout, problem.workers);
  REQUIRE(holders.ok());
  return survival_by_losses(holders.value(), options).value();
}

void check_equals_brute_force(const SurvivalProblem& problem) {
  const int replicas_max = static_cast<int>(problem.layout.pipelines.size()) + 2;
  const auto expected = brute_force(problem, replicas_max);
  const Survival found = survival_of(problem, replicas_max);
  for (int replicas = 1; replicas <= replicas_max; ++replicas) {
    for (int lost = 0; lost <= problem.workers; ++lost) {
      const double right =
          expected[static_cast<std::size_t>(replicas) - 1][static_cast<std::size_t>(lost)];
      if (is_close(found.at_least(replicas, lost), right)) continue;
      UNSCOPED_INFO(text_of(problem) << ": at least " << replicas << ", " << lost << " lost");
      CHECK(found.at_least(replicas, lost) == right);
      return;
    }
  }
}

PipelineAssignment pipeline_of(const std::vector<int>& first_layers, int layers, int& worker) {
  PipelineAssignment pipeline{1, {}};
  for (std::size_t stage = 0; stage < first_layers.size(); ++stage) {
    const int end = stage + 1 < first_layers.size() ? first_layers[stage + 1] : layers;
    pipeline.stages.push_back(
        {{LayerId{first_layers[stage]}, LayerId{end - 1}}, WorkerId{worker++}});
  }
  return pipeline;
}

}  // namespace

TEST_CASE("two of 32 workers lost leave 4 x 8 stages three holders each with .9032") {
  const auto survival = survival_by_losses(grid_holders({32, 4, 8})).value();
  CHECK(survival.replicas_max() == 4);
  CHECK(survival.losses_max() == 32);
  CHECK(is_close(survival.at_least(3, 2), 28.0 / 31));  // the second one is of another stage
  CHECK(std::round(survival.at_least(3, 2) * 10000) == 9032);
  CHECK(survival.at_least(2, 2) == 1);
  CHECK(survival.at_least(1, 2) == 1);
  CHECK(survival.at_least(4, 2) == 0);
  CHECK(survival.at_least(4, 0) == 1);
  CHECK(survival.at_least(1, 32) == 0);
}

TEST_CASE("survival of any layout is what trying every set of losses gives") {
  for (std::uint64_t seed = 0; seed < 1500; ++seed) {
    INFO("seed " << seed);
    Random random(mix({seed, 1}));
    check_equals_brute_force(random_problem(random, seed % 10 == 0 ? 14 : 11));
  }
}

TEST_CASE("survival with zones is what trying every set of losses and of zones gives") {
  for (std::uint64_t seed = 0; seed < 500; ++seed) {
    INFO("seed " << seed);
    Random random(mix({seed, 2}));
    SurvivalProblem problem = random_problem(random, seed % 20 == 0 ? 14 : 10);
    problem.zones = random_zones(random, problem.workers);
    check_equals_brute_force(problem);
  }
}

TEST_CASE("survival of two kinds of pipelines on 21 workers is what trying every loss gives") {
  SurvivalProblem problem;
  problem.layers = 12;
  problem.workers = 21;
  int worker = 0;
  for (int i = 0; i < 3; ++i) {
    problem.layout.pipelines.push_back(pipeline_of({0, 3, 6, 9}, 12, worker));
  }
  problem.layout.pipelines.push_back(pipeline_of({0, 4, 8}, 12, worker));
  problem.layout.pipelines.push_back(pipeline_of({0, 5, 7}, 12, worker));
  problem.layout.shadows = {{WorkerId{18}, {LayerId{4}, LayerId{11}}},
                            {WorkerId{0}, {LayerId{11}}}};
  check_equals_brute_force(problem);
}

TEST_CASE("workers lost each by itself leave every stage its holders by the binomial formula") {
  constexpr double loss = 0.07;
  const GridShape grid{.workers = 50, .width = 6, .depth = 8};
  std::vector<double> chances;
  double probability = std::pow(1 - loss, grid.workers);
  for (int lost = 0; lost <= grid.workers; ++lost) {
    chances.push_back(probability);
    probability *= loss / (1 - loss) * (grid.workers - lost) / (lost + 1);
  }
  const Distribution losses = Distribution::from_weights(chances);
  const auto survival = survival_by_losses(grid_holders(grid)).value();
  for (int replicas = 1; replicas <= grid.width; ++replicas) {
    double of_stage = 0;
    double chosen = 1;  // C(width, dead)
    for (int dead = 0; dead <= grid.width - replicas; ++dead) {
      of_stage += chosen * std::pow(loss, dead) * std::pow(1 - loss, grid.width - dead);
      chosen = chosen * (grid.width - dead) / (dead + 1);
    }
    CHECK(is_close(survival.at_least(replicas, losses), std::pow(of_stage, grid.depth)));
  }
}

TEST_CASE("one zone that holds everything leaves what its staying leaves") {
  SurvivalOptions options;
  options.zones = {{"a", 12, 0.25}};
  const auto whole = survival_by_losses(grid_holders({12, 3, 4})).value();
  const auto zoned = survival_by_losses(grid_holders({12, 3, 4}), options).value();
  for (int lost = 0; lost <= 12; ++lost) {
    CHECK(is_close(zoned.at_least(2, lost), 0.75 * whole.at_least(2, lost)));
  }
}

TEST_CASE("a zone that holds one pipeline of three leaves the other two") {
  // Workers 0 to 3 are the first pipeline: worker i*4+s is stage s of pipeline i.
  SurvivalOptions options;
  options.zones = {{"a", 4, 0.5}, {"b", 8, 0}};
  const auto survival = survival_by_losses(grid_holders({12, 3, 4}), options).value();
  CHECK(survival.at_least(3, 0) == 0.5);
  CHECK(survival.at_least(2, 0) == 1);
  // Gone, the four take one loss of twelve along without effect.
  CHECK(is_close(survival.at_least(2, 1), 0.5 + (0.5 * 4 / 12)));
}

TEST_CASE("layers whose holders are all holders of another layer ask for nothing more") {
  Holders holders{5, {{WorkerId{0}, WorkerId{1}}, {WorkerId{0}, WorkerId{1}, WorkerId{4}}}};
  const Holders fewer{5, {{WorkerId{0}, WorkerId{1}}}};
  const auto found = survival_by_losses(holders).value();
  const auto same = survival_by_losses(fewer).value();
  for (int lost = 0; lost <= 5; ++lost) {
    CHECK(found.at_least(1, lost) == same.at_least(1, lost));
  }
}

}  // namespace planaria::test
