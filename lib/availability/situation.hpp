// availability/situation.hpp: what of the past a forecast may depend on, in a few small numbers.
// Is: features, each a class of similar moments. Is not: what follows from them (kernel.hpp).
#pragma once

#include <cstdint>
#include <deque>

#include <planaria/availability/trace.hpp>

namespace planaria::forecasting {

/// Where the count is: machines that are all gone, or all there, behave unlike those in between.
enum class Level { none, most, between };

struct Situation {
  int count = 0;
  int most = 0;  // the most machines so far
  Level level = Level::none;
  int quiet = 0;         // class of the intervals since the last change
  int quiet_before = 0;  // class of how long it had been quiet before that change
  int phase = 0;        // intervals since the last change, modulo the tick that all changes kept to
  int activity = 0;     // class of the number of intervals with changes among the last 60
  bool rising = false;  // the last change brought machines
};

/// Turns intervals into the situation after them. O(1) amortised.
class SituationTracker {
 public:
  const Situation& observe(const IntervalCounts& interval);
  [[nodiscard]] const Situation& now() const { return now_; }

 private:
  void count_change(const IntervalCounts& interval);
  Situation now_;
  std::int64_t time_ = -1;  // intervals
  int since_ = 0;
  bool changed_ = false;              // at least once
  int tick_ = 0;                      // greatest common divisor of the times between changes
  int ticks_seen_ = 0;                // how many times that is of
  std::deque<std::int64_t> changes_;  // the recent ones
};

}  // namespace planaria::forecasting
