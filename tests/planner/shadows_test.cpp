#include <numeric>

#include <fmt/format.h>
#include <catch2/catch.hpp>

#include <planaria/base/random.hpp>
#include <planaria/planner/replan.hpp>

#include "planner/even_layout.hpp"
#include "planner/replan_verifier.hpp"

namespace planaria {
namespace {

std::vector<WorkerId> first_workers(int count) {
  std::vector<WorkerId> workers;
  for (int i = 0; i < count; ++i) workers.push_back(WorkerId{i});
  return workers;
}

Layout planned(int layers, int width, int depth) {
  return even_layout(std::vector<double>(static_cast<std::size_t>(layers), 1.0), 8, width, depth);
}

// "w1: 2 3; w2: 0 1"
std::string text_of(const std::vector<ShadowAssignment>& shadows) {
  std::string text;
  for (const auto& shadow : shadows) {
    std::vector<int> layers;
    for (const LayerId layer : shadow.layers) layers.push_back(layer.value);
    text += fmt::format("{}w{}: {}", text.empty() ? "" : "; ", shadow.worker.value,
                        fmt::join(layers, " "));
  }
  return text;
}

std::string placed(const Layout& layout, const std::vector<std::int64_t>& bytes, int workers,
                   const LayerHolders& holders, int copies) {
  Layout whole = layout;
  whole.shadows = place_shadows(layout, bytes, first_workers(workers), holders, copies);
  require_shadows(whole, bytes, first_workers(workers), holders, copies);
  return text_of(whole.shadows);
}

std::vector<std::int64_t> equal_bytes(int layers) {
  return std::vector<std::int64_t>(static_cast<std::size_t>(layers), 10);
}

}  // namespace

TEST_CASE("two stages shadow each other", "[unit]") {
  CHECK(placed(planned(4, 1, 2), equal_bytes(4), 2, {}, 2) == "w0: 2 3; w1: 0 1");
}

TEST_CASE("the stages of a pipeline are shadowed beside them, evenly", "[unit]") {
  // The ends have one neighbour each, so the others go outwards: 40 bytes everywhere.
  CHECK(placed(planned(8, 1, 4), equal_bytes(8), 4, {}, 2) == "w0: 2 3; w1: 0 1; w2: 6 7; w3: 4 5");
}

TEST_CASE("between equal neighbours a stage is parted in halves", "[unit]") {
  CHECK(placed(planned(6, 1, 3), equal_bytes(6), 3, {}, 2) == "w0: 2; w1: 0 1 4 5; w2: 3");
}

TEST_CASE("bytes are evened, not numbers of layers", "[unit]") {
  // Layers 2 to 5 are w1's. 30 bytes to w0 and 30 to w2.
  const Layout layout{.pipelines = {{8,
                                     {{{LayerId{0}, LayerId{1}}, WorkerId{0}},
                                      {{LayerId{2}, LayerId{5}}, WorkerId{1}},
                                      {{LayerId{6}, LayerId{7}}, WorkerId{2}}}}}};
  CHECK(placed(layout, {10, 10, 30, 10, 10, 10, 10, 10}, 3, {}, 2) ==
        "w0: 2; w1: 0 1 6 7; w2: 3 4 5");
}

TEST_CASE("as many pipelines as copies need no shadows", "[unit]") {
  CHECK(placed(planned(4, 2, 2), equal_bytes(4), 4, {}, 2).empty());
  CHECK(placed(planned(4, 2, 2), equal_bytes(4), 4, {}, 1).empty());
}

TEST_CASE("more copies than workers are held by all", "[unit]") {
  CHECK(placed(planned(4, 1, 2), equal_bytes(4), 2, {}, 5) == "w0: 2 3; w1: 0 1");
  CHECK(placed(planned(2, 1, 1), equal_bytes(2), 1, {}, 2).empty());
}

TEST_CASE("idle workers take whole stages before active ones do", "[unit]") {
  CHECK(placed(planned(4, 1, 2), equal_bytes(4), 4, {}, 2) == "w2: 0 1; w3: 2 3");
  // One spare: the ends (then it holds 40 bytes as their neighbours would), the others beside them.
  CHECK(placed(planned(8, 1, 4), equal_bytes(8), 5, {}, 2) ==
        "w0: 2; w1: 4; w2: 3; w3: 5; w4: 0 1 6 7");
}

TEST_CASE("a third copy goes to the other neighbour", "[unit]") {
  CHECK(placed(planned(6, 1, 3), equal_bytes(6), 3, {}, 3) ==
        "w0: 2 3 4 5; w1: 0 1 4 5; w2: 0 1 2 3");
}

TEST_CASE("whoever holds a layer shadows it rather than somebody who must be filled", "[unit]") {
  const Layout layout = planned(4, 1, 4);
  LayerHolders holders;
  for (int i = 0; i < 4; ++i) holders[LayerId{i}] = {WorkerId{i}};
  holders[LayerId{0}].insert(WorkerId{3});  // not its neighbour
  CHECK(placed(layout, equal_bytes(4), 4, holders, 2) == "w0: 1; w1: 2; w2: 3; w3: 0");
  holders[LayerId{0}].insert(WorkerId{2});  // two that hold it: the one with less to hold
  CHECK(placed(layout, {10, 10, 30, 10}, 4, holders, 2).find("w3: 0") != std::string::npos);
}

TEST_CASE("a stage that is shadowed in part already is shadowed by the same neighbour", "[unit]") {
  LayerHolders holders;
  for (const int layer : {0, 1, 2, 3, 4, 5}) holders[LayerId{layer}] = {WorkerId{layer / 2}};
  for (const int layer : {0, 1, 4, 5}) holders[LayerId{layer}].insert(WorkerId{1});
  holders[LayerId{3}].insert(WorkerId{0});
  // Worker 2 holds less, but then neither neighbour could take layers 2 and 3 over without a
  // transfer.
  CHECK(placed(planned(6, 1, 3), equal_bytes(6), 3, holders, 2) == "w0: 2 3; w1: 0 1 4 5");
}

TEST_CASE("small placements have the copies asked for and fill no more than they must", "[unit]") {
  constexpr std::uint64_t seed = 91;
  Random random(seed);
  for (int round = 0; round < 3000; ++round) {
    const int depth = static_cast<int>(random.between(1, 4));
    const int width = static_cast<int>(random.between(1, 3));
    const int layers = depth + static_cast<int>(random.below(5));
    const int workers = width * depth + static_cast<int>(random.below(4));
    const int copies = static_cast<int>(random.between(1, 6));
    std::vector<std::int64_t> bytes;
    LayerHolders holders;
    for (int i = 0; i < layers; ++i) {
      bytes.push_back(random.between(0, 3));
      for (int worker = 0; worker < workers; ++worker) {
        if (random.below(3) == 0) holders[LayerId{i}].insert(WorkerId{worker});
      }
    }
    INFO("seed " << seed << " round " << round);
    placed(planned(layers, width, depth), bytes, workers, holders, copies);
  }
}

TEST_CASE("the loss of any one worker of one pipeline is repaired by promotion alone", "[unit]") {
  constexpr std::uint64_t seed = 92;
  Random random(seed);
  for (int round = 0; round < 400; ++round) {
    const int depth = static_cast<int>(random.between(2, 7));
    const int layers = depth + static_cast<int>(random.below(8));
    const int workers = depth + static_cast<int>(random.below(3));
    ReplanCase request;
    request.micro_batches = 8;
    request.ms_per_byte = 1;
    request.copies = 2;
    for (int i = 0; i < layers; ++i) {
      request.layer_costs.push_back(0.5 + random.uniform());
      request.layer_bytes.push_back(random.between(1, 9));
    }
    Layout before = planned(layers, 1, depth);
    before.shadows =
        place_shadows(before, request.layer_bytes, first_workers(workers), {}, request.copies);
    request.holders = holders_in(before);
    request.before = before;
    for (int lost = 0; lost < workers; ++lost) {
      INFO("seed " << seed << " round " << round << " depth " << depth << " of " << workers
                   << " lost " << lost << " shadows " << text_of(before.shadows));
      request.workers = first_workers(workers);
      std::erase(request.workers, WorkerId{lost});
      const Replan answer = replan(request).value();
      require_consistent(request, answer);
      REQUIRE(answer.transfers.empty());
    }
  }
}

}  // namespace planaria
