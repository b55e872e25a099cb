// schedule/automatic.hpp: the best schedule for given costs under memory limits. Floor 2, pure.
// Is: a choice among the field's schedules and a search above it, with a proven bound; exact for
// small pipelines. Single placement: one chunk a rank; F, B, W, and G where memory wants it. Is
// not: a clock (the caller says when to stop), nor for schedules with R or around dead workers
// (degraded.hpp).
#pragma once

#include <cstdint>
#include <functional>
#include <string>
#include <vector>

#include <planaria/base/result.hpp>
#include <planaria/schedule/actions.hpp>
#include <planaria/schedule/memory.hpp>
#include <planaria/schedule/simulate.hpp>

namespace planaria {

/// schedule_kinds() and "auto", in the order help prints them.
[[nodiscard]] const std::vector<std::string>& kinds_and_automatic();

struct AutomaticRequest {
  int micro_batches = 1;
  std::vector<StageCosts> costs;    // [stage]
  std::vector<StageMemory> memory;  // [stage]; empty: nothing is held
  /// [stage]: most that a stage's rank may hold; empty: any amount.
  std::vector<std::int64_t> limit_bytes;
  int sends_in_flight = 0;  // as in SimulationOptions
  std::uint64_t seed = 1;   // of the search
};

struct AutomaticSchedule {
  Schedule schedule;
  double makespan_ms = 0;      // as simulated
  double largest_span_ms = 0;  // as simulated
  double bound_ms = 0;         // no schedule's makespan is less; makespan_ms where optimal
  bool optimal = false;        // the makespan is proven to be the least
  std::string found_by;        // "1f1b", "greedy", "search", "exact", ...
};

/// Returns the schedule with the least makespan found, among such the one with the least largest
/// span (which bubble rates are of). Its memory fits the limits. The two do not conflict in the
/// field's published cases: the least span known goes with the least makespan.
///
/// Candidates are there at once: gpipe, 1f1b (both also with B and W apart), zb-h1, zb-h2, the
/// greedy of the zero-bubble authors (Qi et al., 2023) and list schedules, O(p^2 m). Pipelines of
/// at most 3 stages and 4 micro-batches are then solved exactly in makespan and span, whatever
/// keep_going says, but where sends are limited. Of others a search goes on from there until the
/// least makespan and span are proven or `keep_going`, asked before each move, returns false; it
/// may go on for ever. Same request and as many moves: same answer.
///
/// invalid_input names a value out of its range; infeasible names a stage whose limit holds no
/// micro-batch, and what would.
[[nodiscard]] Result<AutomaticSchedule> automatic(const AutomaticRequest& request,
                                                  const std::function<bool()>& keep_going);

}  // namespace planaria
