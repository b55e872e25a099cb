// liveput/neighbour_losses.hpp: how likely pipelines go on whose neighbours stand in for each
// other. Private to liveput.
// Is: counting; nothing is drawn.
#pragma once

#include "liveput/loss_rows.hpp"

namespace planaria {

/// Pipelines in which each node also has the layers of the next one, the last those of the first.
struct RedundantGrid {
  int width = 0;  // pipelines
  int nodes = 0;  // of each, 2 at least
  int spare = 0;  // of each: so many nodes it may lose and keep its pace
  [[nodiscard]] int workers() const { return width * nodes; }
};

/// Returns at k the probability that no two nodes lost are neighbours and no pipeline has lost more
/// than `spare`, when k of all nodes are lost, any set as likely as any other: for one pipeline of
/// n it is n/(n-k) C(n-k, k) / C(n, k) (Kaplansky 1943); pipelines join by the hypergeometric
/// distribution. O(workers^2).
[[nodiscard]] LossRow unbroken(const RedundantGrid& grid);

}  // namespace planaria
