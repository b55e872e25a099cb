// availability/hazard.hpp: how often machines are lost and join, in bursts, and how many at once.
// Floor 2, pure.
// Is: estimates from counts, and what they say of the intervals ahead. Is not: the best forecast
// (forecast.hpp), which takes these for its start. Deterministic, no clock; one thread at a time.
#pragma once

#include <array>
#include <cstddef>
#include <vector>

#include <planaria/availability/distribution.hpp>
#include <planaria/availability/trace.hpp>

namespace planaria {

/// An event of a kind (losses, or joins): an interval in which at least one machine went (came).
struct EventHazard {
  /// An interval is in a burst where one of the `burst_intervals` before it had an event.
  static constexpr int burst_intervals = 2;
  double in_burst = 0;            // probability of an event in an interval in a burst
  double otherwise = 0;           // and in any other
  int intervals_since_event = 0;  // 0: the last interval had one; many: none so far
  Distribution size;              // machines of an event, 1 at least
  /// Returns the probability of an event in the next interval.
  [[nodiscard]] double next() const {
    return intervals_since_event < burst_intervals ? in_burst : otherwise;
  }
};

struct HazardEstimate {
  EventHazard loss;
  EventHazard join;
};

/// What is believed before anything is seen, in intervals' worth of evidence. One set for all
/// traces; found on published ones of 60 s intervals (docs/forecasts.md).
struct HazardPrior {
  double event_probability = 0.08;  // in an interval, of each kind
  double event_intervals = 60;
  /// How much the rate of losses is believed to be that of joins; 0: each kind by itself.
  double shared_intervals = 300;
  double burst_factor = 2.5;  // an event is so many times as likely in a burst
  double burst_intervals = 30;
  double mean_size = 2.3;  // of a geometric distribution
  double sizes = 3;        // events' worth
  double shared_sizes = 8;
  double half_life = 0;  // intervals after which evidence counts half; 0: it counts for ever
};

/// Counts events as intervals pass. The first interval sets the stage: its joins are no event.
class HazardCounter {
 public:
  explicit HazardCounter(const HazardPrior& prior) : prior_(prior) {}
  /// O(1), with a half-life O(largest event so far).
  void observe(const IntervalCounts& interval);
  /// Returns what is believed now: shrunken means. O(largest event so far).
  [[nodiscard]] HazardEstimate estimate() const;

 private:
  struct Events {
    std::array<double, 2> events{};     // otherwise, in a burst
    std::array<double, 2> intervals{};  // the same
    std::vector<double> sizes;          // how often each
    int since = 1'000'000;
  };
  void count(Events& events, int machines);
  [[nodiscard]] EventHazard estimate_of(const Events& events) const;
  HazardPrior prior_;
  bool began_ = false;
  Events losses_;
  Events joins_;
};

/// The intervals ahead of one kind of event, as if machines never ran out.
struct EventsAhead {
  /// [h-1][k]: probability that k machines go (come) in interval h.
  std::vector<std::vector<double>> in_interval;
  /// [h-1][k]: and in the intervals 1 to h together.
  std::vector<std::vector<double>> in_total;
};

/// Returns what a hazard says of the next `look_ahead` intervals; numbers above `most` count as
/// `most`, 1 at least. O(look_ahead (most + 1) sizes).
[[nodiscard]] EventsAhead events_ahead(const EventHazard& hazard, int look_ahead, int most);

}  // namespace planaria
