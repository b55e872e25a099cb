// planner/replan.hpp: what the workers that are left compute next, and who shadows what. Floor 3,
// pure. Any thread.
// Is: a choice between repairing the pipelines there were and planning anew, by what transfers take
// now and steps take later; and the placing of shadows. Is not: a schedule of the migration beside
// training, nor roll-back: a layer that nobody holds is the caller's affair.
#pragma once

#include <cstdint>
#include <map>
#include <optional>
#include <set>
#include <string>
#include <vector>

#include <planaria/base/result.hpp>
#include <planaria/model/layout.hpp>

namespace planaria {

/// Who holds a layer's state at the run's level. A layer that is missing is held by nobody.
using LayerHolders = std::map<LayerId, std::set<WorkerId>>;

struct ReplanRequest {
  std::vector<double> layer_costs;        // as in PlanRequest
  std::vector<std::int64_t> layer_bytes;  // parameters and optimizer state, one per layer
  int micro_batches = 1;                  // as in PlanRequest
  int lane_size = 1;                      // as in PlanRequest
  std::string schedule = "1f1b";          // as in PlanRequest
  std::vector<WorkerId> workers;          // who may compute or shadow: ascending, any ids
  LayerHolders holders;                   // others than `workers` in it are ignored
  /// What was computed until now; may name workers gone. Not repaired where pipelines share
  /// workers: rerouting.hpp goes on from there, and another layout is planned anew.
  std::optional<Layout> before;
  std::optional<int> width;  // pipelines asked for, kept as far as workers allow
  std::optional<int> depth;  // stages asked for, kept as far as workers allow
  double ms_per_cost = 0;    // what one unit of step cost takes, measured; 0: unknown
  double ms_per_byte = 0;    // of a transfer
  double horizon_steps = 0;  // how many steps a transfer is weighed against
  int copies = 1;            // workers that should hold each layer, active ones too
};

/// One layer's state from a worker that holds it to one that does not.
struct Transfer {
  LayerId layer;
  WorkerId from;
  WorkerId to;
  friend auto operator<=>(const Transfer&, const Transfer&) = default;
};

struct Replan {
  Layout layout;                    // pipelines and shadows
  std::vector<Transfer> transfers;  // what active workers lack: must arrive before they compute it
  std::vector<Transfer> fills;      // what shadows lack: may arrive later
  double step_cost = 0;             // predicted, in the unit of layer_costs
  double transfer_ms = 0;           // until the last of `transfers` has arrived
  std::int64_t bytes = 0;           // of `transfers`
  std::string explanation;          // one line: what was chosen and why
};

/// Chooses the layout that costs least over the horizon: transfer_ms + horizon_steps x ms_per_cost
/// x step_cost; of equals fewest bytes, least step cost, fewest idle workers, smallest width, then
/// the lexicographically least. Step cost and shares are plan()'s. Candidates:
/// - Planned anew: what plan() makes of the workers there are. Width asked: min(width, workers)
///   pipelines, exactly the depth asked too if workers suffice for both, else spread evenly. Depth
///   alone: min(depth, workers) stages. Neither: every width, and plan()'s own choice. Also the
///   shape of before, if there are workers for every place of it. Places go to workers so that the
///   fewest bytes are transferred (exact: Hungarian method); of equals, most workers keep the place
///   they had, then the lowest ids come first.
/// - The layout before, repaired: the layers of a run of lost stages go to the stages beside it in
///   the pipeline, parted by one cut; a pipeline that is lost whole is dropped. Every combination
///   of cuts is tried where that is at most 512, else cut by cut from those of fewest bytes till no
///   single one gets better.
/// - The complete pipelines of before alone, the workers of the others idle.
///
/// A worker sends one layer at a time and receives one at a time, in the order of `transfers`;
/// different pairs run at once. Greedy: the largest layer first, from the holder with which it can
/// start first (of equals the one that is free first, then the lowest id). `fills` likewise, after
/// the transfers. `bytes` and transfer_ms leave out fills: nobody waits for those.
///
/// invalid_input: what plan() refuses, and "layer_bytes: 3, must be 4, one per layer",
/// "workers: 5 after 7, must be ascending", "copies: 0, must be at least 1", a `before` that
/// verify() refuses, times that are not finite numbers from 0. infeasible: "layers 3, 4: held by
/// none of the 2 workers there are".
/// At worst O(L^2 N log N + N^4 + candidates x L N), for N workers and L layers: N widths, each
/// with an assignment in O(N^3); most are left out, as a bound shows that they are worse than what
/// is already known. 64 workers and 128 layers: 5 to 10 ms, up to 35 ms where nearly all of the
/// state moves (which then takes far longer).
[[nodiscard]] Result<Replan> replan(const ReplanRequest& request);

/// Chooses shadows so that every layer is held by `copies` workers (all, if there are fewer), those
/// that compute it counted; nobody shadows what it computes. Ascending by worker, layers ascending.
/// - First, fewest bytes filled: whoever holds a layer is preferred to whoever does not. `holders`
///   may be empty, for a first layout: everybody can build every layer.
/// - Then stage by stage of a pipeline, its ends first: all of it to an idle worker, or parted by
///   one cut between the stages before and behind it, so that a loss is repaired by promotion
///   alone; of those ways the one that makes most bytes so repairable (some layers may have their
///   shadow already), then the one after which the shadowing workers hold the fewest bytes at most
///   (active and shadows together), idle ones before active ones at equal bytes, the cut nearest
///   the middle, then the lowest id.
/// - What they cannot take goes to the worker that holds the fewest bytes, likewise.
///
/// The n-th shadow of layers follows the n-th pipeline's stages, beginning again after the last.
/// Requires: one of layer_bytes per layer of `layout`, its workers among `workers`, ascending.
/// O(copies x L N (L + N)).
[[nodiscard]] std::vector<ShadowAssignment> place_shadows(
    const Layout& layout, const std::vector<std::int64_t>& layer_bytes,
    const std::vector<WorkerId>& workers, const LayerHolders& holders, int copies);

}  // namespace planaria
