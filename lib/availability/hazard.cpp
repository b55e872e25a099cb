#include <planaria/availability/hazard.hpp>

#include <algorithm>
#include <cmath>
#include <span>
#include <utility>

namespace planaria {
namespace {

// A tail ends where it cannot matter beside the floor that forecasts have anyway.
constexpr double total_tail_min = 1e-5;

double sum_of(const std::vector<double>& values) {
  double sum = 0;
  for (const double value : values) sum += value;
  return sum;
}

double at(const std::vector<double>& values, std::size_t index) {
  return index < values.size() ? values[index] : 0.0;
}

constexpr std::size_t phases = EventHazard::burst_intervals + 1;

/// Returns the probability of each size, what is `values` and more counting as the largest.
std::vector<double> sizes_up_to(const Distribution& size, std::size_t values) {
  const std::span<const double> all = size.probabilities();
  std::vector<double> sizes(
      all.begin(), all.begin() + static_cast<std::ptrdiff_t>(std::min(all.size(), values)));
  for (std::size_t more = values; more < all.size(); ++more) sizes.back() += all[more];
  return sizes;
}

/// Adds to `to` what an event leads to from each number of machines so far.
void add_events(const std::vector<double>& from, std::size_t reach,
                const std::vector<double>& sizes, std::vector<double>& to) {
  for (std::size_t k = 0; k <= reach; ++k) {
    if (from[k] < total_tail_min) {
      to[k] += from[k];  // what is too rare to follow keeps its number
      continue;
    }
    const std::size_t whole = std::min(sizes.size(), to.size() - k);
    for (std::size_t size = 1; size < whole; ++size) to[k + size] += from[k] * sizes[size];
    for (std::size_t size = whole; size < sizes.size(); ++size) {
      to.back() += from[k] * sizes[size];
    }
  }
}

}  // namespace

void HazardCounter::observe(const IntervalCounts& interval) {
  if (!began_) {
    began_ = true;
    return;
  }
  count(losses_, interval.lost);
  count(joins_, interval.joined);
}

void HazardCounter::count(Events& events, int machines) {
  if (prior_.half_life > 0) {
    const double kept = std::exp2(-1 / prior_.half_life);
    for (double& number : events.events) number *= kept;
    for (double& number : events.intervals) number *= kept;
    for (double& number : events.sizes) number *= kept;
  }
  const std::size_t burst = events.since < EventHazard::burst_intervals ? 1 : 0;
  events.intervals[burst] += 1;
  if (machines == 0) {
    ++events.since;
    return;
  }
  events.since = 0;
  events.events[burst] += 1;
  const auto size = static_cast<std::size_t>(machines);
  if (events.sizes.size() <= size) events.sizes.resize(size + 1);
  events.sizes[size] += 1;
}

HazardEstimate HazardCounter::estimate() const {
  return {estimate_of(losses_), estimate_of(joins_)};
}

EventHazard HazardCounter::estimate_of(const Events& events) const {
  const HazardPrior& p = prior_;
  const bool shared = p.shared_intervals > 0;
  // Losses and joins share a rate until they differ by evidence: otherwise a few losses in the
  // first minutes would foretell a long decline.
  double common_events = events.events[0];
  double common_intervals = events.intervals[0];
  if (shared) {
    common_events = losses_.events[0] + joins_.events[0];
    common_intervals = losses_.intervals[0] + joins_.intervals[0];
  }
  const double common = (common_events + p.event_intervals * p.event_probability) /
                        (common_intervals + p.event_intervals);
  EventHazard hazard;
  hazard.intervals_since_event = events.since;
  hazard.otherwise = shared ? (events.events[0] + p.shared_intervals * common) /
                                  (events.intervals[0] + p.shared_intervals)
                            : common;
  const double believed = std::min(0.5, p.burst_factor * hazard.otherwise);
  hazard.in_burst =
      (events.events[1] + p.burst_intervals * believed) / (events.intervals[1] + p.burst_intervals);

  const Distribution believed_size = Distribution::geometric(p.mean_size);
  std::vector<double> sizes(believed_size.probabilities().begin(),
                            believed_size.probabilities().end());
  const double believed_sizes = p.sizes;
  const std::size_t largest = std::max({sizes.size(), losses_.sizes.size(), joins_.sizes.size()});
  sizes.resize(largest);
  const double own_sum = sum_of(events.sizes);
  const double common_sum = shared ? sum_of(losses_.sizes) + sum_of(joins_.sizes) : own_sum;
  for (std::size_t size = 1; size < largest; ++size) {
    const double seen =
        shared ? at(losses_.sizes, size) + at(joins_.sizes, size) : at(events.sizes, size);
    sizes[size] = (seen + believed_sizes * sizes[size]) / (common_sum + believed_sizes);
    if (shared) {
      sizes[size] =
          (at(events.sizes, size) + p.shared_sizes * sizes[size]) / (own_sum + p.shared_sizes);
    }
  }
  hazard.size = Distribution::from_weights(std::move(sizes));
  return hazard;
}

EventsAhead events_ahead(const EventHazard& hazard, int look_ahead, int most) {
  const std::size_t values = static_cast<std::size_t>(most) + 1;
  const std::vector<double> sizes = sizes_up_to(hazard.size, values);
  // by[i][k]: i intervals since the last event (the last phase: more), k machines so far.
  std::vector<std::vector<double>> by(phases, std::vector<double>(values));
  by[static_cast<std::size_t>(std::min(hazard.intervals_since_event, EventHazard::burst_intervals))]
    [0] = 1;
  EventsAhead ahead;
  std::size_t reach = 0;  // the most machines that have a probability so far
  std::vector<double> with_event(values);
  for (int h = 0; h < look_ahead; ++h) {
    double event = 0;
    std::fill(with_event.begin(), with_event.end(), 0.0);
    for (std::size_t i = 0; i < phases; ++i) {
      const double probability = i + 1 < phases ? hazard.in_burst : hazard.otherwise;
      for (std::size_t k = 0; k <= reach; ++k) {
        with_event[k] += by[i][k] * probability;
        event += by[i][k] * probability;
        by[i][k] *= 1 - probability;
      }
    }
    for (std::size_t k = 0; k <= reach; ++k) by[phases - 1][k] += by[phases - 2][k];
    for (std::size_t i = phases - 2; i > 0; --i) by[i].swap(by[i - 1]);
    std::fill(by[0].begin(), by[0].end(), 0.0);
    add_events(with_event, reach, sizes, by[0]);
    reach = std::min(reach + sizes.size() - 1, values - 1);
    std::vector<double> total(values);
    for (std::size_t i = 0; i < phases; ++i) {
      for (std::size_t k = 0; k <= reach; ++k) total[k] += by[i][k];
    }
    std::vector<double> now(values);
    now[0] = 1 - event;
    for (std::size_t size = 1; size < sizes.size(); ++size) now[size] = event * sizes[size];
    ahead.in_interval.push_back(std::move(now));
    ahead.in_total.push_back(std::move(total));
  }
  return ahead;
}

}  // namespace planaria
