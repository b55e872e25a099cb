// planner/placement.hpp: which worker takes which place of a plan. Floor 3, pure. Any thread.
// Is: the exchange of workers that no price tells apart, so that the fewest bytes move. Is not: a
// choice of who is whose neighbour (best_plan.hpp, where links make a difference).
#pragma once

#include <cstdint>
#include <map>
#include <vector>

#include <planaria/base/result.hpp>
#include <planaria/model/cluster.hpp>
#include <planaria/planner/replan.hpp>

namespace planaria {

struct PlacementRequest {
  const Layout* places = nullptr;         // required; its workers stand for places
  std::vector<std::int64_t> layer_bytes;  // parameters and optimizer state, one per layer
  const LayerHolders* holders = nullptr;  // required; others than `workers` in it are ignored
  std::vector<WorkerId> workers;          // who may take a place: ascending, at least as many
  const Layout* before = nullptr;         // who stood where until now, if anybody
  /// Null: all workers are alike. Else `places` names workers of it, and a place goes to a worker
  /// of the same speed, memory and zone, and of the same host where that has several.
  const Cluster* cluster = nullptr;
};

struct WorkerPlacement {
  std::map<WorkerId, WorkerId> worker_of;  // by the place's worker in `places`
  std::int64_t bytes = 0;                  // of layers that workers compute or shadow and lack
};

/// Gives every worker in `places` one of `workers`, all different, so that the fewest bytes are
/// lacking: exact, as a transportation problem between places and workers of a kind (Hitchcock
/// 1941). Of equals, workers keep the place in `before` that they had (as far as the kinds chosen
/// allow it), then the lowest take the first. invalid_input: "workers: 5 after 7, must be
/// ascending", "workers: 3, must be at least 4, the places there are", a worker or place that the
/// cluster does not have, layers without a size. infeasible: too few workers of some kind. With P
/// kinds of places and W of workers O(layers x (holders + P x W)) and a transport over P rows and W
/// columns.
[[nodiscard]] Result<WorkerPlacement> place_workers(const PlacementRequest& request);

}  // namespace planaria
