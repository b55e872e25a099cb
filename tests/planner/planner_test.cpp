#include <planaria/planner/planner.hpp>

#include <algorithm>
#include <functional>
#include <limits>
#include <numeric>

#include <fmt/format.h>
#include <catch2/catch.hpp>

#include <planaria/base/random.hpp>

namespace planaria {
namespace {

constexpr double infinity = std::numeric_limits<double>::infinity();

// Calls `use` with every way to write `total` as `parts` numbers of at least one, in order.
void every_composition(int total, int parts,
                       const std::function<void(const std::vector<int>&)>& use) {
  std::vector<int> numbers;
  const std::function<void(int, int)> extend = [&](int left, int open) {
    if (open == 0) {
      if (left == 0) use(numbers);
      return;
    }
    for (int number = 1; number + open - 1 <= left; ++number) {
      numbers.push_back(number);
      extend(left - number, open - 1);
      numbers.pop_back();
    }
  };
  extend(total, parts);
}

std::vector<double> sums_of(const std::vector<double>& costs, const std::vector<int>& sizes) {
  std::vector<double> sums;
  std::size_t next = 0;
  for (const int size : sizes) {
    double sum = 0;
    for (int i = 0; i < size; ++i) sum += costs[next++];
    sums.push_back(sum);
  }
  return sums;
}

// Least largest sum, and of those the lexicographically least sums, by trying every partition.
std::vector<double> best_sums(const std::vector<double>& costs, int stages) {
  std::vector<double> best;
  const auto most = [](const std::vector<double>& sums) {
    return *std::max_element(sums.begin(), sums.end());
  };
  every_composition(static_cast<int>(costs.size()), stages, [&](const std::vector<int>& sizes) {
    const auto sums = sums_of(costs, sizes);
    if (best.empty() || std::pair(most(sums), sums) < std::pair(most(best), best)) best = sums;
  });
  return best;
}

std::vector<int> sizes_of(const std::vector<LayerRange>& ranges) {
  std::vector<int> sizes;
  for (const LayerRange& range : ranges) sizes.push_back(range.size());
  return sizes;
}

double bottleneck(const std::vector<double>& costs, int depth) {
  const auto sums = best_sums(costs, depth);
  return *std::max_element(sums.begin(), sums.end());
}

std::vector<int> spread(int width, int workers) {
  std::vector<int> depths;
  for (int i = 0; i < width; ++i) depths.push_back((workers + width - 1 - i) / width);
  return depths;
}

std::string text_of(const PlanRequest& request) {
  return fmt::format("costs {} M {} lane {} N {} width {} depth {}",
                     fmt::join(request.layer_costs, " "), request.micro_batches, request.lane_size,
                     request.workers, request.width.value_or(0), request.depth.value_or(0));
}

// The least step cost over every width, number of workers used and sharing of the lanes, with the
// tie rule: {cost, idle, width}.
std::tuple<double, int, int> brute_force(const PlanRequest& request) {
  const int layers = static_cast<int>(request.layer_costs.size());
  const int lanes = (request.micro_batches + request.lane_size - 1) / request.lane_size;
  std::vector<double> of_depth{infinity};
  for (int depth = 1; depth <= layers; ++depth) {
    of_depth.push_back(bottleneck(request.layer_costs, depth));
  }
  std::tuple<double, int, int> best{infinity, 0, 0};
  for (int width = 1; width <= std::min(request.workers, lanes); ++width) {
    if (request.width && *request.width != width) continue;
    for (int used = width; used <= std::min(request.workers, width * layers); ++used) {
      if (request.depth && used != width * *request.depth) continue;
      if (request.width && !request.depth && used != std::min(request.workers, width * layers)) {
        continue;
      }
      const std::vector<int> depths = spread(width, used);
      every_composition(lanes, width, [&](const std::vector<int>& share) {
        double cost = 0;
        int left = request.micro_batches;
        for (std::size_t i = 0; i < depths.size(); ++i) {
          const int micro_batches = std::min(left, share[i] * request.lane_size);
          left -= micro_batches;
          cost = std::max(cost, (micro_batches + depths[i] - 1) *
                                    of_depth[static_cast<std::size_t>(depths[i])]);
        }
        best = std::min(best, std::tuple(cost, request.workers - used, width));
      });
    }
  }
  return best;
}

// The step cost that a layout really has under the model.
double cost_of(const Layout& layout, const std::vector<double>& costs) {
  double most = 0;
  for (const auto& pipeline : layout.pipelines) {
    std::vector<int> sizes;
    for (const auto& stage : pipeline.stages) sizes.push_back(stage.layers.size());
    const auto sums = sums_of(costs, sizes);
    most = std::max(most, (pipeline.micro_batches + static_cast<int>(sizes.size()) - 1) *
                              *std::max_element(sums.begin(), sums.end()));
  }
  return most;
}

void check_answer(const PlanRequest& request, const PlanAnswer& answer) {
  const auto fits = verify(answer.layout, {.layers = static_cast<int>(request.layer_costs.size()),
                                           .micro_batches = request.micro_batches,
                                           .lane_size = request.lane_size,
                                           .workers = request.workers});
  if (!fits.ok()) FAIL(fits.fault().sentence);
  REQUIRE(answer.step_cost == cost_of(answer.layout, request.layer_costs));
  std::vector<WorkerId> all = workers_of(answer.layout);
  all.insert(all.end(), answer.idle_workers.begin(), answer.idle_workers.end());
  REQUIRE(all.size() == static_cast<std::size_t>(request.workers));
  for (std::size_t i = 0; i < all.size(); ++i) REQUIRE(all[i].value == static_cast<int>(i));
}

std::vector<double> costs_for(int layers, int variant, Random& random) {
  std::vector<double> costs;
  for (int i = 0; i < layers; ++i) {
    switch (variant) {
      case 0:
        costs.push_back(1);
        break;
      case 1:
        costs.push_back(static_cast<double>(random.below(4)));
        break;  // ties and zeros
      default:
        costs.push_back(random.uniform() + 0.1);
        break;
    }
  }
  return costs;
}

std::vector<int> depths_of(const Layout& layout) {
  std::vector<int> depths;
  for (const auto& pipeline : layout.pipelines) {
    depths.push_back(static_cast<int>(pipeline.stages.size()));
  }
  return depths;
}

std::string refusal_of(const PlanRequest& request) {
  const auto result = plan(request);
  if (result.ok()) return "planned";
  CHECK(result.fault().kind == FaultKind::invalid_input);
  return result.fault().sentence;
}

}  // namespace

TEST_CASE("balance finds the best of all partitions, ties included", "[unit]") {
  constexpr std::uint64_t seed = 77;
  Random random(seed);
  for (int layers = 1; layers <= 8; ++layers) {
    for (int stages = 1; stages <= std::min(layers, 5); ++stages) {
      for (int round = 0; round < 60; ++round) {
        const auto costs = costs_for(layers, round == 0 ? 0 : 1 + (round % 2), random);
        INFO("seed " << seed << " stages " << stages << " costs "
                     << fmt::format("{}", fmt::join(costs, " ")));
        const auto ranges = balance(costs, stages);
        const auto sizes = sizes_of(ranges);
        REQUIRE(static_cast<int>(ranges.size()) == stages);
        REQUIRE(std::accumulate(sizes.begin(), sizes.end(), 0) == layers);
        REQUIRE(std::all_of(sizes.begin(), sizes.end(), [](int size) { return size >= 1; }));
        for (std::size_t i = 1; i < ranges.size(); ++i) {
          REQUIRE(ranges[i].first == ranges[i - 1].last.next());
        }
        REQUIRE(sums_of(costs, sizes) == best_sums(costs, stages));
      }
    }
  }
}

TEST_CASE("balance weighs layers by cost, not by number", "[unit]") {
  CHECK(sizes_of(balance({1, 1, 1, 1}, 2)) == std::vector<int>{2, 2});
  CHECK(sizes_of(balance({5, 1, 1, 1}, 2)) == std::vector<int>{1, 3});
  CHECK(sizes_of(balance({1, 1, 1}, 2)) == std::vector<int>{1, 2});  // the first as small as can be
  CHECK(sizes_of(balance({0, 0, 0}, 3)) == std::vector<int>{1, 1, 1});
}

TEST_CASE("every small answer fits and is the best of all, by the tie rule", "[unit]") {
  constexpr std::uint64_t seed = 78;
  Random random(seed);
  for (int workers = 1; workers <= 8; ++workers) {
    for (int layers = 1; layers <= 6; ++layers) {
      for (int micro_batches = 1; micro_batches <= 8; ++micro_batches) {
        for (int lane_size = 1; lane_size <= 3; ++lane_size) {
          for (int variant = 0; variant < 3; ++variant) {
            const PlanRequest request{.layer_costs = costs_for(layers, variant, random),
                                      .micro_batches = micro_batches,
                                      .lane_size = lane_size,
                                      .workers = workers};
            INFO("seed " << seed << " " << text_of(request));
            const auto answer = plan(request);
            REQUIRE(answer.ok());
            check_answer(request, answer.value());
            REQUIRE(std::tuple(answer.value().step_cost,
                               static_cast<int>(answer.value().idle_workers.size()),
                               static_cast<int>(answer.value().layout.pipelines.size())) ==
                    brute_force(request));
          }
        }
      }
    }
  }
}

TEST_CASE("a width, a depth or both are kept where they can be", "[unit]") {
  constexpr std::uint64_t seed = 79;
  Random random(seed);
  for (int workers = 1; workers <= 7; ++workers) {
    for (int layers = 1; layers <= 4; ++layers) {
      for (int width = 0; width <= workers; ++width) {
        for (int depth = 0; depth <= layers; ++depth) {
          PlanRequest request{.layer_costs = costs_for(layers, 2, random),
                              .micro_batches = 7,
                              .lane_size = 2,
                              .workers = workers};
          if (width > 0) request.width = width;
          if (depth > 0) request.depth = depth;
          INFO("seed " << seed << " " << text_of(request));
          const bool possible = width <= 4 && std::max(width, 1) * std::max(depth, 1) <= workers;
          const auto answer = plan(request);
          REQUIRE(answer.ok() == possible);
          if (!possible) continue;
          check_answer(request, answer.value());
          const auto depths = depths_of(answer.value().layout);
          if (width > 0) CHECK(static_cast<int>(depths.size()) == width);
          if (depth > 0) CHECK(depths == std::vector<int>(depths.size(), depth));
          CHECK(std::tuple(answer.value().step_cost,
                           static_cast<int>(answer.value().idle_workers.size()),
                           static_cast<int>(depths.size())) == brute_force(request));
        }
      }
    }
  }
}

TEST_CASE("a width alone spreads all workers, the deepest pipeline first", "[unit]") {
  PlanRequest request{
      .layer_costs = std::vector<double>(10, 1.0), .micro_batches = 16, .workers = 7};
  request.width = 3;
  const PlanAnswer three = plan(request).value();
  CHECK(depths_of(three.layout) == std::vector<int>{3, 2, 2});
  CHECK(three.idle_workers.empty());
  CHECK(three.layout.pipelines[1].stages[0].worker == WorkerId{3});
  CHECK(three.layout.pipelines[2].stages[1].worker == WorkerId{6});
  CHECK(three.layout.pipelines[0].micro_batches > three.layout.pipelines[1].micro_batches);
  CHECK(
      three.explanation ==
      "pipelines of 3, 2, 2 stages: predicted step cost 32, width as asked, depths as even as can "
      "be");
  request.layer_costs.resize(2);
  CHECK(depths_of(plan(request).value().layout) == std::vector<int>{2, 2, 2});
}

TEST_CASE("workers that cannot help stay idle", "[unit]") {
  const PlanRequest one_lane{
      .layer_costs = {1, 1}, .micro_batches = 3, .lane_size = 3, .workers = 5};
  const PlanAnswer answer = plan(one_lane).value();
  CHECK(text_of(answer.layout) == "1 pipeline x 2 stages");
  CHECK(answer.idle_workers == std::vector<WorkerId>{WorkerId{2}, WorkerId{3}, WorkerId{4}});
  CHECK(answer.explanation.starts_with(
      "1 pipeline x 2 stages, 3 workers idle: predicted step cost 4, the least of "));
  // One layer is nearly everything: a second stage would only add its bubble.
  const PlanRequest lopsided{.layer_costs = {9, 1}, .micro_batches = 1, .workers = 2};
  CHECK(text_of(plan(lopsided).value().layout) == "1 pipeline x 1 stage");
}

TEST_CASE("large requests are planned as well", "[unit]") {
  const PlanRequest request{.layer_costs = std::vector<double>(98, 0.1),
                            .micro_batches = 512,
                            .lane_size = 3,
                            .workers = 200};
  check_answer(request, plan(request).value());
}

TEST_CASE("what was asked and cannot be is refused by field, value and limit", "[unit]") {
  const PlanRequest fine{.layer_costs = std::vector<double>(10, 1.0),
                         .micro_batches = 16,
                         .lane_size = 2,
                         .workers = 12};
  const auto refused = [&](const std::function<void(PlanRequest&)>& change) {
    PlanRequest request = fine;
    change(request);
    return refusal_of(request);
  };
  using R = PlanRequest&;
  CHECK(refused([](R) {}) == "planned");
  CHECK(refused([](R r) { r.depth = 12; }) ==
        "depth: 12, must be at most 10, the number of layers");
  CHECK(refused([](R r) { r.width = 9; }) == "width: 9, must be at most 8, the number of lanes");
  CHECK(refused([](R r) { r.width = 2, r.depth = 4, r.workers = 5; }) ==
        "width x depth: 2 x 4 = 8, must be at most 5, the number of workers");
  CHECK(refused([](R r) { r.width = 8, r.workers = 7; }) ==
        "width: 8, must be at most 7, the number of workers");
  CHECK(refused([](R r) { r.depth = 8, r.workers = 7; }) ==
        "depth: 8, must be at most 7, the number of workers");
  CHECK(refused([](R r) { r.width = 0; }) == "width: 0, must be at least 1");
  CHECK(refused([](R r) { r.depth = -1; }) == "depth: -1, must be at least 1");
  CHECK(refused([](R r) { r.workers = 0; }) == "workers: 0, must be at least 1");
  CHECK(refused([](R r) { r.micro_batches = 0; }) == "micro_batches: 0, must be at least 1");
  CHECK(refused([](R r) { r.micro_batches = 1'000'001; }) ==
        "micro_batches: 1000001, must be at most 1000000");
  CHECK(refused([](R r) { r.lane_size = 0; }) == "lane_size: 0, must be at least 1");
  CHECK(refused([](R r) { r.layer_costs.clear(); }) == "layers: 0, must be at least 1");
  CHECK(refused([](R r) { r.layer_costs[3] = -1; }) ==
        "layer_costs[3]: -1, must be a finite number from 0");
  CHECK(refused([](R r) { r.layer_costs[3] = infinity; }) ==
        "layer_costs[3]: inf, must be a finite number from 0");
  CHECK(refused([](R r) { r.layer_costs.assign(3, 1e308); }) ==
        "layer_costs: a sum beyond all numbers, must be finite");
  CHECK(refused([](R r) { r.schedule = "zb-h9"; }) ==
        "schedule: zb-h9, must be one of gpipe, 1f1b, interleaved, zb-h1, zb-h2, zb-v, v-half, "
        "v-min, dualpipe-v, varuna, varuna-jit, auto");
}

}  // namespace planaria
