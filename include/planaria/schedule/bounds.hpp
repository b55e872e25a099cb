// schedule/bounds.hpp: what no schedule of given costs can beat. Floor 2, pure.
// Is: proven lower bounds on the makespan and on the largest span of a rank, for one chunk a rank
// (single placement; F, B, W, and G, which counts as B then W), uneven stages, limited memory, and
// stages that have lost workers; and a simple one for chunks. Is not: tight in general
// (automatic.hpp looks from the other side), nor for schedules with R, which may hold less.
#pragma once

#include <cstdint>
#include <vector>

#include <planaria/base/result.hpp>
#include <planaria/schedule/actions.hpp>
#include <planaria/schedule/memory.hpp>
#include <planaria/schedule/simulate.hpp>

namespace planaria {

/// What one rank of a stage has to do where its stage has lost workers.
struct StageLoad {
  /// Micro-batches that some rank of the stage computes at least, e.g. ceil(m D / live).
  int micro_batches = 1;
  /// Most micro-batches between the start of F and the end of B; 0: any number.
  int in_flight_limit = 0;
  friend bool operator==(const StageLoad&, const StageLoad&) = default;
};

struct PipelineLimits {
  int micro_batches = 1;
  std::vector<StageCosts> costs;    // [stage]
  std::vector<StageMemory> memory;  // [stage]; empty: nothing is held
  /// [stage]: most that a rank of the stage may hold; empty: any amount.
  std::vector<std::int64_t> limit_bytes;
  /// [stage], in place of `micro_batches`; empty: each stage is one rank, which computes all. Where
  /// given, a rank's micro-batches may come from any rank of the stage before and go to any of the
  /// stage behind, so that only what a stage does by itself bounds the step.
  std::vector<StageLoad> loads;
};

/// Returns a time before which no schedule of these limits ends, exact but for rounding: arguments
/// are in lib/schedule/bounds.cpp. invalid_input names limits that do not fit; infeasible names a
/// stage that cannot hold one micro-batch. O(p m k), k the most micro-batches in flight.
[[nodiscard]] Result<double> makespan_bound_ms(const PipelineLimits& limits);

/// Returns a time that the longest span (first start to last end of a rank) of any such schedule
/// takes at least, whenever its ranks start: also the least period of steps that overlap. The same
/// faults and cost.
[[nodiscard]] Result<double> span_bound_ms(const PipelineLimits& limits);

/// Returns a time before which no order of `shape`'s ranks ends, whatever its chunks and placement
/// and with any memory: a rank cannot begin before the first micro-batch has come to its first
/// stage, and then has all its work to do; and one micro-batch goes down and up again. `costs` are
/// by stage. Weaker than makespan_bound_ms, which knows one chunk a rank. O(stages).
[[nodiscard]] double placed_bound_ms(const Schedule& shape, const std::vector<StageCosts>& costs);

}  // namespace planaria
