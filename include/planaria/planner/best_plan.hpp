// planner/best_plan.hpp: the best pipelines for any machines. Floor 3, pure. Any thread.
// Is: pipelines, partition, shares, schedule, recompute, lane and micro-batch size chosen together
// under the cost model of docs/formats.md, memory a hard limit, with a proven bound. Is not: a
// measurement (`planaria profile`), nor a migration from another layout (replan.hpp).
#pragma once

#include <cstdint>
#include <functional>
#include <optional>
#include <string>
#include <vector>

#include <planaria/base/result.hpp>
#include <planaria/model/cluster.hpp>
#include <planaria/model/profile.hpp>
#include <planaria/planner/plan.hpp>

namespace planaria {

/// Memory of a worker that no model fills, and sums of which can be counted.
inline constexpr std::int64_t memory_without_limit = 1'000'000'000'000'000;

/// Which stages keep their input alone and compute forward again.
enum class Recompute {
  never,
  always,
  any,  // those that do not fit otherwise
};

struct BestPlanRequest {
  const Profile* profile = nullptr;  // required, must outlive the call
  const Cluster* cluster = nullptr;  // required, must outlive the call
  int micro_batches = 1;
  std::optional<int> micro_batch_size;  // nothing: the one of most samples per second
  std::optional<int> lane_size = 1;     // nothing: chosen
  std::optional<std::string> schedule;  // nothing: gpipe, 1f1b, zb-h1, zb-h2 or auto
  Recompute recompute = Recompute::any;
  /// Any so many workers may be lost, and every layer still has a holder.
  int survive = 0;
  bool shadows = true;  // whether workers may shadow layers, where `survive` wants more holders
  std::optional<double> min_samples_per_s;
  std::optional<int> width;  // pipelines; nothing: chosen
  std::optional<int> depth;  // stages of each; nothing: chosen
  /// Whether to say, for every family of plans (a schedule, a width), what it costs or why not.
  bool explain = false;
  /// Partial plans that all proofs together may look at: more of them, more proven to be optimal.
  std::int64_t proof_effort_max = 2'000'000;
  /// Asked between moves of what may go on for ever (schedules of their own for the pipelines,
  /// where `schedule` allows "auto"), with the part of all its time that may have been used by
  /// then. Empty: that is left out where a named schedule will do. Same request and as many moves:
  /// same answer.
  std::function<bool(double part)> keep_going;
};

struct BestPlan {
  Plan plan;
  /// Why this one, what the next best families cost and why others cannot be, and what more memory
  /// or faster links would change: a sentence each.
  std::vector<std::string> explanation;
};

/// Chooses the plan of least step_ms, or of most samples per second where the micro-batch size is
/// chosen too. Where the effort of a proof suffices (docs/planner.md) it is the best there is, and
/// `optimal`; else the best found, with bound_step_ms to say how far off it may be.
/// invalid_input: what cannot be asked. infeasible: nothing fits, and the smallest change that
/// would.
[[nodiscard]] Result<BestPlan> best_plan(const BestPlanRequest& request);

/// Returns the same, whatever throughput is asked for, or nothing where nothing fits: what would is
/// not looked for. For who asks often.
[[nodiscard]] Result<std::optional<BestPlan>> best_plan_if_any(const BestPlanRequest& request);

/// Returns how near the plan is to the least possible step, as the end of a sentence: ", the least
/// possible" or ", at most 3.1 % above the least possible (bound 401 ms)"; empty where no bound is
/// known.
[[nodiscard]] std::string text_of_gap(const Plan& plan);

}  // namespace planaria
