// Layers onto stages by their costs alone.
#include <planaria/planner/chunks.hpp>

#include <algorithm>
#include <functional>
#include <numeric>

#include <fmt/format.h>
#include <catch2/catch.hpp>

#include <planaria/base/random.hpp>

namespace planaria {
namespace {

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

}  // namespace planaria
