// schedule/simulate.hpp: when every action of a schedule starts and ends. Floor 2, pure.
// Is: exact simulation under the cost model of docs/formats.md: a rank runs its actions in order,
// each as early as its inputs are there; sends run beside compute, any number at once or a limited
// one; a hand-over within a rank is free. Is not: a check that the schedule is a whole step
// (validate()), nor memory (memory.hpp).
#pragma once

#include <cstdint>
#include <optional>
#include <vector>

#include <planaria/base/result.hpp>
#include <planaria/schedule/actions.hpp>

namespace planaria {

/// What one stage's actions cost (of one chunk, where a rank has several). All finite, at least 0.
struct StageCosts {
  double forward_ms = 0;          // F, and R
  double backward_input_ms = 0;   // B
  double backward_weight_ms = 0;  // W; the fused G takes both
  double send_ms = 0;             // from this stage to the one behind, and to the one before
  /// From this stage to the one before, where that link differs.
  std::optional<double> send_back_ms = {};
  friend bool operator==(const StageCosts&, const StageCosts&) = default;
};

/// Measured spread of durations: each action's and each send's is multiplied by one of these,
/// drawn with equal probability by (seed, rank, position). Empty: no spread. All finite, above 0.
struct Jitter {
  std::vector<double> compute;
  std::vector<double> send;
  std::uint64_t seed = 0;
};

struct SimulationOptions {
  /// Sends of one rank at once, both directions together, first come first served; a send that
  /// waits holds up no compute. 0: any number.
  int sends_in_flight = 0;
  /// How long an overlapped pair takes; empty: the sum of both. At least the longer of any pair's.
  std::optional<double> overlapped_ms = {};
  /// Whether R waits for its micro-batch's gradient too (Varuna's simulator).
  bool recompute_after_gradient = false;
  const Jitter* jitter = nullptr;
  /// Durations by [rank][position], measured ones, in place of the costs of compute (a pair's is
  /// the first one's); nothing: by costs.
  const std::vector<std::vector<double>>* durations_ms = nullptr;
};

/// One action on the common clock, which starts at 0. Both parts of an overlapped pair have the
/// same times.
struct SimulatedAction {
  double start_ms = 0;
  double end_ms = 0;
  friend bool operator==(const SimulatedAction&, const SimulatedAction&) = default;
};

struct SimulatedRank {
  std::vector<SimulatedAction> actions;  // in the schedule's order
  double span_ms = 0;                    // from its first start to its last end
  double busy_ms = 0;                    // sum of its actions
  /// Most micro-batches (chunks of them, where a rank has several) between the start of F and the
  /// end of B or G.
  int peak_in_flight = 0;
};

struct SimulatedSchedule {
  std::vector<SimulatedRank> ranks;
  double makespan_ms = 0;  // the last end of all
  double largest_span_ms = 0;
  /// 1 - sum of busy time / (ranks with actions x largest span); 0 where nothing takes time.
  double bubble_rate = 0;
};

/// Simulates; `costs` are by stage (Schedule::stage_of), so that ranks may be uneven. F waits for
/// the F of the stage before, B and G for the B or G of the stage behind, W for its own B, R for
/// its own F; each also for the action before it on its rank. invalid_input names costs that do not
/// fit; infeasible names a rank that would wait for ever, and for what. O(actions), times
/// sends_in_flight where that is set.
[[nodiscard]] Result<SimulatedSchedule> simulate(const Schedule& schedule,
                                                 const std::vector<StageCosts>& costs,
                                                 const SimulationOptions& options = {});

/// Returns what an action of `kind` takes by its stage's costs.
[[nodiscard]] double duration_ms(ActionKind kind, const StageCosts& costs);

}  // namespace planaria
