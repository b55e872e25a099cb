#include "liveput/neighbour_losses.hpp"

#include <algorithm>

namespace planaria {

LossRow unbroken(const RedundantGrid& grid) {
  LossRow row;
  for (int lost = 0; lost <= std::min(grid.spare, grid.nodes / 2); ++lost) {
    double probability = static_cast<double>(grid.nodes) / (grid.nodes - lost);
    for (int i = 0; i < lost; ++i) {
      probability *= static_cast<double>(grid.nodes - lost - i) / (grid.nodes - i);
    }
    row.push_back(probability);
  }
  return repeated({grid.nodes, {row}}, grid.width, grid.workers()).rows.front();
}

}  // namespace planaria
