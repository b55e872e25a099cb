// planner/stage_work.hpp: what the stages of a planned pipeline take and hold. Floor 3, pure. Any
// thread.
// Is: the cost model's sums over a stage's layers, by a profile and a cluster. Is not: a price of
// the plan (plan.hpp).
#pragma once

#include <optional>
#include <vector>

#include <planaria/base/result.hpp>
#include <planaria/model/cluster.hpp>
#include <planaria/model/layout.hpp>
#include <planaria/model/profile.hpp>
#include <planaria/schedule/memory.hpp>
#include <planaria/schedule/simulate.hpp>

namespace planaria {

struct StageWork {
  StageCosts costs;    // of one micro-batch, by the worker's speed; sends by its links
  StageMemory memory;  // of one micro-batch; boundary_bytes: its input
};

/// Returns what each stage of the pipeline takes for micro-batches of
/// `profile.micro_batch_sizes[size]`, as if none recomputed. A worker may have several stages.
/// Without a cluster workers have speed 1 and the profile's transfers. invalid_input: layers of a
/// stage that the profile does not have, a worker that the cluster does not have, sums that could
/// not be counted. O(layers).
[[nodiscard]] Result<std::vector<StageWork>> stage_work(const PipelineAssignment& pipeline,
                                                        const Profile& profile, std::size_t size,
                                                        const std::optional<Cluster>& cluster);

}  // namespace planaria
