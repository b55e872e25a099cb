// cli/axis_steps.hpp: distances of the marks on a picture's axes. Private, pure.
// Is: round numbers, few enough to be read. Is not: a picture.
#pragma once

namespace planaria::cli {

/// Distances of marks on an axis of time, in minutes, and the unit that they are told in.
struct TimeScale {
  double step_min = 1;
  double unit_min = 1;
  const char* name = "minutes";
};

/// Returns the least of round distances with which there are at most twelve over `span_min`.
[[nodiscard]] TimeScale time_scale(double span_min);

/// Returns the least of 1, 2, 5, 10, ... of which six reach `most`.
[[nodiscard]] double amount_step(double most);

}  // namespace planaria::cli
