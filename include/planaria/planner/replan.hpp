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
#include <planaria/model/cluster.hpp>
#include <planaria/model/layout.hpp>
#include <planaria/model/profile.hpp>
#include <planaria/planner/best_plan.hpp>

namespace planaria {

/// Who holds a layer's state at the run's level. A layer that is missing is held by nobody.
using LayerHolders = std::map<LayerId, std::set<WorkerId>>;

struct ReplanRequest {
  const Profile* profile = nullptr;  // required, must outlive the call
  /// Required, must outlive the call: who may compute or shadow, any ids.
  const Cluster* cluster = nullptr;
  std::vector<std::int64_t> layer_bytes;  // parameters and optimizer state, one per layer
  int micro_batches = 1;
  int micro_batch_size = 1;  // one of the profile's
  int lane_size = 1;
  std::string schedule = "1f1b";  // one of kinds_and_automatic()
  Recompute recompute = Recompute::never;
  LayerHolders holders;  // others than the cluster's workers in it are ignored
  /// What was computed until now; may name workers gone. Not repaired where pipelines share
  /// workers (rerouting.hpp goes on from there) or where the schedule has chunks.
  std::optional<Layout> before;
  std::optional<int> width;  // pipelines asked for, kept as far as workers allow
  std::optional<int> depth;  // stages asked for, kept as far as workers allow
  /// planned_anew()'s for as many workers, all alike, as the cluster has, from 0: known before it
  /// is wanted. Null: planned here.
  const Plan* best = nullptr;
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
  double step_ms = 0;               // predicted: cost_of()'s, without shadows
  double transfer_ms = 0;           // until the last of `transfers` has arrived
  std::int64_t bytes = 0;           // of `transfers`
  std::string explanation;          // one line: what was chosen and why
};

/// Returns the schedule by which best_plan() is to plan layouts for runs of `schedule`: nothing
/// (any) for "any", and for "auto", which finds its own later; 1f1b for Varuna's, whose rules for
/// recompute no plan has.
[[nodiscard]] std::optional<std::string> planned_schedule(const std::string& schedule);

/// Chooses the layout that costs least over the horizon: transfer_ms + horizon_steps x step_ms; of
/// equals fewest bytes, least step_ms, the pipelines of before, fewest idle workers, smallest
/// width, then the lexicographically least. A step is priced exactly by the cost model (plan.hpp),
/// by the schedule asked for, in 1F1B where its kind has no such shape; stages must fit their
/// workers' memory, recomputing as asked. Candidates:
/// - Planned anew: best_plan()'s for the workers there are, and of every width the workers spread
///   evenly. Width asked: min(width, workers) pipelines, of the depth asked too if workers suffice
///   for both. Depth alone: min(depth, workers) stages. Also the shape of before, if there are
///   workers for every place of it. Places go to workers so that the fewest bytes are transferred
///   (place_workers()).
/// - The layout before, repaired: the layers of a run of lost stages go to the stages beside it in
///   the pipeline, parted by one cut; a pipeline that is lost whole is dropped. The cuts of fewest
///   bytes first, then every combination where that is at most 512, else cut by cut till no single
///   one gets better; as long as the effort of simulations suffices (a few hundred thousand
///   actions, the same for the same request).
/// - The complete pipelines of before alone, the workers of the others idle.
/// Lanes are shared out anew in each, so that the pipeline that ends last ends soonest.
///
/// A worker sends one layer at a time and receives one at a time, in the order of `transfers`;
/// different pairs run at once. Greedy: the largest layer first, from the holder with which it can
/// start first (of equals the one that is free first, then the lowest id). `fills` likewise, after
/// the transfers. `bytes` and transfer_ms leave out fills: nobody waits for those.
///
/// invalid_input: what best_plan() refuses, and "layer_bytes: 3, must be 4, one per layer",
/// "copies: 0, must be at least 1", a `before` that verify() refuses, times that are not finite
/// numbers from 0. infeasible: "layers 3, 4: held by none of the 2 workers there are", or nothing
/// fits the workers' memory. With a plan known ahead, 72 layers, 512 micro-batches: 64 workers 5 to
/// 9 ms, 300 39 to 93 ms (bench_planner), the longer where steps are weighed.
[[nodiscard]] Result<Replan> replan(const ReplanRequest& request);

/// Returns best_plan()'s for the workers there are, as replan() plans anew, with no more effort
/// than somebody waits for; nothing where nothing fits. Reads neither holders nor before.
[[nodiscard]] Result<std::optional<Plan>> planned_anew(const ReplanRequest& request);

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
