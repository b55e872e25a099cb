// planner/lane_moves.hpp: micro-batches shared out by exact times. Private to planner.
#pragma once

#include "planner/broad_search.hpp"

namespace planaria {

/// Returns when the pipeline's own work is done, as if nobody else's held it up: compute,
/// reductions, optimizer; infinity where it does not fit memory or has no such schedule.
[[nodiscard]] double own_end_ms(const SearchTools& tools, const PlanDraft& draft,
                                PipelineDraft pipeline);

/// Moves lanes, one at a time, from the pipeline that ends last by itself to the one that would end
/// first with one more, until that would end no sooner. Where more micro-batches never take less,
/// no other sharing lets the last of these pipelines end sooner: it would have to take a lane from
/// the one that ends last now, and give it to one that would end no sooner. Leaves a draft alone of
/// which a pipeline cannot be.
void level_lanes(const SearchTools& tools, PlanDraft& draft);

}  // namespace planaria
