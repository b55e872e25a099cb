#include "planner/covers.hpp"

#include <algorithm>
#include <functional>

namespace planaria {

Covers::Covers(const Depths& depths, const std::vector<int>& capacities, int workers,
               int width_most)
    : workers_(workers),
      lanes_(static_cast<std::size_t>((width_most + 1) * (workers + 1)), 0),
      last_(lanes_.size(), 0) {
  for (int width = 1; width <= width_most; ++width) {
    for (int used = width * depths.least; used <= workers; ++used) {
      lanes_[at(width, used)] = lanes_[at(width, used - 1)];
      for (int depth = depths.least; depth <= std::min(depths.most, used); ++depth) {
        if (used - depth < (width - 1) * depths.least) break;
        const int together = lanes_[at(width - 1, used - depth)] +
                             capacities[static_cast<std::size_t>(depth - depths.least)];
        if (together <= lanes_[at(width, used)]) continue;
        lanes_[at(width, used)] = together;
        last_[at(width, used)] = depth;
      }
    }
  }
}

std::vector<int> Covers::depths(int width) const {
  std::vector<int> depths;
  for (int used = workers_; width > 0 && used > 0;) {
    const int depth = last_[at(width, used)];
    if (depth == 0) {
      --used;
      continue;
    }
    depths.push_back(depth);
    used -= depth;
    --width;
  }
  std::ranges::sort(depths, std::greater<>());
  return depths;
}

}  // namespace planaria
