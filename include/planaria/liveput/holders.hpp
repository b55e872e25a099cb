// liveput/holders.hpp: whose loss takes which layers. Floor 4, pure.
// Is: for each set of layers that are alike, the workers that hold them. Is not: who computes what
// (model/layout.hpp), nor how likely a loss is (survival.hpp). No state, any thread.
#pragma once

#include <vector>

#include <planaria/base/ids.hpp>
#include <planaria/base/result.hpp>
#include <planaria/model/layout.hpp>

namespace planaria {

/// Who computes or shadows each layer; whoever holds nothing is idle. Layers with the same holders
/// may stand once.
struct Holders {
  int workers = 0;                               // ids 0 to workers-1
  std::vector<std::vector<WorkerId>> of_layers;  // each ascending, at least one
  friend bool operator==(const Holders&, const Holders&) = default;
};

/// `width` pipelines of `depth` stages: worker i*depth+s is stage s of pipeline i, those behind are
/// idle.
struct GridShape {
  int workers = 0;
  int width = 0;
  int depth = 0;
};

/// Returns a set of holders for each stage. Requires a width and a depth of at least 1 that
/// `workers` suffice for. O(workers).
[[nodiscard]] Holders grid_holders(const GridShape& grid);
/// Returns a set of holders for each run of layers between two cuts of whatever pipeline, shadows
/// too; who holds nothing of ids 0 to workers-1 is idle. invalid_input where the layout is none,
/// "pipelines[1].stages[0].worker: 7, must be 0 to 3"; exhausted beyond 20 million runs x
/// pipelines.
[[nodiscard]] Result<Holders> holders_of(const Layout& layout, int workers);
/// Returns the holders of the layer that has the fewest. Requires a layer.
[[nodiscard]] int fewest_holders(const Holders& holders);

}  // namespace planaria
