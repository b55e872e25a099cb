// Of many workers: survival is the exact fraction of sets, and takes no overflow to get there.
#include <algorithm>
#include <cmath>
#include <vector>

#include <catch2/catch.hpp>

#include <planaria/liveput/survival.hpp>

#include "liveput/big_count.hpp"
#include "liveput/survival_brute_force.hpp"

namespace planaria::test {
namespace {

using BigPolynomial = std::vector<BigCount>;  // at k: x^k

// Coefficients up to 2^32.
BigPolynomial product(const BigPolynomial& one, const std::vector<std::uint32_t>& other) {
  BigPolynomial both(one.size() + other.size() - 1);
  for (std::size_t i = 0; i < one.size(); ++i) {
    for (std::size_t j = 0; j < other.size(); ++j) both[i + j].add_product(one[i], other[j]);
  }
  return both;
}

// (1 + x)^times
BigPolynomial with_workers(BigPolynomial sets, int times) {
  for (int i = 0; i < times; ++i) sets = product(sets, {1, 1});
  return sets;
}

// (sum over j <= D - d of C(D, j) x^j)^P (1 + x)^(N - D P)
BigPolynomial surviving_sets(const GridShape& grid, int replicas) {
  std::vector<std::uint32_t> of_stage{1};
  for (int dead = 0; dead < grid.width - replicas; ++dead) {
    const std::uint64_t next = std::uint64_t{of_stage.back()} *
                               static_cast<std::uint64_t>(grid.width - dead) /
                               (static_cast<std::uint64_t>(dead) + 1);
    of_stage.push_back(static_cast<std::uint32_t>(next));
  }
  BigPolynomial sets{BigCount(1)};
  for (int stage = 0; stage < grid.depth; ++stage) sets = product(sets, of_stage);
  return with_workers(std::move(sets), grid.workers - (grid.width * grid.depth));
}

// The largest relative error over every number of losses, of what is above 1e-280.
double largest_error(const GridShape& grid, const Survival& survival, int replicas,
                     const BigPolynomial& all) {
  const BigPolynomial sets = surviving_sets(grid, replicas);
  double largest = 0;
  for (int lost = 0; lost <= grid.workers; ++lost) {
    const auto at = static_cast<std::size_t>(lost);
    const double expected = at < sets.size() ? sets[at].over(all[at]) : 0;
    const double found = survival.at_least(replicas, lost);
    constexpr double tiny = 1e-280;
    if (expected < tiny) {
      if (found > 2 * tiny) return 1;
      continue;
    }
    largest = std::max(largest, std::abs(found - expected) / expected);
  }
  return largest;
}

}  // namespace

TEST_CASE("of 1000 workers and any number of losses every probability is right to 1e-12") {
  constexpr int workers = 1000;
  const BigPolynomial all = with_workers({BigCount(1)}, workers);
  for (const GridShape& grid : {GridShape{workers, 8, 125}, GridShape{workers, 25, 40},
                                GridShape{workers, 2, 300}, GridShape{workers, 30, 20}}) {
    const auto survival = survival_by_losses(grid_holders(grid)).value();
    for (const int replicas : {1, 2, grid.width / 2, grid.width}) {
      if (replicas < 1) continue;
      INFO(grid.width << " x " << grid.depth << ", at least " << replicas);
      const double error = largest_error(grid, survival, replicas, all);
      CHECK(error <= 1e-12);
    }
  }
}

TEST_CASE("ten thousand workers overflow nothing") {
  SurvivalOptions options;
  options.losses_max = 20;
  const auto survival = survival_by_losses(grid_holders({10'000, 100, 100}), options).value();
  CHECK(survival.at_least(100, 0) == 1);
  // The first loss leaves 99 wherever it is, the second one is of another stage 9900 times in 9999.
  CHECK(is_close(survival.at_least(99, 2), 9900.0 / 9999));
  CHECK(survival.at_least(80, 20) == 1);
}

TEST_CASE("fewer losses asked for have the same probabilities") {
  const Holders holders = grid_holders({100, 6, 15});
  const auto all = survival_by_losses(holders).value();
  SurvivalOptions options;
  options.losses_max = 7;
  options.replicas_max = 3;
  const auto few = survival_by_losses(holders, options).value();
  CHECK(few.losses_max() == 7);
  CHECK(few.replicas_max() == 3);
  for (int replicas = 1; replicas <= 3; ++replicas) {
    for (int lost = 0; lost <= 7; ++lost) {
      CHECK(is_close(few.at_least(replicas, lost), all.at_least(replicas, lost)));
    }
  }
}

}  // namespace planaria::test
