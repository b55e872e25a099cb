// Copies of states in peers' memory, as Gemini (SOSP 2023) places them, are holders like any other:
// its formulas are what survival gives.
#include <algorithm>
#include <cmath>
#include <string>
#include <vector>

#include <catch2/catch.hpp>

#include <planaria/liveput/survival.hpp>

#include "liveput/survival_brute_force.hpp"

namespace planaria::test {
namespace {

/// m copies on N machines; shard i is machine i's own.
struct Copies {
  int machines = 0;
  int copies = 0;
};

double choose(int n, int k) {
  if (k < 0 || k > n) return 0;
  double chosen = 1;
  for (int i = 0; i < k; ++i) chosen = chosen * (n - i) / (i + 1);
  return std::round(chosen);
}

// Machines [first, end) have shards that the next m - 1 hold too, round and round.
void add_ring(Holders& holders, int first, int end, int copies) {
  for (int shard = first; shard < end; ++shard) {
    std::vector<WorkerId> held_by;
    for (int i = 0; i < copies; ++i) {
      held_by.emplace_back(first + ((shard - first + i) % (end - first)));
    }
    std::sort(held_by.begin(), held_by.end());
    holders.of_layers.push_back(held_by);
  }
}

Holders ring_placement(const Copies& asked) {
  Holders holders{asked.machines, {}};
  add_ring(holders, 0, asked.machines, asked.copies);
  return holders;
}

// Groups of m that hold all of each other's; where m does not divide N, the last group and the rest
// are a ring.
Holders mixed_placement(const Copies& asked) {
  Holders holders{asked.machines, {}};
  const int groups = asked.machines / asked.copies;
  const bool divides = asked.machines % asked.copies == 0;
  int first = 0;
  for (int group = 0; group < (divides ? groups : groups - 1); ++group) {
    add_ring(holders, first, first + asked.copies, asked.copies);
    first += asked.copies;
  }
  if (!divides) add_ring(holders, first, asked.machines, asked.copies);
  return holders;
}

// No group wiped out, by inclusion and exclusion.
double group_formula(const Copies& asked, int lost) {
  const int groups = asked.machines / asked.copies;
  double sum = 0;
  for (int wiped = 0; wiped <= groups; ++wiped) {
    const double sets = choose(groups, wiped) * choose(asked.machines - (wiped * asked.copies),
                                                       lost - (wiped * asked.copies));
    sum += wiped % 2 == 0 ? sets : -sets;
  }
  return sum / choose(asked.machines, lost);
}

double survival_of(const Holders& holders, int lost) {
  return survival_by_losses(holders).value().at_least(1, lost);
}

double in_per_mille(double probability) {
  return std::round(probability * 1000);
}

}  // namespace

TEST_CASE("groups and rings of 16 machines with two copies survive as Gemini's figures say") {
  const Copies asked{.machines = 16, .copies = 2};
  const Holders groups = mixed_placement(asked);
  const Holders ring = ring_placement(asked);
  CHECK(in_per_mille(survival_of(groups, 2)) == 933);
  CHECK(in_per_mille(survival_of(groups, 3)) == 800);
  CHECK(in_per_mille(survival_of(groups, 4)) == 615);
  CHECK(in_per_mille(survival_of(ring, 2)) == 867);
  CHECK(in_per_mille(survival_of(ring, 3)) == 629);
  CHECK(in_per_mille(survival_of(ring, 4)) == 363);
}

TEST_CASE("where copies divide machines, groups survive by Gemini's formula") {
  for (const Copies& asked :
       {Copies{4, 2}, Copies{9, 3}, Copies{16, 2}, Copies{16, 4}, Copies{24, 3}, Copies{30, 5}}) {
    for (int lost = 0; lost <= asked.machines; ++lost) {
      INFO(asked.machines << " machines, " << asked.copies << " copies, " << lost << " lost");
      // The formula subtracts numbers of sets, so it is right to some parts of the largest of them.
      CHECK(std::abs(survival_of(mixed_placement(asked), lost) - group_formula(asked, lost)) <
            1e-9);
    }
  }
}

TEST_CASE("a ring of machines survives by the number of sets without neighbours") {
  // Of n in a ring, k may be chosen without neighbours in n / (n - k) C(n - k, k) ways (Kaplansky).
  constexpr int machines = 300;
  const auto ring = survival_by_losses(ring_placement({machines, 2})).value();
  for (const int lost : {1, 2, 3, 10, 40}) {
    double expected = static_cast<double>(machines) / (machines - lost);
    for (int i = 0; i < lost; ++i) {
      expected *= static_cast<double>(machines - lost - i) / (machines - i);
    }
    INFO(lost << " lost");
    CHECK(is_close(ring.at_least(1, lost), expected));
  }
}

TEST_CASE("a mixed placement is within Gemini's gap of every placement") {
  // Each placement has at least ceil(N / m) sets of m machines whose loss is the end.
  for (const Copies& asked :
       {Copies{7, 2}, Copies{11, 3}, Copies{17, 2}, Copies{14, 4}, Copies{23, 5}}) {
    INFO(asked.machines << " machines, " << asked.copies << " copies");
    const double sets = choose(asked.machines, asked.copies);
    const int needed = (asked.machines + asked.copies - 1) / asked.copies;
    const double best = 1 - (needed / sets);
    const double mixed = survival_of(mixed_placement(asked), asked.copies);
    CHECK(mixed <= best + 1e-12);
    CHECK(best - mixed <= ((2 * asked.copies - 3) / sets) + 1e-12);
    const double ring = survival_of(ring_placement(asked), asked.copies);
    CHECK(ring <= mixed);
  }
}

}  // namespace planaria::test
