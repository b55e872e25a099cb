// planner/plan_bound.hpp: what no plan can beat. Private to planner.
#pragma once

#include "planner/broad_search.hpp"

namespace planaria {

/// Returns a time that every plan within the limits takes at least, whatever its cuts, shares,
/// memory and order of actions; at most `step_ms`, which some plan takes. Two arguments, the better
/// counts:
/// - Work: in a step's time all workers together do all compute, and each pipeline its optimizers
///   and reductions.
/// - Capacity: a pipeline of S of the fastest workers takes, till a time, at most so many
///   micro-batches that some cut lets every stage end in time, that stage waiting for the first
///   micro-batch to come down to it first (with a fused backward: for the last to go up after it).
///   Pipelines that together take all must be among the workers (a knapsack). Not for schedules in
///   chunks.
///
/// How often a gradient is transferred grows with the width: widths are taken in ranges, each by
/// its least. Within a thousandth of the best that the arguments give. O(layers x log(layers) x
/// log(micro-batches) + workers x layers) times about 20.
[[nodiscard]] double plan_bound_ms(const SearchTools& tools, const SearchLimits& limits,
                                   double step_ms);

}  // namespace planaria
