// planner/covers.hpp: so many workers parted into pipelines of several depths. Private to planner.
#pragma once

#include <cstddef>
#include <vector>

namespace planaria {

struct Depths {
  int least = 1;
  int most = 1;
};

/// For every width, the depths of its pipelines that take most lanes together: a knapsack with as
/// many items as the width.
class Covers {
 public:
  /// `capacities`: lanes that a pipeline takes, by depth from depths.least on. At most `workers`
  /// are used. O(width_most x workers x depths).
  Covers(const Depths& depths, const std::vector<int>& capacities, int workers, int width_most);

  [[nodiscard]] int lanes(int width) const { return lanes_[at(width, workers_)]; }
  /// Returns the depths, deepest first. Requires a width that takes lanes.
  [[nodiscard]] std::vector<int> depths(int width) const;

 private:
  [[nodiscard]] std::size_t at(int width, int used) const {
    return static_cast<std::size_t>((width * (workers_ + 1)) + used);
  }
  int workers_;
  std::vector<int> lanes_;  // [width][workers]: the most
  std::vector<int> last_;   // [width][workers]: the depth taken last for it; 0: one worker idle
};

}  // namespace planaria
