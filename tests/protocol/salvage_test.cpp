#include <catch2/catch.hpp>

#include <algorithm>
#include <set>

#include <planaria/base/random.hpp>
#include <planaria/protocol/salvage.hpp>

namespace planaria::protocol {
namespace {

// Pipelines of one depth over workers 0, 1, ..., of so many micro-batches each.
Layout layout_of(int depth, int layers, const std::vector<int>& shares) {
  Layout layout;
  int worker = 0;
  for (const int share : shares) {
    PipelineAssignment pipeline{share, {}};
    for (int stage = 0; stage < depth; ++stage) {
      pipeline.stages.push_back(
          {{LayerId{layers * stage / depth}, LayerId{(layers * (stage + 1) / depth) - 1}},
           WorkerId{worker++}});
    }
    layout.pipelines.push_back(std::move(pipeline));
  }
  return layout;
}

StepNotes notes_of_all(int micro_batches) {
  StepNotes notes;
  for (MicroBatchId id{0}; id.value < micro_batches; id = id.next()) {
    notes.losses[id] = id.value;
    notes.read[id] = 1;
    notes.labelled[id] = 2;
  }
  return notes;
}

std::vector<LaneId> lanes(const std::vector<int>& numbers) {
  std::vector<LaneId> ids;
  for (const int number : numbers) ids.emplace_back(number);
  return ids;
}

std::set<int> lanes_under(const LaneTree& tree, TreeNode node) {
  std::set<int> under;
  const LaneRange range = *tree.lanes_under(node);
  for (int lane = range.first.value; lane <= range.last.value; ++lane) under.insert(lane);
  return under;
}

}  // namespace

TEST_CASE("what two pipelines have finished stays, the lost one's lanes are shared out", "[unit]") {
  // Three pipelines of one worker over eight lanes; worker 2, which had lanes 6 and 7, is gone.
  const LaneTree tree(8, 1);
  const Layout layout = layout_of(1, 2, {4, 4});
  const FinishedSums finished{
      {WorkerId{0}, {{LayerId{0}, {1, 0}}, {LayerId{0}, {0, 2}}, {LayerId{1}, {1, 0}}}},
      {WorkerId{1}, {{LayerId{0}, {0, 3}}, {LayerId{0}, {1, 2}}, {LayerId{1}, {1, 2}}}}};
  const auto salvage = plan_salvage(layout, tree, 2, finished, notes_of_all(8));
  REQUIRE(salvage);
  CHECK(salvage->sums == std::vector<OwnedSum>{{LayerId{0}, {0, 2}, WorkerId{0}},
                                               {LayerId{0}, {0, 3}, WorkerId{1}},
                                               {LayerId{0}, {1, 0}, WorkerId{0}},
                                               {LayerId{0}, {1, 2}, WorkerId{1}},
                                               {LayerId{1}, {1, 0}, WorkerId{0}},
                                               {LayerId{1}, {1, 2}, WorkerId{1}}});
  REQUIRE(salvage->work.size() == 2);
  CHECK(salvage->work[0].lanes == lanes({2, 3}));
  CHECK(salvage->work[1].lanes == lanes({6, 7}));

  const StepWork work(layout, tree, salvage);
  CHECK(work.lowest_needed(LaneId{2}) == LayerId{1});
  CHECK(work.lowest_needed(LaneId{7}) == LayerId{0});
  CHECK_FALSE(work.needs(LayerId{0}, LaneId{3}));
  CHECK(work.needs(LayerId{1}, LaneId{3}));
  CHECK(work.micro_batches_of(1) == std::vector{MicroBatchId{6}, MicroBatchId{7}});
  // Lanes 2 and 3 of layer 1 make a node with 0 and 1; of layer 0 their halves lie apart.
  CHECK(work.contributed(LayerId{1}, WorkerId{0}) == std::vector<TreeNode>{{2, 0}});
  CHECK(work.contributed(LayerId{0}, WorkerId{0}) == std::vector<TreeNode>{{0, 2}, {1, 0}});
  CHECK(work.contributed(LayerId{0}, WorkerId{1}) == std::vector<TreeNode>{{0, 3}, {2, 1}});
  CHECK(work.contributed_micro_batches(LayerId{0}, WorkerId{1}) ==
        std::vector{MicroBatchId{3}, MicroBatchId{4}, MicroBatchId{5}, MicroBatchId{6},
                    MicroBatchId{7}});
}

TEST_CASE("stages before a lost one run forward only, stages behind it discard what they have",
          "[unit]") {
  const LaneTree tree(4, 1);
  const Layout layout = layout_of(3, 3, {4});
  const FinishedSums finished{{WorkerId{0}, {{LayerId{0}, {1, 0}}}},
                              {WorkerId{2}, {{LayerId{2}, {2, 0}}}}};
  const auto salvage = plan_salvage(layout, tree, 3, finished, notes_of_all(4));
  REQUIRE(salvage);
  CHECK(salvage->work[0].lanes == lanes({0, 1, 2, 3}));
  const StepWork work(layout, tree, salvage);
  CHECK(work.lowest_needed(LaneId{0}) == LayerId{1});
  CHECK(work.lowest_needed(LaneId{3}) == LayerId{0});
  CHECK_FALSE(work.needs(LayerId{2}, LaneId{0}));
}

TEST_CASE("a sum counts only with all that belongs to it, where it is computed", "[unit]") {
  const LaneTree tree(5, 1);
  const Layout layout = layout_of(2, 4, {5});
  const auto sums_with = [&](const StepNotes& notes, WorkerId worker, LayerSum sum) {
    const auto salvage = plan_salvage(layout, tree, 4, {{worker, {sum}}}, notes);
    return salvage ? salvage->sums.size() : 0;
  };
  const StepNotes all = notes_of_all(5);
  CHECK(sums_with(all, WorkerId{0}, {LayerId{0}, {2, 0}}) == 1);
  CHECK(sums_with(all, WorkerId{1}, {LayerId{3}, {3, 0}}) == 1);
  CHECK(sums_with({}, WorkerId{0}, {LayerId{1}, {2, 0}}) == 1);
  SECTION("without what was read, of the first layer") {
    StepNotes notes = all;
    notes.read.erase(MicroBatchId{3});
    CHECK(sums_with(notes, WorkerId{0}, {LayerId{0}, {2, 0}}) == 0);
    CHECK(sums_with(notes, WorkerId{0}, {LayerId{0}, {1, 0}}) == 1);
  }
  SECTION("without losses or labels, of the last") {
    StepNotes notes = all;
    notes.losses.erase(MicroBatchId{4});
    CHECK(sums_with(notes, WorkerId{1}, {LayerId{3}, {3, 0}}) == 0);
    CHECK(sums_with(notes, WorkerId{1}, {LayerId{3}, {2, 0}}) == 1);
    notes = all;
    notes.labelled.clear();
    CHECK(sums_with(notes, WorkerId{1}, {LayerId{3}, {0, 0}}) == 0);
  }
  SECTION("of another stage's layer, or of none") {
    CHECK(sums_with(all, WorkerId{1}, {LayerId{0}, {2, 0}}) == 0);
    CHECK(sums_with(all, WorkerId{7}, {LayerId{0}, {2, 0}}) == 0);
    CHECK(sums_with(all, WorkerId{1}, {LayerId{4}, {2, 0}}) == 0);
  }
  SECTION("over lanes that there are, by their lowest name") {
    CHECK(sums_with(all, WorkerId{0}, {LayerId{0}, {2, 1}}) == 0);  // lane 4 alone is {0, 4}
    CHECK(sums_with(all, WorkerId{0}, {LayerId{0}, {0, 5}}) == 0);
    CHECK(sums_with(all, WorkerId{0}, {LayerId{0}, {30, 0}}) == 0);
  }
}

TEST_CASE("of sums that lie within each other the widest is used, of equals the lowest worker's",
          "[unit]") {
  const LaneTree tree(4, 2);
  const Layout layout = layout_of(1, 1, {2, 2});
  const FinishedSums finished{{WorkerId{0}, {{LayerId{0}, {0, 1}}}},
                              {WorkerId{1}, {{LayerId{0}, {1, 0}}, {LayerId{0}, {0, 1}}}}};
  const auto salvage = plan_salvage(layout, tree, 1, finished, notes_of_all(4));
  REQUIRE(salvage);
  CHECK(salvage->sums == std::vector<OwnedSum>{{LayerId{0}, {1, 0}, WorkerId{1}}});
  CHECK(salvage->work[0].lanes.empty());
  CHECK(salvage->work[1].lanes.empty());
  const StepWork work(layout, tree, salvage);
  CHECK(work.contributed(LayerId{0}, WorkerId{0}).empty());
  CHECK(work.contributed(LayerId{0}, WorkerId{1}) == std::vector<TreeNode>{{1, 0}});
}

TEST_CASE("a whole step is every pipeline's share, and comes down to the first layer", "[unit]") {
  const LaneTree tree(10, 3);
  const Layout layout = layout_of(2, 4, {6, 4});
  const StepWork work(layout, tree, {});
  CHECK(work.lanes_of(0) == lanes({0, 1}));
  CHECK(work.lanes_of(1) == lanes({2, 3}));
  CHECK(work.micro_batches_of(1).size() == 4);
  CHECK(work.lowest_needed(LaneId{2}) == LayerId{0});
  CHECK(work.needs(LayerId{3}, LaneId{3}));
  CHECK(work.finished(LayerId{0}, WorkerId{0}).empty());
  CHECK(work.contributed(LayerId{1}, WorkerId{0}) == std::vector<TreeNode>{{1, 0}});
  CHECK_FALSE(plan_salvage(layout, tree, 4, {}, notes_of_all(10)));
}

// Independent of plan_salvage(): counts lane by lane what holders contribute.
TEST_CASE("whatever is finished, every layer gets every lane once and no lane is computed in vain",
          "[unit]") {
  Random random(20261126);
  int used = 0;
  int shared = 0;
  for (int round = 0; round < 3000; ++round) {
    const int lane_size = static_cast<int>(random.between(1, 3));
    const int width = static_cast<int>(random.between(1, 4));
    std::vector<int> shares;
    int micro_batches = 0;
    for (int i = 0; i < width; ++i) {
      const int lanes_here = static_cast<int>(random.between(1, 5));
      shares.push_back(lanes_here * lane_size);
      micro_batches += shares.back();
    }
    const int layers = static_cast<int>(random.between(1, 6));
    const int depth = static_cast<int>(random.between(1, layers));
    Layout layout = layout_of(depth, layers, shares);
    // Micro-batches of some workers are re-routed to those of the same stage elsewhere.
    for (auto& pipeline : layout.pipelines) {
      for (int stage = 0; stage < depth; ++stage) {
        if (random.below(4) > 0) continue;
        const int other = static_cast<int>(random.below(static_cast<std::uint64_t>(width)));
        pipeline.stages[static_cast<std::size_t>(stage)].worker = WorkerId{(other * depth) + stage};
      }
    }
    if (shares_workers(layout)) ++shared;
    const LaneTree tree(micro_batches, lane_size);
    StepNotes notes;
    for (MicroBatchId id{0}; id.value < micro_batches; id = id.next()) {
      if (random.below(8) > 0) notes.losses[id] = 1;
      if (random.below(8) > 0) notes.read[id] = 1;
      if (random.below(8) > 0) notes.labelled[id] = 1;
    }
    FinishedSums finished;
    for (int i = static_cast<int>(random.below(12)); i > 0; --i) {
      const int height = static_cast<int>(random.below(4));
      const int index = static_cast<int>(random.below(8));
      finished[WorkerId{static_cast<int>(random.below(8))}].push_back(
          {LayerId{static_cast<int>(random.below(7))}, {height, index}});
    }
    INFO("round " << round << ", seed 20261126");
    const auto salvage = plan_salvage(layout, tree, layers, finished, notes);
    const StepWork work(layout, tree, salvage);
    std::multiset<int> computed;
    for (int pipeline = 0; pipeline < width; ++pipeline) {
      for (const LaneId lane : work.lanes_of(pipeline)) computed.insert(lane.value);
      CHECK(std::ranges::is_sorted(work.lanes_of(pipeline)));
    }
    for (int lane = 0; lane < tree.lanes(); ++lane) REQUIRE(computed.count(lane) <= 1);
    std::set<int> wanted;
    for (LayerId layer{0}; layer.value < layers; layer = layer.next()) {
      std::multiset<int> summed;
      for (const WorkerId holder : active_holders(layout, layer)) {
        for (const TreeNode node : work.contributed(layer, holder)) {
          const auto under = lanes_under(tree, node);
          summed.insert(under.begin(), under.end());
        }
        for (const TreeNode node : work.finished(layer, holder)) {
          ++used;
          const auto& told = finished.at(holder);
          REQUIRE(std::ranges::count(told, LayerSum{layer, node}) > 0);
        }
      }
      for (int lane = 0; lane < tree.lanes(); ++lane) {
        REQUIRE(summed.count(lane) == 1);
        if (work.needs(layer, LaneId{lane})) wanted.insert(lane);
      }
    }
    REQUIRE(std::set<int>(computed.begin(), computed.end()) == wanted);
    // What its lanes ask of a worker is what its pipelines do.
    for (const WorkerId worker : workers_of(layout)) {
      std::multiset<int> own;
      for (const Place& place : places_of(layout, worker)) {
        for (const LaneId lane : work.lanes_of(place.pipeline)) {
          own.insert(lane.value);
          const auto first = tree.micro_batches_of(lane).first;
          CHECK(work.pipeline_of(first) == place.pipeline);
        }
      }
      std::multiset<int> told;
      for (const LaneId lane : work.lanes_of(worker)) told.insert(lane.value);
      CHECK(own == told);
    }
  }
  CHECK(used > 500);
  CHECK(shared > 500);
}

}  // namespace planaria::protocol
