// planner/rounds.hpp: how far apart micro-batches follow each other in a pipeline. Private to
// planner. Is: the steady state's period, from the cycles that the schedule's order makes. Is not:
// fill and drain, or memory.
#pragma once

#include <cstddef>
#include <string>
#include <vector>

#include "planner/layer_sums.hpp"
#include "planner/pipeline_times.hpp"

namespace planaria {

/// What the order of a schedule in one chunk says of rounds: a micro-batch goes up from a stage to
/// any later one, turns there and comes back, and the stages between are then so many micro-batches
/// on. In 1F1B stage s has p - s forwards ahead of its backwards, so a round over n stages is n
/// micro-batches long; in ZB-H2 it has 2(p - s) - 1, so it is 2n - 1.
struct RoundRule {
  bool bind = false;   // others end all forwards first, or are not known here
  bool fused = false;  // weight gradients lie on the way back, on every stage
  int per_stage = 1;   // micro-batches for each stage behind the first
  /// How long a round over so many stages is, in micro-batches.
  [[nodiscard]] double micro_batches(std::size_t stages) const {
    return (per_stage * static_cast<double>(stages - 1)) + 1;
  }
};
[[nodiscard]] RoundRule round_rule(const std::string& schedule);

/// One micro-batch at one stage.
struct RoundStage {
  double on_way_ms = 0;  // what every round takes that goes through
  double beside_ms = 0;  // what the stage does beside before it begins the next
  double link_ms = 0;    // to the next stage and back
};

struct Round {
  double period_ms = 0;    // from micro-batch to micro-batch
  std::size_t first = 0;   // the stage where it begins and ends
  std::size_t stages = 1;  // that it goes over
};

/// Returns the round with the longest period; of equals some one. A stage by itself is a round
/// whatever the rule. Requires a stage. O(stages) a pass over all, of which there are few.
[[nodiscard]] Round longest_round(const RoundRule& rule, const std::vector<RoundStage>& stages);

/// The same for stages of a plan, over the fastest links that there are.
[[nodiscard]] Round longest_round(const CostTerms& terms, const LayerSums& sums,
                                  const RoundRule& rule, const std::vector<StageDraft>& stages);

}  // namespace planaria
