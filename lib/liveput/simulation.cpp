#include <algorithm>

#include <planaria/base/check.hpp>
#include <planaria/liveput/simulation.hpp>

namespace planaria {

Simulation simulate(const SimulationRequest& request, Policy& policy) {
  Simulation simulation;
  GridLayout layout;
  double leftover_ms = 0;
  std::vector<int> noticed;
  std::vector<std::span<const IntervalCounts>> zones(
      std::max<std::size_t>(request.zones.size(), 1));
  for (std::size_t t = request.first; t < request.end; ++t) {
    noticed.clear();
    const std::size_t known = t + 1 + static_cast<std::size_t>(request.notice_intervals);
    for (std::size_t next = t + 1; next < std::min(known, request.intervals.size()); ++next) {
      noticed.push_back(request.intervals[next].lost);
    }
    for (std::size_t zone = 0; zone < zones.size(); ++zone) {
      const std::span<const IntervalCounts> whole =
          request.zones.empty() ? request.intervals : std::span(request.zones[zone]);
      zones[zone] = whole.first(t + 1);
    }
    const Situation situation{
        layout, leftover_ms, t == request.first, request.intervals.first(t + 1), noticed, zones};
    SimulatedInterval& interval = simulation.intervals.emplace_back();
    interval.event = request.intervals[t];
    interval.choice = policy.choose(situation);
    const Choice& choice = interval.choice;
    check(choice.layout.workers() <= interval.event.count, "a layout of workers that are there");
    layout = choice.layout;
    if (layout.empty()) {
      leftover_ms = 0;
      continue;
    }
    const Standing standing = standing_of(leftover_ms, choice.charge);
    const double rate = samples_per_s(*request.prices, layout) * choice.rate;
    interval.standing_ms = standing.within(request.interval_ms);
    interval.samples =
        (rate * (request.interval_ms - interval.standing_ms) / 1000) - choice.lost_samples;
    interval.missed_samples = (rate * interval.standing_ms / 1000) + choice.lost_samples;
    simulation.samples += interval.samples;
    leftover_ms = standing.beyond(request.interval_ms);
  }
  return simulation;
}

double ideal_samples(const SimulationRequest& request) {
  double samples = 0;
  for (std::size_t t = request.first; t < request.end; ++t) {
    const GridLayout best = best_layout(*request.prices, request.intervals[t].count);
    samples += samples_per_s(*request.prices, best) * request.interval_ms / 1000;
  }
  return samples;
}

}  // namespace planaria
