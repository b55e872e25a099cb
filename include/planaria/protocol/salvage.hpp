// protocol/salvage.hpp: what a step that begins again need not compute. Floor 5, pure.
// Is: which finished sums are used, which lanes each pipeline computes for the rest, and what that
// asks of each worker; one rule for coordinator, workers and simulation (PROTOCOL 5). Is not: sums.
#pragma once

#include <map>
#include <optional>
#include <set>
#include <vector>

#include <planaria/base/ids.hpp>
#include <planaria/model/lanes.hpp>
#include <planaria/model/layout.hpp>
#include <planaria/protocol/messages.hpp>

namespace planaria::protocol {

/// What belongs to a step beside gradients: pure values, whoever computed them.
struct StepNotes {
  std::map<MicroBatchId, double> losses;
  std::map<MicroBatchId, std::uint64_t> read;      // hashes of the bytes
  std::map<MicroBatchId, std::uint64_t> labelled;  // hashes of the bytes

  /// Takes over what is not there yet.
  void add(const StepNotes& others);
};
/// Returns what a worker tells of `step`.
[[nodiscard]] Salvaged salvaged(Step step, std::vector<LayerSum> sums, const StepNotes& notes);
/// Returns what a worker has told beside sums.
[[nodiscard]] StepNotes notes_of(const Salvaged& salvaged);

/// By who has them.
using FinishedSums = std::map<WorkerId, std::vector<LayerSum>>;

/// Chooses disjoint sums, the largest first and of equals the lowest worker's, and shares the lanes
/// that are to be computed out to the pipelines by their shares of a whole step; schedules are left
/// empty. A sum counts where its worker computes the layer in `layout`; of the first layer where
/// all it covers was read, of the last where its losses and labels are known. Nothing where no sum
/// counts. O(layers x lanes + sums log sums).
[[nodiscard]] std::optional<Salvage> plan_salvage(const Layout& layout, const LaneTree& tree,
                                                  int layers, const FinishedSums& finished,
                                                  const StepNotes& notes);

/// Who computes what of a step, whole or begun again.
///
/// A lane that is computed is forwarded by every stage. Backward goes down to the lowest layer that
/// has no sum over it; layers on the way that have one discard their own weight gradients.
class StepWork {
 public:
  StepWork(Layout layout, LaneTree tree, std::optional<Salvage> salvage);

  /// The lanes that a pipeline computes, ascending.
  [[nodiscard]] const std::vector<LaneId>& lanes_of(int pipeline) const {
    return lanes_.at(static_cast<std::size_t>(pipeline));
  }
  /// Their micro-batches, ascending: the schedule's number i is the i-th. Where pipelines run as
  /// one (joined_with), one pipeline's come behind another's.
  [[nodiscard]] std::vector<MicroBatchId> micro_batches_of(int pipeline) const;
  /// The pipeline that computes the micro-batch. Requires that one does.
  [[nodiscard]] int pipeline_of(MicroBatchId micro_batch) const;
  /// The lanes that a worker computes, of all its pipelines, ascending; and their micro-batches.
  [[nodiscard]] std::vector<LaneId> lanes_of(WorkerId worker) const;
  [[nodiscard]] std::vector<MicroBatchId> micro_batches_of(WorkerId worker) const;
  /// Whether the layer's gradient over the lane is computed: no finished sum has it.
  [[nodiscard]] bool needs(LayerId layer, LaneId lane) const;
  /// The lowest layer that needs a lane that is computed: so far down backward goes.
  [[nodiscard]] LayerId lowest_needed(LaneId lane) const;
  [[nodiscard]] LayerId lowest_needed(MicroBatchId micro_batch) const;
  /// The finished sums of `layer` that are used and `worker`'s, ascending.
  [[nodiscard]] std::vector<TreeNode> finished(LayerId layer, WorkerId worker) const;
  /// What `worker` has of the layer once it has computed its lanes and added all it may on its own,
  /// ascending. Requires that it computes the layer.
  [[nodiscard]] std::vector<TreeNode> contributed(LayerId layer, WorkerId worker) const;
  /// The micro-batches under these, ascending.
  [[nodiscard]] std::vector<MicroBatchId> contributed_micro_batches(LayerId layer,
                                                                    WorkerId worker) const;

 private:
  [[nodiscard]] std::vector<MicroBatchId> under(const std::vector<LaneId>& lanes) const;

  Layout layout_;
  LaneTree tree_;
  std::optional<Salvage> salvage_;
  std::vector<std::vector<LaneId>> lanes_;  // by pipeline
  std::map<LaneId, int> pipeline_of_;
  std::map<LayerId, std::set<LaneId>> done_;  // lanes under finished sums
};

}  // namespace planaria::protocol
