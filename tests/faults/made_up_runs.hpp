// Small runs that are made up, event by event, and ways to forge them.
#pragma once

#include <cstddef>
#include <functional>
#include <string>
#include <vector>

#include "faults/run_files.hpp"

namespace planaria::test {

/// Four micro-batches of a lane each over layers 0 to 3, two pipelines of two stages. Worker 3 is
/// killed in step 2, when the first pipeline has finished and worker 2 has layers 0 and 1 of
/// micro-batch 2: worker 2 goes on alone in its pipeline, and that lane goes to the first one.
[[nodiscard]] RunFiles run_with_a_loss();

/// Five micro-batches in lanes of two over layers 0 and 1. Worker 0 has finished its two lanes in
/// step 2 when worker 1 is killed; the third lane, a short one, is begun again by worker 2, which
/// is killed over it too, and then by worker 0.
[[nodiscard]] RunFiles run_with_a_step_begun_three_times();

/// Two micro-batches over layers 0 and 1, each held once: worker 1 is killed in step 3 with one of
/// them finished, and all go back. In the same step worker 2 is killed, and nothing is finished.
[[nodiscard]] RunFiles run_that_goes_back();

/// Returns where the events are for which `is` holds.
[[nodiscard]] std::vector<std::size_t> positions(const RunFiles& run,
                                                 const std::function<bool(const Json&)>& is);
/// Returns the only event of this kind in the step and the view; 0: any.
[[nodiscard]] Json& event(RunFiles& run, const std::string& name, int step, int view = 0);

/// One `computed` event.
struct Deed {
  int step, view, micro_batch, layer;
  std::string kind;
};
/// Returns where it is. It happened once.
[[nodiscard]] std::size_t computed_at(const RunFiles& run, const Deed& deed);

void drop(RunFiles& run, std::size_t position);
void repeat(RunFiles& run, std::size_t position);

/// Returns what the view that begins `step` again says of it.
[[nodiscard]] Json& salvage(RunFiles& run, int step = 2, int view = 2);
[[nodiscard]] Json sum(int layer, int height, int index, int worker);

}  // namespace planaria::test
