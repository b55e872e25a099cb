#include "cli/axis_steps.hpp"

#include <array>

namespace planaria::cli {

TimeScale time_scale(double span_min) {
  constexpr std::array<double, 20> steps{1,     2,     5,     10,     15,     30,    60,
                                         120,   180,   360,   720,    1440,   2880,  7200,
                                         14400, 28800, 72000, 144000, 288000, 720000};
  TimeScale scale;
  for (const double step : steps) {
    scale.step_min = step;
    if (span_min / step <= 12) break;
  }
  if (scale.step_min >= 720) return {scale.step_min, 1440, "days"};
  if (scale.step_min >= 30) return {scale.step_min, 60, "hours"};
  return scale;
}

double amount_step(double most) {
  for (double power = 1;; power *= 10) {
    for (const double step : {1.0, 2.0, 5.0}) {
      if (most <= 6 * step * power) return step * power;
    }
  }
}

}  // namespace planaria::cli
