// planner/partition.hpp: layers onto the workers of one pipeline so that the slowest is fast.
// Private to planner. Is: the least period under memory, for workers in a given order. Is not: exact
// where fill and drain of the pipeline matter (the search refines it by simulation).
#pragma once

#include <cstdint>
#include <optional>
#include <vector>

#include <planaria/planner/best_plan.hpp>

#include "planner/layer_sums.hpp"
#include "planner/pipeline_times.hpp"
#include "planner/rounds.hpp"
#include "planner/schedule_shelf.hpp"

namespace planaria {

struct PartitionRequest {
  std::vector<int> workers;  // by stage, indices; in chunks one stands several times
  const std::vector<HeldMost>* held = nullptr;  // required: what the stages hold at most, by stage
  RoundRule rounds;                             // of the schedule
  int micro_batches = 1;
  int lanes = 1;
  double reductions = 0;  // transfers of each gradient: reduction_transfers()
  Recompute recompute = Recompute::never;
  std::vector<std::int64_t> memory_bytes;  // [stage]: what there is for it
};

/// Cuts the layers so that the largest of the stages' (compute of all micro-batches + optimizer) /
/// speed + reductions is least, to a hundred-thousandth, each stage within its memory; rounds over
/// several stages count with what their stages take on average, and with the links between. A stage
/// recomputes as asked, or where it does not fit otherwise. Nothing where no cut fits: a stage of
/// fewer layers is taken to need no more memory. O(stages log(layers)).
[[nodiscard]] std::optional<std::vector<StageDraft>> balanced_partition(
    const CostTerms& terms, const LayerSums& sums, const PartitionRequest& request);

}  // namespace planaria
