// base/clock.hpp: time as an input. Floor 0, pure but for SystemClock.
// Is: instants and durations in milliseconds, and a clock that can be moved by hand.
#pragma once

#include <chrono>
#include <compare>

namespace planaria {

/// A duration in milliseconds.
struct Milliseconds {
  double value = 0;
  friend constexpr auto operator<=>(const Milliseconds&, const Milliseconds&) = default;
};

/// A point on one clock, in milliseconds from that clock's own zero.
struct Instant {
  double since_start_ms = 0;
  friend constexpr auto operator<=>(const Instant&, const Instant&) = default;
  friend constexpr Milliseconds operator-(Instant a, Instant b) {
    return {a.since_start_ms - b.since_start_ms};
  }
  friend constexpr Instant operator+(Instant a, Milliseconds d) {
    return {a.since_start_ms + d.value};
  }
};

/// Tells the time. Pure code never holds one: it is handed an Instant.
class Clock {
 public:
  virtual ~Clock() = default;
  [[nodiscard]] virtual Instant now() const = 0;
};

/// The machine's monotonic clock, counted from construction. Any thread.
class SystemClock final : public Clock {
 public:
  [[nodiscard]] Instant now() const override {
    return {std::chrono::duration<double, std::milli>(std::chrono::steady_clock::now() - start_)
                .count()};
  }

 private:
  std::chrono::steady_clock::time_point start_ = std::chrono::steady_clock::now();
};

/// A clock that stands still until it is moved: for tests and simulation. One thread.
class ManualClock final : public Clock {
 public:
  [[nodiscard]] Instant now() const override { return now_; }
  void advance(Milliseconds by) { now_ = now_ + by; }

 private:
  Instant now_;
};

}  // namespace planaria
