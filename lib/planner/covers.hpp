// planner/covers.hpp: so many workers parted into pipelines of several depths. Private to planner.
#pragma once

#include <cstddef>
#include <vector>

namespace planaria {

struct Depths {
  int least = 1;
  int most = 1;
  [[nodiscard]] int count() const { return most - least + 1; }
};

/// For every width, the depths of its pipelines that take most lanes together: a knapsack with as
/// many items as the width.
class Covers {
 public:
  /// `capacities`: lanes that a pipeline takes, by depth from depths.least on; none of a depth that
  /// takes none. At most `workers` are used. O(width_most x workers x depths).
  Covers(const Depths& depths, std::vector<int> capacities, int workers, int width_most);

  /// Below 0 where so many pipelines are not to be had.
  [[nodiscard]] int lanes(int width) const { return row(width)[workers_]; }
  /// Returns the depths, deepest first, of a cover that takes so many lanes: of those the one with
  /// the deepest pipelines, so that few workers are idle. Requires a width that takes lanes.
  [[nodiscard]] std::vector<int> depths(int width) const;

 private:
  /// Whether of `width` pipelines of `used` workers one may have this depth.
  [[nodiscard]] bool takes(int width, int used, int depth) const;
  [[nodiscard]] const int* row(int width) const {
    return lanes_.data() + (static_cast<std::ptrdiff_t>(width) * (workers_ + 1));
  }
  Depths depths_;
  std::vector<int> capacities_;  // [depth - least]
  int workers_;
  std::vector<int> lanes_;  // [width][workers]: the most
};

}  // namespace planaria
