#include "liveput/vanishing.hpp"

#include <algorithm>

namespace planaria {

double probability_of_hits(const Draw& draw, int hits) {
  const int others = draw.total - draw.marked;
  if (hits < 0 || hits > draw.marked || draw.drawn - hits > others || hits > draw.drawn) return 0;
  // C(marked, hits) C(others, drawn - hits) / C(total, drawn), one factor at a time: factors above
  // and below 1 in turn, so that nothing between leaves the range of a double.
  double probability = 1;
  int hit = 0;
  int missed = 0;
  for (int drawn = 0; drawn < draw.drawn; ++drawn) {
    const bool take_hit = missed >= draw.drawn - hits || (hit < hits && probability <= 1);
    double& factor = probability;
    if (take_hit) {
      factor *= static_cast<double>(draw.marked - hit) / (hit + 1);
      ++hit;
    } else {
      factor *= static_cast<double>(others - missed) / (missed + 1);
      ++missed;
    }
    factor *= static_cast<double>(drawn + 1) / (draw.total - drawn);
  }
  return probability;
}

}  // namespace planaria
