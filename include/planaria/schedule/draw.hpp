// schedule/draw.hpp: pictures of schedules over time: SVG, an HTML page, text. Floor 2, pure.
// Is: when each rank computes what, where it idles, and what it holds meanwhile. Same input, same
// bytes. Is not: a simulation (simulate.hpp) or a verdict (validate.hpp): it draws what it is
// given.
#pragma once

#include <cstdint>
#include <limits>
#include <optional>
#include <string>
#include <vector>

#include <planaria/schedule/actions.hpp>
#include <planaria/schedule/memory.hpp>
#include <planaria/schedule/simulate.hpp>

namespace planaria {

/// A rank without a cap in ScheduleDrawing::limit_bytes.
inline constexpr std::int64_t no_limit_bytes = std::numeric_limits<std::int64_t>::max();

/// One schedule as a picture shows it. Times and memory are those of just this schedule.
struct ScheduleDrawing {
  std::string title;  // any text; what a format cannot hold is escaped or replaced
  Schedule schedule;
  SimulatedSchedule simulated;
  std::vector<RankMemory> memory;         // [rank]; empty: no memory is drawn
  std::vector<std::int64_t> limit_bytes;  // [rank]: the cap beside it; empty: none
  std::optional<double> bound_ms;         // proven: no schedule ends before
};

/// Returns a self-contained SVG file (XML 1.0, UTF-8): the schedules one below the other on one
/// scale of time; ranks as rows of bars, what each holds as a line below, axis, legend and figures.
/// Up to 5,000 actions a schedule each is an element with its words as <title>; above, bars that
/// touch and look alike are one, and where actions are narrower than a pixel a column shows their
/// shares: at most about 40 KB a rank. Follows the viewer's light or dark scheme. Requires a
/// drawing; each as many ranks, actions and memories as its schedule. O(actions).
[[nodiscard]] std::string svg_of(const std::vector<ScheduleDrawing>& drawings);

/// Returns a self-contained HTML page, which is well-formed XML too: the figures of all schedules,
/// and for each its picture and a table of its ranks; side by side where the window has room. What
/// the pointer is on is told. Nothing is loaded from anywhere. Same requirements.
[[nodiscard]] std::string html_of(const std::vector<ScheduleDrawing>& drawings);

struct TerminalOptions {
  int columns = 100;  // no line is longer, at least 40; but for the title's
  /// What the line stands for from its begin to its end: pictures to be compared get the same.
  /// Empty: the makespan.
  std::optional<double> horizon_ms = {};
};

/// Returns lines of ASCII: the title with its figures, a line a rank, an axis, what the cells mean.
/// A cell is a letter (F B W G R; lower case on chunks other than 0; & a pair that overlaps) or '.'
/// where the rank waits: what takes most of the cell's time. Where the times fit the columns
/// exactly, a cell begins and ends with actions; what it stands for is said. O(actions + cells).
[[nodiscard]] std::string terminal_of(const ScheduleDrawing& drawing,
                                      const TerminalOptions& options = {});

}  // namespace planaria
