// planner/cover_search.hpp: which depths together, for workers that are alike. Private to planner.
// Is: candidates around a good plan, by what a pipeline of each depth takes when simulated by
// itself. Is not: a price (plan_evaluator.hpp).
#pragma once

#include <vector>

#include "planner/broad_search.hpp"
#include "planner/spread.hpp"

namespace planaria {

struct Cover {
  std::vector<int> depths;  // of its pipelines, deepest first
  double end_ms = 0;        // about, if no pipeline waits for another
};

/// Returns which depths take all lanes by about the step of `best`, or sooner: what is done first
/// ahead, of these the fewest pipelines. Depths are those around the best plan's own. Requires
/// workers alike and a schedule in one chunk. O(widths x workers x depths) a time that is tried,
/// within a limit; beyond that nothing.
[[nodiscard]] std::vector<Cover> promising_covers(const SearchTools& tools,
                                                  const SearchLimits& limits, Spreader& spreader,
                                                  const FoundPlan& best);

}  // namespace planaria
