#include "planner/transfers.hpp"

#include <algorithm>
#include <tuple>

#include <planaria/base/check.hpp>

namespace planaria {

TransferQueue::TransferQueue(const Holdings& holdings)
    : holdings_(holdings),
      sends_until_(static_cast<std::size_t>(holdings.workers()), 0),
      receives_until_(static_cast<std::size_t>(holdings.workers()), 0) {}

std::vector<Transfer> TransferQueue::put(std::vector<Need> needs) {
  std::sort(needs.begin(), needs.end(), [this](const Need& a, const Need& b) {
    return std::tuple(-holdings_.bytes_of(a.layer), a.layer, a.worker) <
           std::tuple(-holdings_.bytes_of(b.layer), b.layer, b.worker);
  });
  std::vector<Transfer> transfers;
  for (const Need& need : needs) {
    std::int64_t& receives_until = receives_until_[static_cast<std::size_t>(need.worker)];
    const auto rank = [&](int source) {
      const std::int64_t free = sends_until_[static_cast<std::size_t>(source)];
      return std::tuple(std::max(free, receives_until), free);
    };
    int from = -1;
    for (int source = 0; source < holdings_.workers(); ++source) {
      if (!holdings_.holds(source, need.layer)) continue;
      if (from < 0 || rank(source) < rank(from)) from = source;
    }
    check(from >= 0, "a layer that must be sent has a holder");
    const std::int64_t end = std::get<0>(rank(from)) + holdings_.bytes_of(need.layer);
    sends_until_[static_cast<std::size_t>(from)] = receives_until = end;
    end_ = std::max(end_, end);
    transfers.push_back({LayerId{need.layer}, holdings_.id_of(from), holdings_.id_of(need.worker)});
  }
  return transfers;
}

}  // namespace planaria
