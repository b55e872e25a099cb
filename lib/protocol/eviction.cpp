#include "protocol/eviction.hpp"

#include <algorithm>
#include <bit>
#include <cstdint>
#include <optional>
#include <tuple>

namespace planaria::protocol {
namespace {

constexpr std::size_t exact_max = 16;

struct Cover {
  std::size_t size = 0;
  int held_alone = 0;
  std::vector<WorkerId> highest_first;

  [[nodiscard]] bool better_than(const Cover& other) const {
    return std::tie(size, held_alone, other.highest_first) <
           std::tie(other.size, other.held_alone, highest_first);
  }
};

std::vector<WorkerId> workers_in(const std::set<UnreachablePair>& pairs) {
  std::set<WorkerId> workers;
  for (const auto& [a, b] : pairs) workers.insert({a, b});
  return {workers.begin(), workers.end()};
}

std::set<WorkerId> exact_cover(const std::set<UnreachablePair>& pairs,
                               const std::vector<WorkerId>& workers,
                               const std::function<int(WorkerId)>& layers_held_alone) {
  const auto bit_of = [&](WorkerId worker) {
    return std::uint32_t{1} << (std::ranges::lower_bound(workers, worker) - workers.begin());
  };
  std::vector<std::uint32_t> edges;
  for (const auto& [a, b] : pairs) edges.push_back(bit_of(a) | bit_of(b));
  std::optional<Cover> best;
  for (std::uint32_t chosen = 0; chosen < (std::uint32_t{1} << workers.size()); ++chosen) {
    const auto size = static_cast<std::size_t>(std::popcount(chosen));
    if (best && size > best->size) continue;
    const bool covers =
        std::ranges::all_of(edges, [&](std::uint32_t edge) { return (edge & chosen) != 0; });
    if (!covers) continue;
    Cover cover{.size = size};
    for (std::size_t i = workers.size(); i > 0; --i) {
      if ((chosen >> (i - 1) & 1) == 0) continue;
      cover.highest_first.push_back(workers[i - 1]);
      cover.held_alone += layers_held_alone(workers[i - 1]);
    }
    if (!best || cover.better_than(*best)) best = std::move(cover);
  }
  return {best->highest_first.begin(), best->highest_first.end()};
}

std::set<WorkerId> greedy_cover(std::set<UnreachablePair> pairs,
                                const std::function<int(WorkerId)>& layers_held_alone) {
  std::set<WorkerId> cover;
  while (!pairs.empty()) {
    const auto rank = [&](WorkerId worker) {
      const auto degree = std::ranges::count_if(pairs, [&](const UnreachablePair& pair) {
        return pair.first == worker || pair.second == worker;
      });
      return std::tuple(degree, -layers_held_alone(worker), worker);
    };
    const auto workers = workers_in(pairs);
    const WorkerId worst = *std::ranges::max_element(workers, {}, rank);
    cover.insert(worst);
    std::erase_if(pairs, [&](const UnreachablePair& pair) {
      return pair.first == worst || pair.second == worst;
    });
  }
  return cover;
}

}  // namespace

std::set<WorkerId> smallest_cover(const std::set<UnreachablePair>& pairs,
                                  const std::function<int(WorkerId)>& layers_held_alone) {
  const auto workers = workers_in(pairs);
  if (workers.size() > exact_max) return greedy_cover(pairs, layers_held_alone);
  return exact_cover(pairs, workers, layers_held_alone);
}

}  // namespace planaria::protocol
