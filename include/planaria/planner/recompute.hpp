// planner/recompute.hpp: which ranks of a pipeline compute their forwards again. Floor 3, pure.
// Is: the planner's rule of recompute, for a schedule that is there. Is not: the schedule with it
// (schedule/builders.hpp, with_recompute()).
#pragma once

#include <optional>
#include <string>
#include <vector>

#include <planaria/base/result.hpp>
#include <planaria/model/cluster.hpp>
#include <planaria/model/layout.hpp>
#include <planaria/model/profile.hpp>
#include <planaria/planner/best_plan.hpp>
#include <planaria/schedule/actions.hpp>

namespace planaria {

/// "never", "always" or "any".
[[nodiscard]] std::string name_of(Recompute recompute);
/// Returns what has that name, or nothing.
[[nodiscard]] std::optional<Recompute> recompute_named(const std::string& name);

struct RecomputeRequest {
  const Profile* profile = nullptr;  // required
  const Cluster* cluster = nullptr;  // required: of the pipeline's workers
  int micro_batch_size = 1;          // one of the profile's
  int lane_size = 1;
  Recompute recompute = Recompute::any;
  std::vector<ShadowAssignment> shadows = {};  // what workers hold beside; others' are ignored
};

/// Returns the ranks of the pipeline that recompute, ascending: none, all, or, of any, those that
/// would hold more than their worker's memory by the cost model (plan.hpp), with what it shadows.
/// Requires a schedule of as many stages, whose ranks recompute nothing. invalid_input: a size that
/// the profile does not have. O(actions).
[[nodiscard]] Result<std::vector<int>> recomputing_ranks(const PipelineAssignment& pipeline,
                                                         const Schedule& schedule,
                                                         const RecomputeRequest& request);

}  // namespace planaria
