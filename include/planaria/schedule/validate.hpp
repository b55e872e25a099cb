// schedule/validate.hpp: can this schedule run to its end, and is it a whole step? Floor 2, pure.
// Is: a function from a schedule to a firing order, or to the smallest counterexample in words.
// Is not: a cost model or an executor. No state, any thread.
#pragma once

#include <vector>

#include <planaria/base/result.hpp>
#include <planaria/schedule/actions.hpp>

namespace planaria {

/// The action at `position` of `rank`.
struct Firing {
  int rank = 0;
  int position = 0;
  friend auto operator<=>(const Firing&, const Firing&) = default;
};

struct ValidationOptions {
  /// Sends of one rank to one neighbour that may be on their way and not yet received before the
  /// sender blocks; receives block always. 0: unlimited. Bounds 0 to 1,000,000.
  int sends_in_flight = 0;
  int lane_size = 1;  // weight gradients run in index order within (stage, lane)
};

/// Returns an order in which every action can fire. infeasible names the first thing wrong, the
/// smallest: a missing or doubled action ("rank 2 misses G3"), a wrong order within a micro-batch
/// ("rank 1 runs G0 before F0"), weight gradients out of index order within a lane, or the shortest
/// cycle of waits ("rank 2 waits for F0 of rank 1, rank 1 waits for G1 of rank 2"). O(actions) but
/// for the search of the cycle.
[[nodiscard]] Result<std::vector<Firing>> validate(const Schedule& schedule,
                                                   const ValidationOptions& options = {});

}  // namespace planaria
