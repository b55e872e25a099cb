// schedule/bars.hpp: a rank's row of a picture: its actions as bars, what it holds as a line.
// Private.
#pragma once

#include <string>

#include "schedule/picture.hpp"

namespace planaria {

/// Where a row is, and how tall its two parts are; a part of height 0 is left out.
struct RowPlace {
  double y_px = 0;
  double bars_px = 0;    // height of the bars
  double memory_px = 0;  // height of the line of memory below them
};

/// Returns the lightness, 0 to 3, that tells the chunk from others of its rank.
[[nodiscard]] int shade_of(const Schedule& schedule, int chunk);
/// Returns the id of the fill of a fused backward.
[[nodiscard]] std::string fused_fill(int panel, int shade);

/// Every action an element with its words and, where there is room, its number.
[[nodiscard]] std::string bars_of(const ScheduleDrawing& drawing, std::size_t rank,
                                  const PictureScale& scale, RowPlace place, int panel);
/// A path a colour: bars that touch and look alike are one; where actions are narrower than a
/// pixel, columns with the shares of their time.
[[nodiscard]] std::string dense_bars_of(const ScheduleDrawing& drawing, std::size_t rank,
                                        const PictureScale& scale, RowPlace place);
/// Returns whether dense_bars_of draws columns of shares for that rank.
[[nodiscard]] bool is_summed(const ScheduleDrawing& drawing, std::size_t rank,
                             const PictureScale& scale);
/// The line of what the rank holds.
[[nodiscard]] std::string memory_line_of(const ScheduleDrawing& drawing, std::size_t rank,
                                         const PictureScale& scale, RowPlace place);

}  // namespace planaria
