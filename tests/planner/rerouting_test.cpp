// Whoever is lost, the micro-batches go to workers with the same layers, and no state moves.
#include <algorithm>
#include <map>
#include <set>

#include <catch2/catch.hpp>

#include <planaria/base/random.hpp>
#include <planaria/planner/rerouting.hpp>

namespace planaria {
namespace {

Layout grid(int width, int depth, int micro_batches) {
  Layout layout;
  for (int pipeline = 0; pipeline < width; ++pipeline) {
    PipelineAssignment& one = layout.pipelines.emplace_back();
    one.micro_batches = micro_batches;
    for (int stage = 0; stage < depth; ++stage) {
      one.stages.push_back(
          {{LayerId{stage}, LayerId{stage}}, WorkerId{(pipeline * depth) + stage}});
    }
  }
  return layout;
}

std::vector<WorkerId> all_but(const Layout& layout, const std::set<int>& lost) {
  std::vector<WorkerId> left = workers_of(layout);
  std::erase_if(left, [&](WorkerId worker) { return lost.contains(worker.value); });
  return left;
}

std::vector<int> workers_in(const PipelineAssignment& pipeline) {
  std::vector<int> workers;
  for (const StageAssignment& stage : pipeline.stages) workers.push_back(stage.worker.value);
  return workers;
}

}  // namespace

TEST_CASE("a lost worker's micro-batches are spread over those with the same layers") {
  const Layout layout = grid(3, 2, 4);
  const auto answer = rerouted(layout, LaneTree(12, 1), all_but(layout, {5}));
  REQUIRE(answer);
  REQUIRE(answer->pipelines.size() == 4);
  CHECK(workers_in(answer->pipelines[0]) == std::vector{0, 1});
  CHECK(workers_in(answer->pipelines[1]) == std::vector{2, 3});
  CHECK(workers_in(answer->pipelines[2]) == std::vector{4, 1});
  CHECK(workers_in(answer->pipelines[3]) == std::vector{4, 3});
  CHECK(answer->pipelines[2].micro_batches == 2);
  CHECK(answer->pipelines[3].micro_batches == 2);
  // One more is lost: what went through it goes on to the last that is left.
  const auto later = rerouted(*answer, LaneTree(12, 1), all_but(*answer, {1}));
  REQUIRE(later);
  REQUIRE(later->pipelines.size() == 3);
  CHECK(workers_in(later->pipelines[0]) == std::vector{0, 3});
  CHECK(later->pipelines[2].micro_batches == 4);
  CHECK_FALSE(rerouted(*later, LaneTree(12, 1), all_but(*later, {3})));
}

TEST_CASE("with nobody lost nothing is re-routed") {
  const Layout layout = grid(2, 3, 4);
  CHECK(rerouted(layout, LaneTree(8, 2), workers_of(layout)) == layout);
}

TEST_CASE("whoever is lost, layouts fit, lanes are spread evenly and nobody gets new layers") {
  const std::uint64_t seed = 20261126;
  CAPTURE(seed);
  Random random(seed);
  int rerouted_often = 0;
  for (int round = 0; round < 2000; ++round) {
    CAPTURE(round);
    const auto between = [&](int low, int high) {
      return static_cast<int>(random.between(low, high));
    };
    const int width = between(1, 5);
    const int depth = between(1, 4);
    const int lane_size = between(1, 3);
    Layout layout = grid(width, depth, between(1, 6) * lane_size);
    // The last lane may be shorter, and a pipeline may cut the layers otherwise.
    layout.pipelines.back().micro_batches -= between(0, lane_size - 1);
    if (depth > 1 && between(0, 3) == 0) {
      auto& stages = layout.pipelines.front().stages;
      stages[1].layers.first = LayerId{0};
      stages.erase(stages.begin());
    }
    int micro_batches = 0;
    for (const auto& pipeline : layout.pipelines) micro_batches += pipeline.micro_batches;
    std::set<int> lost;
    for (int worker = 0; worker < width * depth; ++worker) {
      if (between(0, 5) == 0) lost.insert(worker);
    }
    const LayoutRequirements wanted{.layers = depth,
                                    .micro_batches = micro_batches,
                                    .lane_size = lane_size,
                                    .workers = width * depth};
    REQUIRE(verify(layout, wanted).ok());
    const std::vector<WorkerId> left = all_but(layout, lost);
    const auto answer = rerouted(layout, LaneTree(micro_batches, lane_size), left);
    std::map<std::pair<std::size_t, std::vector<int>>, std::vector<int>> alike;
    for (const WorkerId worker : workers_of(layout)) {
      const Place place = *place_of(layout, worker);
      const auto stages = layout.pipelines[static_cast<std::size_t>(place.pipeline)].stages.size();
      auto& present = alike[{stages, place.stages}];
      if (!lost.contains(worker.value)) present.push_back(worker.value);
    }
    const bool possible =
        std::ranges::none_of(alike, [](const auto& one) { return one.second.empty(); });
    REQUIRE(answer.has_value() == possible);
    if (!answer) continue;
    if (shares_workers(*answer)) ++rerouted_often;
    const auto fits = verify(*answer, wanted);
    if (!fits) FAIL(fits.fault().sentence);
    CHECK(workers_of(*answer) == left);
    for (const WorkerId worker : left) {
      CHECK(computed_by(*answer, worker) == computed_by(layout, worker));
    }
    // Nobody has two lanes more than another that could take one.
    const auto lanes_of = [&](int worker, const Layout& in) {
      int lanes = 0;
      for (const Place& place : places_of(in, WorkerId{worker})) {
        lanes +=
            (in.pipelines[static_cast<std::size_t>(place.pipeline)].micro_batches + lane_size - 1) /
            lane_size;
      }
      return lanes;
    };
    for (const auto& [position, workers] : alike) {
      for (const int busy : workers) {
        const bool takes_others = lanes_of(busy, *answer) > lanes_of(busy, layout);
        if (!takes_others) continue;
        for (const int other : workers) {
          CHECK(lanes_of(busy, *answer) <= lanes_of(other, *answer) + 1);
        }
      }
    }
  }
  CHECK(rerouted_often > 300);
}

}  // namespace planaria
