#include <catch2/catch.hpp>

#include <algorithm>
#include <optional>
#include <tuple>

#include <planaria/base/random.hpp>

#include "protocol/eviction.hpp"

namespace planaria::protocol {
namespace {

using Workers = std::set<WorkerId>;

Workers workers(std::initializer_list<int> numbers) {
  Workers found;
  for (const int number : numbers) found.insert(WorkerId{number});
  return found;
}

std::set<UnreachablePair> pairs(std::initializer_list<std::pair<int, int>> numbers) {
  std::set<UnreachablePair> found;
  for (const auto& [a, b] : numbers) found.insert({WorkerId{a}, WorkerId{b}});
  return found;
}

int nothing_alone(WorkerId) {
  return 0;
}

bool covers(const Workers& chosen, const std::set<UnreachablePair>& all) {
  return std::ranges::all_of(all, [&](const UnreachablePair& pair) {
    return chosen.contains(pair.first) || chosen.contains(pair.second);
  });
}

// Every subset, by the rule as PROTOCOL 5 has it: fewest, then least held alone, then the highest.
Workers by_brute_force(const std::set<UnreachablePair>& all, int count,
                       const std::vector<int>& held_alone) {
  std::optional<std::tuple<int, int, std::vector<int>>> best;
  for (unsigned chosen = 0; chosen < 1U << count; ++chosen) {
    Workers subset;
    int alone = 0;
    std::vector<int> highest_first;  // negated: the higher, the less
    for (int i = count - 1; i >= 0; --i) {
      if ((chosen >> i & 1U) == 0) continue;
      subset.insert(WorkerId{i});
      alone += held_alone[static_cast<std::size_t>(i)];
      highest_first.push_back(-i);
    }
    if (!covers(subset, all)) continue;
    const std::tuple rank{static_cast<int>(subset.size()), alone, highest_first};
    if (!best || rank < *best) best = rank;
  }
  Workers found;
  for (const int negated : std::get<2>(*best)) found.insert(WorkerId{-negated});
  return found;
}

}  // namespace

TEST_CASE("the cover of no pairs is empty, that of one is the higher", "[unit]") {
  CHECK(smallest_cover({}, nothing_alone).empty());
  CHECK(smallest_cover(pairs({{2, 5}}), nothing_alone) == workers({5}));
}

TEST_CASE("one whom nobody reaches goes alone, whatever its number", "[unit]") {
  CHECK(smallest_cover(pairs({{0, 3}, {0, 4}, {0, 9}}), nothing_alone) == workers({0}));
}

TEST_CASE("of equals the worker goes that holds the fewest layers alone", "[unit]") {
  const auto alone = [](WorkerId worker) { return worker == WorkerId{5} ? 1 : 0; };
  CHECK(smallest_cover(pairs({{2, 5}}), alone) == workers({2}));
  // But fewer workers come first: two that hold nothing alone do not replace one that does.
  CHECK(smallest_cover(pairs({{2, 5}, {3, 5}}), alone) == workers({5}));
}

TEST_CASE("a ring of five loses three, the highest first", "[unit]") {
  CHECK(smallest_cover(pairs({{0, 1}, {1, 2}, {2, 3}, {3, 4}, {0, 4}}), nothing_alone) ==
        workers({1, 3, 4}));
}

TEST_CASE("the smallest cover is that of brute force, on random graphs", "[unit]") {
  Random random(5);
  for (int i = 0; i < 400; ++i) {
    const int count = static_cast<int>(random.between(2, 9));
    std::set<UnreachablePair> all;
    const auto edges = random.between(1, 14);
    for (std::int64_t edge = 0; edge < edges; ++edge) {
      const auto a = static_cast<int>(random.between(0, count - 1));
      const auto b = static_cast<int>(random.between(0, count - 1));
      if (a != b) all.insert(std::minmax(WorkerId{a}, WorkerId{b}));
    }
    std::vector<int> alone;
    for (int worker = 0; worker < count; ++worker) {
      alone.push_back(static_cast<int>(random.between(0, 2)));
    }
    INFO("graph " << i << " of " << count << " workers, " << all.size() << " pairs");
    const auto held_alone = [&](WorkerId worker) {
      return alone[static_cast<std::size_t>(worker.value)];
    };
    CHECK(smallest_cover(all, held_alone) == by_brute_force(all, count, alone));
  }
}

TEST_CASE("beyond 16 workers every pair is covered, the most cut off going first", "[unit]") {
  // Worker 0 is cut off from 18 others, worker 30 from 31 besides.
  std::set<UnreachablePair> all = pairs({{30, 31}});
  for (int i = 1; i <= 18; ++i) all.insert({WorkerId{0}, WorkerId{i}});
  CHECK(smallest_cover(all, nothing_alone) == workers({0, 31}));
  const auto alone = [](WorkerId worker) { return worker == WorkerId{31} ? 1 : 0; };
  CHECK(smallest_cover(all, alone) == workers({0, 30}));
  Random random(6);
  for (int i = 0; i < 50; ++i) {
    std::set<UnreachablePair> many;
    for (int edge = 0; edge < 60; ++edge) {
      const auto a = static_cast<int>(random.between(0, 39));
      const auto b = static_cast<int>(random.between(0, 39));
      if (a != b) many.insert(std::minmax(WorkerId{a}, WorkerId{b}));
    }
    CHECK(covers(smallest_cover(many, nothing_alone), many));
  }
}

}  // namespace planaria::protocol
