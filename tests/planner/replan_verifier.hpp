// An independent check of what replan() and place_shadows() answer: it shares no code with them.
#pragma once

#include <string>
#include <vector>

#include <planaria/planner/best_plan.hpp>
#include <planaria/planner/replan.hpp>

namespace planaria {

/// A request by costs of layers and ids of workers alike, of which profile and cluster are made.
struct ReplanCase : ReplanRequest {
  std::vector<double> layer_costs;
  std::vector<WorkerId> workers;
  std::int64_t memory_bytes = memory_without_limit;
};
[[nodiscard]] Profile profile_of(const ReplanCase& request);
[[nodiscard]] Cluster cluster_of(const ReplanCase& request);
[[nodiscard]] Result<Replan> replan(const ReplanCase& request);
/// Returns what planned_anew() makes of it, with the case's own workers.
[[nodiscard]] Layout anew(const ReplanCase& request);

/// Returns layers by holder as a run has them: who computes or shadows in `layout`.
[[nodiscard]] LayerHolders holders_in(const Layout& layout);

/// Returns what a step takes in 1F1B, by the verifier of plans: layers by costs alone.
[[nodiscard]] double step_ms_of(const Layout& layout, const std::vector<double>& layer_costs);
[[nodiscard]] double step_ms_of(const PipelineAssignment& pipeline,
                                const std::vector<double>& layer_costs);

/// Requires: as many holders of each layer as asked, nobody twice, and no more filled than must be.
void require_shadows(const Layout& layout, const std::vector<std::int64_t>& layer_bytes,
                     const std::vector<WorkerId>& workers, const LayerHolders& holders, int copies);

/// Requires that all of the answer is consistent with the request: pipelines, costs, transfers and
/// fills from live holders, exactly what is lacking, and the time they take.
void require_consistent(const ReplanCase& request, const Replan& answer);

}  // namespace planaria
