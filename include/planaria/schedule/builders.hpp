// schedule/builders.hpp: the schedules of the field, one builder each. Floor 2, pure.
// Is: fixed rules, whatever the costs, but for Varuna's, which looks at the time. Is not: a search
// (automatic.hpp), nor schedules around dead workers (degraded.hpp).
#pragma once

#include <string>
#include <vector>

#include <planaria/base/result.hpp>
#include <planaria/schedule/actions.hpp>
#include <planaria/schedule/simulate.hpp>

namespace planaria {

struct PipelineShape {
  int stages = 1;         // p: ranks of the pipeline, at least 1
  int micro_batches = 1;  // m, at least 1
};

/// GPipe (Huang et al., 2019): all forwards, then all fused backwards, both in index order; with
/// chunks, chunk by chunk, backwards from the last. Every placement and shape.
[[nodiscard]] Schedule gpipe(PipelineShape shape, Placement placement = Placement::single,
                             int chunks = 1);
/// 1F1B (PipeDream-Flush, Narayanan et al., 2021): rank r runs p-r-1 forwards, then forward and
/// backward in turn, then the remaining backwards. Peak in flight: min(p-r, m).
[[nodiscard]] Schedule one_forward_one_backward(PipelineShape shape);
/// Interleaved 1F1B (Narayanan et al., 2021) of `chunks` chunks a rank in loop placement: forwards
/// in groups of p micro-batches per chunk. Requires that p divides m.
[[nodiscard]] Schedule interleaved(PipelineShape shape, int chunks);

/// ZB-H1 (Qi et al., 2023): 1F1B's memory, bubble (p-1)(F+B-W).
[[nodiscard]] Schedule zero_bubble_h1(PipelineShape shape);
/// ZB-H2: about twice 1F1B's memory, bubble (p-1)(F+B-2W) where m >= 2p-1 and F+B >= 2W.
[[nodiscard]] Schedule zero_bubble_h2(PipelineShape shape);
/// ZB-V (Qi et al., 2024): two chunks a rank in v placement, no bubble where F=B=W, in 1F1B's
/// memory.
[[nodiscard]] Schedule zero_bubble_v(PipelineShape shape);
/// V-Half and V-Min (Qi et al., 2024, "Pipeline Parallelism with Controllable Memory"): v placement
/// in about a half and a third of 1F1B's memory. O(p m^2) at worst.
[[nodiscard]] Schedule v_half(PipelineShape shape);
[[nodiscard]] Schedule v_min(PipelineShape shape);
/// DualPipeV (DeepSeek, 2025): v placement, a forward and a backward overlapped in the steady
/// phase. Requires m >= 2p.
[[nodiscard]] Schedule dualpipe_v(PipelineShape shape);

/// Varuna (Athlur et al., 2022): a list schedule in unit times with priority backward > recompute >
/// forward, from which a rank deviates at run time: where a recompute is next, its gradient has
/// not arrived and forwards remain, it takes the next forward first. So what is built depends on
/// the costs. `as_simulated`: a recompute waits for its gradient, as in Varuna's simulator
/// (SimulationOptions::recompute_after_gradient); otherwise for nothing but its F, as at run time.
struct VarunaOptions {
  bool as_simulated = false;
  int sends_in_flight = 0;
};
/// Requires costs of `shape.stages` stages.
[[nodiscard]] Schedule varuna(PipelineShape shape, const std::vector<StageCosts>& costs,
                              const VarunaOptions& options = {});

/// Returns the schedule with an R before each backward of `ranks`; of all where none are given.
[[nodiscard]] Schedule with_recompute(const Schedule& schedule, const std::vector<int>& ranks = {});

/// What build_schedule needs beside the shape; each kind takes its own part.
struct BuildOptions {
  int chunks = 2;  // of interleaved
  /// By stage, for varuna and varuna-jit; empty: F = B = W = 1 and sends take no time.
  std::vector<StageCosts> costs;
  int sends_in_flight = 0;
};

/// The kinds that build_schedule knows, in the order help prints them: gpipe, 1f1b, interleaved,
/// zb-h1, zb-h2, zb-v, v-half, v-min, dualpipe-v, varuna, varuna-jit.
[[nodiscard]] const std::vector<std::string>& schedule_kinds();
/// Returns how many chunks a rank has in schedules of `kind`.
[[nodiscard]] int chunks_of(const std::string& kind, const BuildOptions& options = {});
/// Returns how schedules of `kind` place their chunks.
[[nodiscard]] Placement placement_of(const std::string& kind);
/// Builds by name; invalid_input names an unknown kind, or a shape the kind cannot have.
[[nodiscard]] Result<Schedule> build_schedule(const std::string& kind, PipelineShape shape,
                                              const BuildOptions& options = {});

}  // namespace planaria
