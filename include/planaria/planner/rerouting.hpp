// planner/rerouting.hpp: a lost worker's micro-batches go to others with the same layers. Floor 3,
// pure. Any thread.
// Is: adaptive pipelining's layout (ReCycle, Gandhi et al., SOSP 2024): no state moves, every
// worker that is left goes on. Is not: its order of work (schedule/routed.hpp), nor a comparison
// with other layouts.
#pragma once

#include <optional>
#include <vector>

#include <planaria/model/lanes.hpp>
#include <planaria/model/layout.hpp>

namespace planaria {

/// Returns the pipelines of `before` without the workers that are not among `workers` (ascending):
/// lane by lane the micro-batches of one that is gone go to the worker that has the same stages in
/// another pipeline of the same cuts and the fewest lanes then, of equals the lowest id. Lanes of a
/// pipeline that go the same way are one pipeline of the answer, which so may share workers; equal
/// ones are merged. Nothing where nobody has the stages of one that is gone. Shadows are dropped.
/// Requires that `before` fits `tree` (verify()). O(lanes x stages x workers).
[[nodiscard]] std::optional<Layout> rerouted(const Layout& before, const LaneTree& tree,
                                             const std::vector<WorkerId>& workers);

}  // namespace planaria
