// planner/planner.hpp: which pipelines for these workers. Floor 3, pure.
// Is: the simple planner: width, depth, partition and shares by estimated times. Is not: priced by
// memory or bandwidth yet. Its answers are checked by model/layout.hpp's verify(), no shared code.
#pragma once

#include <optional>
#include <string>
#include <vector>

#include <planaria/base/result.hpp>
#include <planaria/model/layout.hpp>

namespace planaria {

struct PlanRequest {
  std::vector<double> layer_costs;  // one per layer, F+B of a micro-batch, any one unit, each >= 0
  int micro_batches = 1;
  int lane_size = 1;
  int workers = 1;           // ids 0 to workers-1
  std::optional<int> width;  // pipelines; nothing: chosen
  std::optional<int> depth;  // stages of each; nothing: chosen
  std::string schedule = "1f1b";
};

struct PlanAnswer {
  Layout layout;
  std::vector<WorkerId> idle_workers;
  double step_cost = 0;     // predicted, in the unit of layer_costs
  std::string explanation;  // one line: what was chosen and why
};

/// Splits layers into `stages` contiguous ranges so that the largest sum of costs is least; of
/// equals the one whose sums are lexicographically least. Exact, dynamic programming, O(L^2 S).
/// Requires 1 <= stages <= layers.
[[nodiscard]] std::vector<LayerRange> balance(const std::vector<double>& layer_costs, int stages);

/// Chooses pipelines (depths may differ by one, the deepest first), partition and shares, in whole
/// lanes. Workers are numbered along the pipelines. A step costs the most over the pipelines of
/// (share of micro-batches + depth - 1) x the largest stage; of equals the one with fewest idle
/// workers, then the smallest width (least gradient traffic), then the earlier pipelines get more.
/// Width and depth given: exactly those, other workers idle. Width alone: as many workers as layers
/// allow, spread evenly over the pipelines (7 workers, width 3: depths 3, 2, 2). Depth alone: the
/// width is chosen. Neither: both are, and workers that would make the step slower stay idle.
/// O(L^2 S + W^2 x lanes log W) at worst for W workers. invalid_input where what was
/// asked cannot be: "depth: 12, must be at most 10, the number of layers", "width: 9, must be at
/// most 8, the number of lanes", "width x depth: 2 x 4 = 8, must be at most 5, the number of
/// workers". Any number of workers from 1 gives an answer; those that cannot help are idle.
[[nodiscard]] Result<PlanAnswer> plan(const PlanRequest& request);

}  // namespace planaria
