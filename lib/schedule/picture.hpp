// schedule/picture.hpp: what all pictures of a schedule share. Private.
#pragma once

#include <string>
#include <vector>

#include <planaria/schedule/draw.hpp>

namespace planaria {

/// Aborts unless times and memory are those of the drawing's schedule.
void check_drawing(const ScheduleDrawing& drawing);
/// Returns the picture's figures in a line: "makespan 33 ms, bubble 27.3 %, ...".
[[nodiscard]] std::string figures_of(const ScheduleDrawing& drawing);
/// Returns "0.9 % above", "reached" or "no bound": how far the makespan is from the bound.
[[nodiscard]] std::string gap_of(const ScheduleDrawing& drawing);
/// The most any rank holds, and the first rank that does.
struct Peak {
  std::int64_t bytes = 0;
  std::size_t rank = 0;
};
[[nodiscard]] Peak peak_of(const ScheduleDrawing& drawing);
/// Returns 1, 2 or 5 times a power of ten: the least with at most `ticks_most` steps in `range_ms`.
[[nodiscard]] double tick_step_ms(double range_ms, int ticks_most);

/// One scale for all panels of a picture.
struct PictureScale {
  double horizon_ms = 0;        // the longest makespan of all
  double width_px = 0;          // what it takes
  std::int64_t most_bytes = 0;  // the top of the lines of memory; 0: there are none
  [[nodiscard]] double x(double ms) const {
    return horizon_ms > 0 ? ms / horizon_ms * width_px : 0;
  }
};
[[nodiscard]] PictureScale scale_of(const std::vector<ScheduleDrawing>& drawings);

}  // namespace planaria
