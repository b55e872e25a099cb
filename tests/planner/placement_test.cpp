// Which worker takes which place, against trying every way.
#include <algorithm>
#include <cstdint>
#include <limits>
#include <map>
#include <numeric>
#include <optional>
#include <set>
#include <vector>

#include <catch2/catch.hpp>

#include <planaria/base/random.hpp>
#include <planaria/planner/placement.hpp>

#include "planner/assignment.hpp"

namespace planaria {
namespace {

std::int64_t cost_of(const CostTable& costs, const std::vector<std::vector<int>>& taken) {
  std::int64_t sum = 0;
  for (std::size_t row = 0; row < costs.size(); ++row) {
    for (std::size_t column = 0; column < costs[row].size(); ++column) {
      sum += taken[row][column] * costs[row][column].first;
    }
  }
  return sum;
}

/// The least cost of every way to send the units, one after the other.
std::int64_t least_of_all(const CostTable& costs, std::vector<int> units, std::vector<int> room,
                          std::size_t row = 0) {
  while (row < units.size() && units[row] == 0) ++row;
  if (row == units.size()) return 0;
  std::int64_t least = std::numeric_limits<std::int64_t>::max();
  --units[row];
  for (std::size_t column = 0; column < room.size(); ++column) {
    if (room[column] == 0) continue;
    --room[column];
    least = std::min(least, costs[row][column].first + least_of_all(costs, units, room, row));
    ++room[column];
  }
  return least;
}

void check_transport(std::uint64_t seed) {
  INFO("seed " << seed);
  Random random(seed);
  const auto count = [&](int least, int most) {
    return static_cast<int>(random.between(least, most));
  };
  std::vector<int> units(static_cast<std::size_t>(count(1, 3)));
  std::vector<int> room(static_cast<std::size_t>(count(1, 4)));
  for (int& unit : units) unit = count(0, 2);
  for (int& places : room) places = count(0, 3);
  const int all = std::accumulate(units.begin(), units.end(), 0);
  room.front() += std::max(0, all - std::accumulate(room.begin(), room.end(), 0));
  CostTable costs(units.size());
  for (auto& row : costs) {
    for (std::size_t column = 0; column < room.size(); ++column) row.push_back({count(0, 6), 0});
  }
  const auto taken = least_transport(costs, units, room);
  REQUIRE(taken.size() == units.size());
  std::vector<int> used(room.size(), 0);
  for (std::size_t row = 0; row < units.size(); ++row) {
    REQUIRE(taken[row].size() == room.size());
    CHECK(std::accumulate(taken[row].begin(), taken[row].end(), 0) == units[row]);
    for (std::size_t column = 0; column < room.size(); ++column) {
      CHECK(taken[row][column] >= 0);
      used[column] += taken[row][column];
    }
  }
  for (std::size_t column = 0; column < room.size(); ++column) CHECK(used[column] <= room[column]);
  CHECK(cost_of(costs, taken) == least_of_all(costs, units, room));
}

struct Case {
  Layout places;
  std::vector<std::int64_t> layer_bytes;
  LayerHolders holders;
  std::vector<WorkerId> workers;
  Cluster cluster;
};

LayerId layer(int value) {
  return LayerId{value};
}

/// Up to two pipelines of 4 layers, a shadow, up to 6 workers with odd ids of up to two kinds.
Case random_case(std::uint64_t seed) {
  Random random(seed);
  Case made;
  for (int i = 0; i < 4; ++i) made.layer_bytes.push_back(random.between(1, 9));
  int place = 0;
  const auto pipelines = random.between(1, 2);
  for (std::int64_t i = 0; i < pipelines; ++i) {
    PipelineAssignment& pipeline = made.places.pipelines.emplace_back();
    pipeline.micro_batches = 1;
    const auto cut = static_cast<int>(random.between(0, 3));
    if (cut > 0) pipeline.stages.push_back({{layer(0), layer(cut - 1)}, WorkerId{place++}});
    pipeline.stages.push_back({{layer(cut), layer(3)}, WorkerId{place++}});
  }
  if (random.below(2) == 0) made.places.shadows.push_back({WorkerId{place++}, {layer(1)}});
  const auto spare = static_cast<int>(random.between(0, 6 - place));
  for (int i = 0; i < place + spare; ++i) made.workers.emplace_back((2 * i) + 1);
  for (int i = 0; i < 4; ++i) {
    for (const WorkerId worker : made.workers) {
      if (random.below(3) == 0) made.holders[layer(i)].insert(worker);
    }
  }
  made.holders[layer(2)].insert(WorkerId{100});  // gone
  // Places name workers by the same ids as the cluster: their kinds are those of these.
  for (int id = 0; id <= 11; ++id) {
    const double speed = seed % 2 == 0 && id >= 8 ? 0.5 : 1;
    made.cluster.workers.push_back({WorkerId{id}, "a", "h" + std::to_string(id), 100, speed});
  }
  return made;
}

std::int64_t lacking_bytes(const Case& made, WorkerId place, WorkerId worker) {
  std::set<LayerId> needed;
  for (const auto& pipeline : made.places.pipelines) {
    for (const auto& stage : pipeline.stages) {
      if (stage.worker != place) continue;
      for (LayerId at = stage.layers.first; at <= stage.layers.last; at = at.next()) {
        needed.insert(at);
      }
    }
  }
  for (const auto& shadow : made.places.shadows) {
    if (shadow.worker == place) needed.insert(shadow.layers.begin(), shadow.layers.end());
  }
  std::int64_t bytes = 0;
  for (const LayerId at : needed) {
    const auto holders = made.holders.find(at);
    const bool held = holders != made.holders.end() && holders->second.contains(worker);
    if (!held) bytes += made.layer_bytes[static_cast<std::size_t>(at.value)];
  }
  return bytes;
}

bool alike(const Case& made, WorkerId place, WorkerId worker) {
  return made.cluster.worker(place)->speed == made.cluster.worker(worker)->speed;
}

/// The fewest bytes of all permutations; nothing where kinds do not allow any.
std::optional<std::int64_t> fewest_bytes(const Case& made) {
  const std::vector<WorkerId> places = workers_of(made.places);
  std::vector<WorkerId> order = made.workers;
  std::optional<std::int64_t> fewest;
  do {
    std::int64_t bytes = 0;
    bool allowed = true;
    for (std::size_t i = 0; i < places.size(); ++i) {
      allowed = allowed && alike(made, places[i], order[i]);
      bytes += lacking_bytes(made, places[i], order[i]);
    }
    if (allowed && (!fewest || bytes < *fewest)) fewest = bytes;
  } while (std::ranges::next_permutation(order).found);
  return fewest;
}

/// Returns whether there was a way.
bool check_placement(std::uint64_t seed) {
  INFO("seed " << seed);
  const Case made = random_case(seed);
  const auto placed = place_workers({.places = &made.places,
                                     .layer_bytes = made.layer_bytes,
                                     .holders = &made.holders,
                                     .workers = made.workers,
                                     .cluster = &made.cluster});
  const auto fewest = fewest_bytes(made);
  REQUIRE(placed.ok() == fewest.has_value());
  if (!fewest) return false;
  CHECK(placed.value().bytes == *fewest);
  std::set<WorkerId> used;
  std::int64_t bytes = 0;
  for (const auto& [place, worker] : placed.value().worker_of) {
    CHECK(alike(made, place, worker));
    CHECK(std::ranges::binary_search(made.workers, worker));
    used.insert(worker);
    bytes += lacking_bytes(made, place, worker);
  }
  CHECK(bytes == *fewest);
  CHECK(used.size() == workers_of(made.places).size());
  return true;
}

/// Two pipelines of two stages on workers 0 to 3, who hold just what they compute.
Case standing() {
  Case made;
  made.layer_bytes = {5, 5, 5, 5};
  for (int i = 0; i < 2; ++i) {
    made.places.pipelines.push_back(
        {1,
         {{{layer(0), layer(1)}, WorkerId{2 * i}}, {{layer(2), layer(3)}, WorkerId{(2 * i) + 1}}}});
  }
  made.workers = {WorkerId{0}, WorkerId{1}, WorkerId{2}, WorkerId{3}};
  made.holders = {{layer(0), {WorkerId{0}, WorkerId{2}}},
                  {layer(1), {WorkerId{0}, WorkerId{2}}},
                  {layer(2), {WorkerId{1}, WorkerId{3}}},
                  {layer(3), {WorkerId{1}, WorkerId{3}}}};
  return made;
}

PlacementRequest request_of(const Case& made) {
  return {.places = &made.places,
          .layer_bytes = made.layer_bytes,
          .holders = &made.holders,
          .workers = made.workers};
}

Layout with_workers(Layout layout, const std::map<WorkerId, WorkerId>& worker_of) {
  for (PipelineAssignment& pipeline : layout.pipelines) {
    for (StageAssignment& stage : pipeline.stages) stage.worker = worker_of.at(stage.worker);
  }
  return layout;
}

}  // namespace

TEST_CASE("units go where they cost least, of all ways there are", "[unit]") {
  for (std::uint64_t seed = 1; seed <= 500; ++seed) check_transport(seed);
}

TEST_CASE("workers take places so that the fewest bytes move", "[unit]") {
  int placed = 0;
  for (std::uint64_t seed = 1; seed <= 300; ++seed) placed += check_placement(seed) ? 1 : 0;
  CHECK(placed >= 150);
}

TEST_CASE("who stood in a place keeps it where nobody else lacks less", "[unit]") {
  Case made = standing();
  Layout before = made.places;
  std::swap(before.pipelines[0], before.pipelines[1]);
  PlacementRequest request = request_of(made);
  const auto lowest_first = place_workers(request).value();
  CHECK(lowest_first.bytes == 0);
  CHECK(with_workers(made.places, lowest_first.worker_of) == made.places);
  request.before = &before;
  const auto kept = place_workers(request).value();
  CHECK(kept.bytes == 0);
  CHECK(with_workers(made.places, kept.worker_of) == before);
}

TEST_CASE("a newcomer takes the place of who is gone, and nobody else moves", "[unit]") {
  Case made = standing();
  made.workers = {WorkerId{0}, WorkerId{2}, WorkerId{3}, WorkerId{9}};
  PlacementRequest request = request_of(made);
  request.before = &made.places;
  const auto placement = place_workers(request).value();
  CHECK(placement.bytes == 10);
  Layout expected = made.places;
  expected.pipelines[0].stages[1].worker = WorkerId{9};
  CHECK(with_workers(made.places, placement.worker_of) == expected);
}

TEST_CASE("what cannot be placed is refused with the reason", "[unit]") {
  Case made = standing();
  PlacementRequest request = request_of(made);
  const auto sentence = [&] {
    const auto placed = place_workers(request);
    REQUIRE_FALSE(placed.ok());
    return placed.fault().sentence;
  };
  request.workers = {WorkerId{0}, WorkerId{2}, WorkerId{1}, WorkerId{3}};
  CHECK(sentence() == "workers: 1 after 2, must be ascending");
  request.workers = {WorkerId{0}, WorkerId{1}, WorkerId{2}};
  CHECK(sentence() == "workers: 3, must be at least 4, the places there are");
  request = request_of(made);
  request.layer_bytes.pop_back();
  CHECK(sentence() == "layer_bytes: 3, must have one for layer 3");
  request = request_of(made);
  const Cluster few = identical_workers(3, 100);
  request.cluster = &few;
  CHECK(sentence() == "places: 3, must be a worker of the cluster");
  Cluster mixed = identical_workers(6, 100);
  for (std::size_t i = 3; i < 6; ++i) mixed.workers[i].speed = 2;
  request.cluster = &mixed;
  request.workers = {WorkerId{0}, WorkerId{1}, WorkerId{4}, WorkerId{5}};
  CHECK(sentence() == "workers: 1 too few of the kind that places need");
}

}  // namespace planaria
