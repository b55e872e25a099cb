// The best plan by trying every one, for small problems and without shadows: what the planner's
// answers are held against. It shares no code with lib/planner/ or lib/schedule/.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include <planaria/model/cluster.hpp>
#include <planaria/model/profile.hpp>
#include <planaria/planner/best_plan.hpp>
#include <planaria/planner/plan.hpp>

#include "planner/plan_verifier.hpp"

namespace planaria {

struct Problem {
  Profile profile;
  Cluster cluster;
  int micro_batches = 1;
  int micro_batch_size = 1;
  int lane_size = 1;
  std::vector<std::string> schedules;  // of gpipe, 1f1b, zb-h1, zb-h2: one for a whole plan
  Recompute recompute = Recompute::any;
  int survive = 0;     // at least survive + 1 pipelines
  std::string origin;  // how to make it again
};

/// Returns what a plan for the problem must promise, without shadows; its schedule where there is
/// one alone.
[[nodiscard]] Promises promises_of(const Problem& problem);

struct BruteForceOptions {
  /// Workers that are alike in all that counts stand for each other: fewer plans, the same answer.
  bool alike_as_one = true;
  /// With Recompute::any tries every set of recomputing stages, not only the least that fits.
  bool every_recompute = false;
};

struct BruteForceAnswer {
  double step_ms = 0;
  Plan plan;               // one of those that take step_ms, every field filled
  std::int64_t plans = 0;  // whose reductions were played
};

/// Returns the least step_ms of any plan: every set of pipelines over any of the workers in any
/// order, every partition of the layers, every division of the lanes, every schedule; nothing where
/// none fits. Exponential: 7 layers on 5 workers with 8 micro-batches take about a second.
[[nodiscard]] std::optional<BruteForceAnswer> brute_force(const Problem& problem,
                                                          const BruteForceOptions& options = {});

}  // namespace planaria
