// An independent check of what replan() and place_shadows() answer: it shares no code with them.
#pragma once

#include <planaria/planner/replan.hpp>

namespace planaria {

/// Returns layers by holder as a run has them: who computes or shadows in `layout`.
[[nodiscard]] LayerHolders holders_in(const Layout& layout);

/// Returns (share + depth - 1) x the largest stage, the most over the pipelines.
[[nodiscard]] double step_cost_of(const Layout& layout, const std::vector<double>& layer_costs);

/// Requires: as many holders of each layer as asked, nobody twice, and no more filled than must be.
void require_shadows(const Layout& layout, const std::vector<std::int64_t>& layer_bytes,
                     const std::vector<WorkerId>& workers, const LayerHolders& holders, int copies);

/// Requires that all of the answer is consistent with the request: pipelines, costs, transfers and
/// fills from live holders, exactly what is lacking, and the time they take.
void require_consistent(const ReplanRequest& request, const Replan& answer);

}  // namespace planaria
