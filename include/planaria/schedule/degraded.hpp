// schedule/degraded.hpp: one step of several pipelines some of whose workers are dead. Floor 2,
// pure.
// Is: ReCycle's adaptive pipelining (Gandhi et al., SOSP 2024) as a search: the micro-batches of
// dead workers go to live workers of the same stage, the backward is split so that they fit into
// bubbles, and an optimizer without a barrier may be counted on. Every answer comes with a proven
// bound. Is not: a choice of layout (planner), nor an order of weight gradients within lanes.
#pragma once

#include <cstdint>
#include <functional>
#include <string>
#include <vector>

#include <planaria/base/result.hpp>
#include <planaria/schedule/actions.hpp>
#include <planaria/schedule/builders.hpp>
#include <planaria/schedule/memory.hpp>
#include <planaria/schedule/simulate.hpp>

namespace planaria {

struct DegradedRequest {
  /// Gives placement, chunks and the order that is beaten or kept: any of schedule_kinds() but
  /// varuna and varuna-jit, or "auto" (one chunk a rank, no order of its own).
  std::string kind = "1f1b";
  int width = 1;        // D, pipelines; at least 1
  PipelineShape shape;  // p and m of each pipeline
  int chunks = 2;       // of interleaved
  /// By place in the pipeline (0..p-1): how many of its D workers are dead, those of pipelines
  /// D-1, D-2, ... At least one must live.
  std::vector<int> lost;
  /// By stage (p times the kind's chunks).
  std::vector<StageCosts> costs;
  /// By stage, and the limit of each rank by place in the pipeline; both empty: no limit.
  std::vector<StageMemory> memory;
  std::vector<std::int64_t> limit_bytes;
  /// Most micro-batches (chunks of them, where a rank has several) between the start of F and the
  /// end of B on one rank; 0: no limit. Fewer in flight leave fewer bubbles to fill.
  int in_flight_limit = 0;
  /// Whether ranks step as soon as they themselves are done (an optimizer without a barrier), so
  /// that the largest span of a rank counts and not the last end of all.
  bool staggered = false;
};

struct DegradedSchedule {
  /// `width` pipelines wide; dead ranks have no actions. Each (stage, micro-batch) is computed by
  /// one live rank, at different stages by ranks of different pipelines.
  Schedule schedule;
  double makespan_ms = 0;
  double period_ms = 0;  // the largest span of a rank, from its first start to its last end
  /// No schedule of this request is faster in what is minimised (period_ms where staggered, else
  /// makespan_ms); equal to it where the answer is proven optimal.
  double bound_ms = 0;
};

/// Searches for the schedule of least makespan_ms, then least period_ms; staggered: of least
/// period_ms, then least makespan_ms. Never worse than the kind's order with each stage's
/// micro-batches spread evenly over its live ranks, where that keeps the limits. `keep_going` is
/// the caller's clock: asked between moves of the refinement, which ends when it says false, when
/// both are proven optimal, or after many moves in vain; empty: no refinement. The same answers of
/// `keep_going` give the same schedule. invalid_input names a field that makes no sense; infeasible
/// a stage without live workers, or a limit below what one micro-batch takes and what would fit.
/// O(p m D log(p m D)) for each of some hundred candidates, then O(p m D) a move.
[[nodiscard]] Result<DegradedSchedule> degraded(const DegradedRequest& request,
                                                const std::function<bool()>& keep_going = {});

}  // namespace planaria
