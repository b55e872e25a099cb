// liveput/components.hpp: holders taken apart into parts that share no worker. Private.
#pragma once

#include <compare>
#include <map>
#include <vector>

namespace planaria {

/// Workers that hold the same sets of layers.
struct HolderClass {
  std::vector<int> sets;  // ascending
  int workers = 0;
  friend auto operator<=>(const HolderClass&, const HolderClass&) = default;
};

/// Sets of layers that hang together by the workers that hold them. Equal ones have equal
/// probabilities.
struct Component {
  int sets = 0;
  std::vector<HolderClass> classes;  // by their sets, ascending
  [[nodiscard]] int workers() const;
  /// The holders of each set.
  [[nodiscard]] std::vector<int> holders_of_sets() const;
  friend auto operator<=>(const Component&, const Component&) = default;
};

/// How many of each component there are. A set that has all holders of another one is left out:
/// where that one keeps enough of them, so does this. `holder_sets` are ascending, in the layers'
/// order, of ids 0 to workers-1; `workers` who is in no component is idle.
[[nodiscard]] std::map<Component, int> components_of(
    const std::vector<std::vector<int>>& holder_sets, int workers);

}  // namespace planaria
