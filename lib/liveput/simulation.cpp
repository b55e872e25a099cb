#include <algorithm>

#include <planaria/base/check.hpp>
#include <planaria/liveput/simulation.hpp>

namespace planaria {
namespace {

double rate_of(const PriceModel& prices, const GridLayout& layout) {
  if (layout.empty()) return 0;
  const auto& all = prices.layouts();
  const auto found = std::ranges::lower_bound(all, layout, {}, &MeasuredLayout::layout);
  check(found != all.end() && found->layout == layout, "a policy chooses one of layouts()");
  return found->samples_per_s;
}

}  // namespace

Simulation simulate(const SimulationRequest& request, Policy& policy) {
  Simulation simulation;
  GridLayout layout;
  double leftover_ms = 0;
  std::vector<int> noticed;
  for (std::size_t t = request.first; t < request.end; ++t) {
    noticed.clear();
    const std::size_t known = t + 1 + static_cast<std::size_t>(request.notice_intervals);
    for (std::size_t next = t + 1; next < std::min(known, request.intervals.size()); ++next) {
      noticed.push_back(request.intervals[next].lost);
    }
    const Situation situation{layout, leftover_ms, t == request.first,
                              request.intervals.first(t + 1), noticed};
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
    const Charge& charge = choice.charge;
    if (charge.ms > 0) {
      leftover_ms = charge.ms + (leftover_ms > 0 ? charge.again_ms : 0);
    }
    interval.standing_ms = std::min(leftover_ms, request.interval_ms);
    const double trained_s = (request.interval_ms - interval.standing_ms) / 1000;
    interval.samples =
        (rate_of(*request.prices, layout) * choice.rate * trained_s) - choice.lost_samples;
    simulation.samples += interval.samples;
    leftover_ms = std::max(0.0, leftover_ms - request.interval_ms);
  }
  return simulation;
}

double ideal_samples(const SimulationRequest& request) {
  double samples = 0;
  for (std::size_t t = request.first; t < request.end; ++t) {
    const GridLayout best = best_layout(*request.prices, request.intervals[t].count);
    samples += rate_of(*request.prices, best) * request.interval_ms / 1000;
  }
  return samples;
}

}  // namespace planaria
