// What survival refuses, and that realistic layouts are far from it.
#include <algorithm>
#include <cmath>
#include <string>
#include <vector>

#include <catch2/catch.hpp>

#include <planaria/base/random.hpp>
#include <planaria/liveput/survival.hpp>

#include "liveput/components.hpp"
#include "liveput/frontier.hpp"

namespace planaria::test {
namespace {

// Pipelines of `depths` stages each, layers cut as evenly as can be.
Layout pipelines_of(const std::vector<int>& depths, int layers) {
  Layout layout;
  WorkerId worker{0};
  for (const int depth : depths) {
    PipelineAssignment pipeline{1, {}};
    for (int stage = 0; stage < depth; ++stage) {
      const LayerRange range{LayerId{layers * stage / depth},
                             LayerId{(layers * (stage + 1) / depth) - 1}};
      pipeline.stages.push_back({range, worker});
      worker = worker.next();
    }
    layout.pipelines.push_back(pipeline);
  }
  return layout;
}

int workers_in(const Layout& layout) {
  return static_cast<int>(workers_of(layout).size());
}

std::string refusal(const Holders& holders, const SurvivalOptions& options = {}) {
  const auto answer = survival_by_losses(holders, options);
  REQUIRE_FALSE(answer.ok());
  CHECK(answer.fault().kind == FaultKind::invalid_input);
  return answer.fault().sentence;
}

const Holders two_of_three{3, {{WorkerId{0}, WorkerId{1}}}};

}  // namespace

TEST_CASE("what is no question is refused by the field's name") {
  CHECK(refusal({0, {{WorkerId{0}}}}) == "workers: 0, must be 1 to 10000");
  CHECK(refusal({3, {}}) == "of_layers: none, must be at least 1");
  CHECK(refusal({3, {{WorkerId{1}}, {}}}) == "of_layers[1]: none, must be at least 1");
  CHECK(refusal({3, {{WorkerId{0}, WorkerId{3}}}}) == "of_layers[0][1]: 3, must be 1 to 2");
  CHECK(refusal({3, {{WorkerId{1}, WorkerId{1}}}}) == "of_layers[0][1]: 1, must be 2 to 2");
  SurvivalOptions options;
  options.replicas_max = 0;
  CHECK(refusal(two_of_three, options) == "replicas_max: 0, must be 1 to 10000");
  options = {};
  options.losses_max = 4;
  CHECK(refusal(two_of_three, options) == "losses_max: 4, must be 0 to 3");
  options = {};
  options.zones = {{"a", 2, 0.5}};
  CHECK(refusal(two_of_three, options) == "zones: 2 workers, must be 3, all there are");
  options.zones = {{"a", 3, 1.5}};
  CHECK(refusal(two_of_three, options) == "zone a: loss: 1.5, must be 0 to 1");
  options.zones = {{"a", 3, std::nan("")}};
  CHECK(refusal(two_of_three, options) == "zone a: loss: nan, must be 0 to 1");
  options.zones = {{"a", 3, 0.5}, {"b", 0, 0.5}};
  CHECK(refusal(two_of_three, options) == "zone b: workers: 0, must be 1 to 3");
}

TEST_CASE("a layout that does not fit its workers is refused by its verifier") {
  const Layout layout = pipelines_of({2, 2}, 4);
  const auto holders = holders_of(layout, 3);
  REQUIRE_FALSE(holders.ok());
  CHECK(holders.fault().sentence == "pipelines[1].stages[1].worker: 3, must be 0 to 2");
  CHECK(holders_of({}, 3).fault().sentence == "layers: 0, must be at least 1");
}

TEST_CASE("a layout too wide for an exact answer is refused, never sampled") {
  // Sixty pipelines, no two of which are cut alike.
  Random random(mix({17}));
  Layout layout = pipelines_of(std::vector<int>(60, 4), 400);
  for (PipelineAssignment& pipeline : layout.pipelines) {
    for (std::size_t stage = 1; stage < pipeline.stages.size(); ++stage) {
      const LayerId cut{(100 * static_cast<int>(stage)) +
                        static_cast<int>(random.between(-49, 49))};
      pipeline.stages[stage].layers.first = cut;
      pipeline.stages[stage - 1].layers.last = LayerId{cut.value - 1};
    }
  }
  SurvivalOptions options;
  options.limits.cells_max = 100'000;
  const auto holders = holders_of(layout, 240).value();
  const auto answer = survival_by_losses(holders, options);
  REQUIRE_FALSE(answer.ok());
  CHECK(answer.fault().kind == FaultKind::exhausted);
  INFO(answer.fault().sentence);
  CHECK(answer.fault().sentence.find("needs more than 100000 states x losses at once") !=
        std::string::npos);
  options.limits = {};
  options.limits.products_max = 1'000'000;
  const auto slow = survival_by_losses(holders, options);
  REQUIRE_FALSE(slow.ok());
  CHECK(slow.fault().kind == FaultKind::exhausted);
  CHECK(slow.fault().sentence.find("needs more than 1000000 products") != std::string::npos);
  // One live holder alone: the state is how far down the layers anybody alive reaches.
  options.limits = {};
  options.replicas_max = 1;
  CHECK(survival_by_losses(holders, options).ok());
}

TEST_CASE("zones beyond twenty that may vanish are too many, sure ones are not counted") {
  SurvivalOptions options;
  options.zones.assign(30, {"z", 1, 0.5});
  const auto answer = survival_by_losses(grid_holders({30, 3, 10}), options);
  REQUIRE_FALSE(answer.ok());
  CHECK(answer.fault().kind == FaultKind::exhausted);
  CHECK(answer.fault().sentence == "zones: 30 that may vanish, must be at most 20");
  for (std::size_t i = 0; i < 28; ++i) options.zones[i].loss = 0;
  CHECK(survival_by_losses(grid_holders({30, 3, 10}), options).ok());
}

TEST_CASE("pipelines of three depths on 300 workers and more are answered") {
  std::vector<int> depths(12, 9);
  depths.insert(depths.end(), 10, 11);
  depths.insert(depths.end(), 8, 12);
  Layout layout = pipelines_of(depths, 72);
  const int computing = workers_in(layout);
  layout.shadows = {{WorkerId{computing}, {LayerId{0}, LayerId{71}}}};
  SurvivalOptions options;
  options.losses_max = 16;
  options.replicas_max = 3;
  const auto survival = survival_by_losses(holders_of(layout, computing + 4).value(), options);
  REQUIRE(survival.ok());
  CHECK(survival.value().at_least(3, 16) > 0.999);
  CHECK(survival.value().at_least(3, 16) <= survival.value().at_least(2, 16));
}

TEST_CASE("stages that share no workers are one kind of component, however many they are") {
  std::vector<std::vector<int>> sets;
  for (int stage = 0; stage < 100; ++stage) sets.push_back({stage, 100 + stage, 200 + stage});
  const auto components = components_of(sets, 310);
  REQUIRE(components.size() == 1);
  CHECK(components.begin()->second == 100);
  CHECK(components.begin()->first == Component{1, {{{0}, 3}}});
}

TEST_CASE("in chunks the sets that a worker has in common are open together") {
  // Worker i holds sets i and i + 4 of 8, worker 4 + i holds i and i + 1: closing along the layers
  // would open nearly all.
  std::vector<std::vector<int>> sets(8);
  for (int i = 0; i < 4; ++i) {
    sets[static_cast<std::size_t>(i)].push_back(i);
    sets[static_cast<std::size_t>(i) + 4].push_back(i);
  }
  for (int i = 0; i < 8; ++i) {
    sets[static_cast<std::size_t>(i)].push_back(4 + i);
    sets[static_cast<std::size_t>((i + 1) % 8)].push_back(4 + i);
  }
  for (auto& set : sets) std::sort(set.begin(), set.end());
  const auto components = components_of(sets, 12);
  REQUIRE(components.size() == 1);
  std::size_t widest = 0;
  for (const FrontierStep& step : frontier_order(components.begin()->first)) {
    widest = std::max(widest, step.open.size());
  }
  CHECK(widest <= 6);
}

}  // namespace planaria::test
