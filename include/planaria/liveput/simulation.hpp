// liveput/simulation.hpp: what a policy earns over a trace. Floor 4, pure.
// Is: intervals, one decision each, and the samples that come of it (docs/liveput.md, "What an
// interval earns"). Is not: a run of the runtime: time is fluid, prices are expected ones.
#pragma once

#include <span>
#include <string>
#include <vector>

#include <planaria/liveput/policy.hpp>

namespace planaria {

/// A segment of a trace: intervals first to end - 1; what was before is known to all.
struct SimulationRequest {
  const PriceModel* prices = nullptr;         // required
  std::span<const IntervalCounts> intervals;  // of the whole trace, required
  std::size_t first = 0;
  std::size_t end = 0;
  double interval_ms = 60'000;
  int notice_intervals = 0;  // losses are known so many intervals ahead
  /// Of which `intervals` is the sum, each as long; empty: one zone.
  std::span<const std::vector<IntervalCounts>> zones = {};
};

/// One interval of a simulation.
struct SimulatedInterval {
  IntervalCounts event;
  Choice choice;
  bool continues = false;  // of a change begun before, beside which training goes on
  double standing_ms = 0;  // nobody trained
  double samples = 0;
  double missed_samples = 0;  // while nobody trained, and what was done again
};

struct Simulation {
  std::vector<SimulatedInterval> intervals;
  double samples = 0;
};

/// Lets `policy` decide interval by interval. Aborts where it chooses more workers than there are.
[[nodiscard]] Simulation simulate(const SimulationRequest& request, Policy& policy);

/// Returns what would be earned if the fastest layout ran in each interval and changes took no
/// time.
[[nodiscard]] double ideal_samples(const SimulationRequest& request);

}  // namespace planaria
