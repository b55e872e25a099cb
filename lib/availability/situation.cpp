#include "availability/situation.hpp"

#include <algorithm>
#include <array>
#include <cstddef>
#include <numeric>

namespace planaria::forecasting {
namespace {

// Before the first change it has been quiet for longer than any class tells apart.
constexpr int never_changed = 400;
constexpr int activity_window = 60;
// So many times between changes must agree before a tick is believed.
constexpr int ticks_needed = 6;

template <std::size_t size>
int class_of(int value, const std::array<int, size>& bounds) {
  return static_cast<int>(std::upper_bound(bounds.begin(), bounds.end(), value) - bounds.begin());
}

/// Single intervals at first, where bursts and polls show, then ever wider.
int quiet_class(int intervals) {
  return class_of(intervals, std::array{1, 2, 3, 4, 5, 6, 9, 13, 21, 41, 81, 161, 321});
}

int activity_class(std::size_t changes) {
  return class_of(static_cast<int>(changes), std::array{1, 2, 3, 5, 9, 17});
}

}  // namespace

const Situation& SituationTracker::observe(const IntervalCounts& interval) {
  ++time_;
  if (time_ == 0) {
    since_ = never_changed;
    now_.quiet_before = quiet_class(never_changed);
  } else if (interval.joined > 0 || interval.lost > 0) {
    count_change(interval);
  } else {
    since_ = std::min(since_ + 1, 1'000'000);
  }
  while (!changes_.empty() && changes_.front() < time_ - activity_window) changes_.pop_front();
  now_.count = interval.count;
  now_.most = std::max(now_.most, interval.count);
  now_.level = interval.count == 0           ? Level::none
               : interval.count == now_.most ? Level::most
                                             : Level::between;
  now_.quiet = quiet_class(since_);
  now_.activity = activity_class(changes_.size());
  now_.phase = ticks_seen_ >= ticks_needed && tick_ > 1 ? since_ % tick_ : 0;
  return now_;
}

void SituationTracker::count_change(const IntervalCounts& interval) {
  if (changed_) {
    tick_ = std::gcd(tick_, since_ + 1);
    ++ticks_seen_;
  }
  changed_ = true;
  now_.quiet_before = quiet_class(since_);
  now_.rising = interval.joined > interval.lost;
  since_ = 0;
  changes_.push_back(time_);
}

}  // namespace planaria::forecasting
