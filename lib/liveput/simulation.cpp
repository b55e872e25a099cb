#include <algorithm>

#include <planaria/base/check.hpp>
#include <planaria/liveput/simulation.hpp>

namespace planaria {

Simulation simulate(const SimulationRequest& request, Policy& policy) {
  Simulation simulation;
  GridLayout layout;
  double rate = 0;  // of `layout`, samples per second
  Course course;    // of the interval before
  GridLayout coming;
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
    const Situation situation{.layout = layout,
                              .leftover_ms = course.leftover_ms,
                              .first = t == request.first,
                              .history = request.intervals.first(t + 1),
                              .noticed_lost = noticed,
                              .zones = zones,
                              .coming = coming,
                              .coming_ms = course.coming_ms};
    SimulatedInterval& interval = simulation.intervals.emplace_back();
    interval.event = request.intervals[t];
    interval.choice = policy.choose(situation);
    const Choice& choice = interval.choice;
    check(choice.layout.workers() <= interval.event.count, "a layout of workers that are there");
    if (choice.layout.empty()) {
      layout = coming = {};
      rate = 0;
      course = {};
      continue;
    }
    interval.continues = choice.layout == coming && interval.event.lost == 0;
    course = course_of(course.leftover_ms, choice.charge, request.interval_ms);
    check(course.before_ms == 0 || layout.workers() <= interval.event.count,
          "a layout that goes on has its workers");
    const double chosen_rate = samples_per_s(*request.prices, choice.layout) * choice.rate;
    const double trained_ms = request.interval_ms - course.standing_ms - course.before_ms;
    interval.standing_ms = course.standing_ms;
    interval.samples =
        (chosen_rate * trained_ms / 1000) + (rate * course.before_ms / 1000) - choice.lost_samples;
    interval.missed_samples = (chosen_rate * interval.standing_ms / 1000) + choice.lost_samples;
    simulation.samples += interval.samples;
    if (course.arrived) {
      layout = choice.layout;
      rate = chosen_rate;
    }
    coming = course.arrived ? GridLayout{} : choice.layout;
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
