// planner/plan.hpp: a plan and what it costs (plan.json). Floor 3, pure. Any thread.
// Is: the value that the planner answers, its JSON, and the cost model of docs/formats.md applied
// to it. Is not: a search (best_plan.hpp).
#pragma once

#include <cstdint>
#include <map>
#include <optional>
#include <string>
#include <vector>

#include <planaria/base/json.hpp>
#include <planaria/base/result.hpp>
#include <planaria/model/cluster.hpp>
#include <planaria/model/layout.hpp>
#include <planaria/model/profile.hpp>

namespace planaria {

struct PlannedStage {
  LayerRange layers;
  WorkerId worker;
  /// Only the stage's input is kept of a micro-batch, and the forward done again before its
  /// backward.
  bool recompute = false;
  /// Of the stage; in chunks, where a worker has several, of all of its stages together. Without
  /// what the worker shadows.
  std::int64_t peak_memory_bytes = 0;
  /// Its rank's line of the schedule's text form, where `schedule` is "auto"; else empty.
  std::string actions;
  friend bool operator==(const PlannedStage&, const PlannedStage&) = default;
};

struct PlannedPipeline {
  int micro_batches = 0;
  std::vector<PlannedStage> stages;
  friend bool operator==(const PlannedPipeline&, const PlannedPipeline&) = default;
};

/// Which pipelines, by which schedule, and what a step of them takes.
struct Plan {
  int micro_batches = 0;
  int micro_batch_size = 0;
  int lane_size = 1;
  std::string schedule;  // one of schedule_kinds(), or "auto": see PlannedStage::actions
  std::vector<PlannedPipeline> pipelines;
  std::vector<ShadowAssignment> shadows;
  std::vector<WorkerId> idle_workers;  // that neither compute nor shadow, ascending
  int survives = 0;                    // fewest holders of any layer, shadows counted, less 1
  double step_ms = 0;
  double samples_per_s = 0;     // 0 where a step takes no time
  double bound_step_ms = 0;     // no plan of what was asked takes less
  bool optimal = false;         // step_ms is the least possible
  std::int64_t candidates = 0;  // plans whose step was simulated, whole or in part
  friend bool operator==(const Plan&, const Plan&) = default;
};

/// Returns who computes and shadows what.
[[nodiscard]] Layout layout_of(const Plan& plan);
/// Writes docs/formats.md's plan but for `search`, which is the caller's: time is.
[[nodiscard]] Json to_json(const Plan& plan);
/// Reads a plan; what was computed may be missing (peaks, times, survives, idle workers, search,
/// explain). invalid_input names source and path of what is missing, unknown or out of range.
[[nodiscard]] Result<Plan> plan_from_json(const Json& json, const std::string& source);

/// What a step of a plan costs.
struct PlanCost {
  double step_ms = 0;
  /// [pipeline][stage]: as PlannedStage::peak_memory_bytes.
  std::vector<std::vector<std::int64_t>> peak_memory_bytes;
  /// By worker with a role: its stages' peak and what it shadows. Equal to the worker's memory
  /// fits.
  std::map<WorkerId, std::int64_t> memory_bytes;
  int survives = 0;
};

/// Computes what docs/formats.md's cost model says of the plan: every pipeline's schedule simulated
/// exactly, with a backward that takes its forward too where the stage recomputes; then the layers'
/// reductions, shadows and optimizers. Reads pipelines, shadows, micro_batch_size, lane_size and
/// schedule, nothing that was computed before. Memory is told, not held against the workers'.
/// invalid_input names what does not fit the profile, the cluster or the schedule:
/// "micro_batch_size: 3, must be one of 1, 2, 4". O(actions + layers x holders^2), holders^1
/// without links.
[[nodiscard]] Result<PlanCost> cost_of(const Plan& plan, const Profile& profile,
                                       const Cluster& cluster);

}  // namespace planaria
