// An independent check of plans in stages: docs/formats.md's cost model applied again, and all that
// a plan promises. It shares no code with lib/planner/ or lib/schedule/.
#pragma once

#include <cstdint>
#include <map>
#include <optional>
#include <string>
#include <vector>

#include <planaria/model/cluster.hpp>
#include <planaria/model/profile.hpp>
#include <planaria/planner/best_plan.hpp>
#include <planaria/planner/plan.hpp>

namespace planaria {

struct VerifiedCost {
  double step_ms = 0;
  std::vector<std::vector<std::int64_t>> peak_memory_bytes;  // [pipeline][stage], without shadows
  std::map<WorkerId, std::int64_t> memory_bytes;  // of every worker with a role, with shadows
  int survives = 0;
};

/// Computes what a step of the plan costs, from pipelines, shadows, schedule, micro_batch_size and
/// lane_size alone. Requires a plan whose pipelines stand and whose actions can run: faults_of()
/// says so before it asks. Each worker has one stage.
[[nodiscard]] VerifiedCost verified_cost(const Plan& plan, const Profile& profile,
                                         const Cluster& cluster);

/// What was asked of a plan; nothing: any.
struct Promises {
  int micro_batches = 1;
  std::optional<int> micro_batch_size;
  std::optional<int> lane_size;
  std::optional<std::string> schedule;
  Recompute recompute = Recompute::any;
  int survive = 0;
  bool shadows = true;
  std::optional<double> min_samples_per_s;
  std::optional<int> width;
  std::optional<int> depth;
};

/// Returns a sentence for each thing in which the plan is not what it promises: layers, workers,
/// shares, actions, memory, recompute (with `any` only where the worker's memory wants it),
/// shadows, idle workers, survives, times to 1e-9, bound. What the numbers are compared with is
/// only asked once the pipelines stand: then those faults come alone.
[[nodiscard]] std::vector<std::string> faults_of(const Plan& plan, const Profile& profile,
                                                 const Cluster& cluster, const Promises& promises);

}  // namespace planaria
