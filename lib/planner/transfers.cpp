#include "planner/transfers.hpp"

#include <algorithm>
#include <optional>
#include <utility>

#include <planaria/base/check.hpp>

namespace planaria {

TransferQueue::TransferQueue(const Holdings& holdings)
    : holdings_(holdings),
      sends_until_(static_cast<std::size_t>(holdings.workers()), 0),
      receives_until_(static_cast<std::size_t>(holdings.workers()), 0) {}

std::vector<Transfer> TransferQueue::put(const std::vector<Need>& needs) {
  std::vector<std::vector<int>> receivers(static_cast<std::size_t>(holdings_.layers()));
  for (const Need& need : needs) {
    receivers[static_cast<std::size_t>(need.layer)].push_back(need.worker);
  }
  std::vector<Transfer> transfers;
  transfers.reserve(needs.size());
  for (const int layer : holdings_.largest_first()) {
    auto& workers = receivers[static_cast<std::size_t>(layer)];
    std::sort(workers.begin(), workers.end());
    for (const int worker : workers) transfers.push_back(put(layer, worker));
  }
  return transfers;
}

Transfer TransferQueue::put(int layer, int worker) {
  std::int64_t& receives_until = receives_until_[static_cast<std::size_t>(worker)];
  using Rank = std::pair<std::int64_t, std::int64_t>;  // could start, free
  std::optional<Rank> best;
  int from = 0;
  for (const int source : holdings_.holders_of(layer)) {
    const std::int64_t free = sends_until_[static_cast<std::size_t>(source)];
    const Rank rank{std::max(free, receives_until), free};
    if (best && *best <= rank) continue;
    best = rank;
    from = source;
  }
  check(best.has_value(), "a layer that must be sent has a holder");
  const std::int64_t end = best->first + holdings_.bytes_of(layer);
  sends_until_[static_cast<std::size_t>(from)] = receives_until = end;
  end_ = std::max(end_, end);
  return {LayerId{layer}, holdings_.id_of(from), holdings_.id_of(worker)};
}

}  // namespace planaria
