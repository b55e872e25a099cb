// liveput/outlook.hpp: how likely machines go and come in each of the next intervals, as the
// optimizer needs it. Floor 4, pure.
// Is: estimates from what was seen so far, never looking ahead. Is not: a scored forecast of counts
// (availability/forecast.hpp). Deterministic; one thread at a time.
#pragma once

#include <algorithm>
#include <array>
#include <cstddef>
#include <span>
#include <vector>

#include <planaria/availability/distribution.hpp>
#include <planaria/availability/forecast_file.hpp>
#include <planaria/availability/trace.hpp>

namespace planaria {

/// The next intervals, the nearest first. Losses and joins of one interval exclude each other.
struct Outlook {
  std::vector<double> loss;  // [h]: probability that machines are lost in interval h
  std::vector<double> join;  // [h]: that machines come, where there are fewer than most_seen
  double join_beyond = 0;    // that machines come, where there are as many as ever
  int most_seen = 0;
  // [h]: machines lost at once, 1 at least, and that come at once. The last one goes for all
  // behind.
  std::vector<Distribution> loss_sizes;
  std::vector<Distribution> join_sizes;
  std::vector<int> known_lost;  // of the nearest intervals; their `loss` is 1 or 0

  [[nodiscard]] const Distribution& loss_size(int h) const { return at_or_last(loss_sizes, h); }
  [[nodiscard]] const Distribution& join_size(int h) const { return at_or_last(join_sizes, h); }

 private:
  static const Distribution& at_or_last(const std::vector<Distribution>& sizes, int h) {
    return sizes[std::min(static_cast<std::size_t>(h), sizes.size() - 1)];
  }
};

/// Returns the outlook of a forecast; losses and joins of one interval exclude each other in it,
/// where they might not in the forecast. There may be `workers_max` machines at most.
[[nodiscard]] Outlook outlook_of(const std::vector<ChangeForecast>& intervals, int workers_max);

/// Counts events by how long ago the last loss and the last join were. An event's probability is
/// its mean rate times a factor for each of the two ages; ages are told apart by powers of 2
/// minutes, since calm grows calmer: lives of a mixture of rates. Each factor is shrunken to 1 by
/// `factor_events`; rate and sizes to what is believed at first.
class OutlookCounter {
 public:
  /// What is believed before anything is seen, one set for all traces.
  struct Belief {
    double event_probability = 0.1;  // of losses in an interval, and of joins
    double event_intervals = 20;     // intervals' worth of evidence
    double beyond_share = 0.3;       // of it where there are as many machines as ever
    double factor_events = 3;        // events' worth
    double mean_size = 2.2;          // of a geometric distribution
    double size_events = 8;          // events' worth
  };

  OutlookCounter() = default;
  explicit OutlookCounter(const Belief& belief) : belief_(belief) {}

  /// Takes the interval that has just ended. Joins of the first one are no event.
  void observe(const IntervalCounts& interval);
  /// Returns the next `look_ahead` intervals: the ages that the last loss and the last join may
  /// have by then, each with its probability, carried on from interval to interval.
  /// O(look_ahead^3). Requires an interval observed.
  /// `known_lost`: what goes in the nearest intervals, where that is known.
  [[nodiscard]] Outlook outlook(int look_ahead, std::span<const int> known_lost = {}) const;

 private:
  static constexpr std::size_t ages = 9;  // 1, 2, 3-4, 5-8, ..., 65-128, more
  /// By age of the last loss, then of the last join.
  using ByAges = std::array<std::array<double, ages>, ages>;
  struct Kind {
    ByAges intervals{};
    ByAges events{};
    std::vector<double> sizes;
  };

  static std::size_t age_class(int intervals_since);
  [[nodiscard]] ByAges probabilities(const Kind& kind) const;
  [[nodiscard]] Distribution sizes(const Kind& kind) const;
  static void count(Kind& kind, std::size_t loss_age, std::size_t join_age, int machines);

  Belief belief_;
  bool began_ = false;
  int count_ = 0;
  int most_seen_ = 0;
  int since_loss_ = 16;  // neither calm nor stormy
  int since_join_ = 16;
  Kind losses_;
  Kind joins_;
  double beyond_intervals_ = 0;
  double beyond_events_ = 0;
};

}  // namespace planaria
