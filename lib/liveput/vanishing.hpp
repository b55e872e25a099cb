// liveput/vanishing.hpp: which workers vanish, as counts. Private to liveput.
#pragma once

namespace planaria {

/// Some of a whole, and how many are drawn from it without putting back.
struct Draw {
  int total = 0;
  int marked = 0;
  int drawn = 0;
};

/// Returns the probability that of the drawn exactly `hits` are marked (hypergeometric). O(1).
[[nodiscard]] double probability_of_hits(const Draw& draw, int hits);

}  // namespace planaria
