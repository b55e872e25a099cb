// Pictures of schedules in letters.
#include <algorithm>
#include <array>
#include <cmath>

#include <fmt/format.h>

#include <planaria/base/check.hpp>
#include <planaria/schedule/draw.hpp>
#include <planaria/schedule/markup.hpp>

#include "schedule/picture.hpp"

namespace planaria {
namespace {

constexpr std::string_view letters = ".FfBbWwGgRr&";  // of equal shares of a cell the first wins
constexpr char waiting = '.';

char letter_of(const std::vector<Action>& actions, std::size_t position) {
  if (parts_at(actions, position) == 2) return '&';
  const char kind = static_cast<char>(actions[position].kind);
  return actions[position].chunk == 0 ? kind : static_cast<char>(kind - 'A' + 'a');
}

/// How time is cut into cells.
struct Cells {
  double ms = 0;  // one cell's
  int count = 0;
};

/// Returns whether all times are whole numbers of cells, but for rounding.
bool fits(const SimulatedSchedule& simulated, double cell_ms) {
  constexpr double slack = 1e-6;
  const auto whole = [&](double ms) {
    return std::abs((ms / cell_ms) - std::round(ms / cell_ms)) <= slack;
  };
  for (const SimulatedRank& rank : simulated.ranks) {
    for (const SimulatedAction& action : rank.actions) {
      if (!whole(action.start_ms) || !whole(action.end_ms)) return false;
    }
  }
  return true;
}

/// The longest cell with which every time is whole and the columns suffice; else all columns.
Cells cells_for(const SimulatedSchedule& simulated, double horizon_ms, int columns) {
  if (horizon_ms <= 0) return {};
  double shortest_ms = horizon_ms;
  for (const SimulatedRank& rank : simulated.ranks) {
    for (const SimulatedAction& action : rank.actions) {
      const double lasts_ms = action.end_ms - action.start_ms;
      if (lasts_ms > 0) shortest_ms = std::min(shortest_ms, lasts_ms);
    }
  }
  for (int parts = 1; parts <= 10; ++parts) {
    const double cell_ms = shortest_ms / parts;
    if (horizon_ms / cell_ms > columns + 1e-6) break;
    if (fits(simulated, cell_ms)) {
      return {cell_ms, static_cast<int>(std::ceil((horizon_ms / cell_ms) - 1e-6))};
    }
  }
  return {horizon_ms / columns, columns};
}

/// What a rank does in each cell: what takes most of its time.
std::string row_of(const ScheduleDrawing& drawing, std::size_t rank, const Cells& cells) {
  const auto& actions = drawing.schedule.ranks[rank];
  const auto& times = drawing.simulated.ranks[rank].actions;
  std::vector<std::array<double, letters.size()>> shares_ms(static_cast<std::size_t>(cells.count));
  for (auto& cell : shares_ms) cell = {cells.ms};  // waiting, until something takes its place
  for (std::size_t at = 0; at < actions.size(); at += parts_at(actions, at)) {
    const std::size_t letter = letters.find(letter_of(actions, at));
    auto cell = static_cast<std::size_t>(times[at].start_ms / cells.ms);
    for (; cell < shares_ms.size(); ++cell) {
      const double from_ms = static_cast<double>(cell) * cells.ms;
      const double share_ms =
          std::min(times[at].end_ms, from_ms + cells.ms) - std::max(times[at].start_ms, from_ms);
      if (from_ms >= times[at].end_ms) break;
      if (share_ms <= 0) continue;
      shares_ms[cell][letter] += share_ms;
      shares_ms[cell][0] -= share_ms;
    }
  }
  std::string row;
  for (const auto& cell : shares_ms) {
    // Shares that differ by rounding alone are equal: the same picture on every machine.
    std::size_t most = 0;
    for (std::size_t letter = 1; letter < letters.size(); ++letter) {
      if (cell[letter] > cell[most] + (1e-9 * cells.ms)) most = letter;
    }
    row += letters[most];
  }
  return row;
}

std::string axis_of(const Cells& cells, int label_width) {
  std::string axis(static_cast<std::size_t>(label_width), ' ');
  const auto width = axis.size() + static_cast<std::size_t>(cells.count);
  const double step_ms = tick_step_ms(cells.ms * cells.count, std::max(2, cells.count / 9));
  for (int tick = 0;; ++tick) {
    const double at_ms = tick * step_ms;
    const auto at = static_cast<std::size_t>(label_width) +
                    static_cast<std::size_t>(std::llround(at_ms / cells.ms));
    const std::string text = "|" + figure(at_ms);
    if (at + text.size() > width) break;
    if (at > axis.size()) axis.resize(at, ' ');
    if (at == axis.size()) axis += text;  // else the label before is too long
  }
  return axis + "\n";
}

std::string meaning_of(const ScheduleDrawing& drawing, const Cells& cells, bool exact) {
  std::string text = fmt::format("one cell is {} ms{}", figure(cells.ms),
                                 exact ? "" : ": the letter of what takes most of it");
  if (drawing.schedule.chunks > 1) text += "; lower case: chunks other than 0";
  const auto is_pair = [](const Action& action) { return action.overlaps_next; };
  const bool pairs = std::any_of(
      drawing.schedule.ranks.begin(), drawing.schedule.ranks.end(),
      [&](const auto& actions) { return std::any_of(actions.begin(), actions.end(), is_pair); });
  if (pairs) text += "; &: a pair that overlaps";
  return text + "\n";
}

}  // namespace

std::string terminal_of(const ScheduleDrawing& drawing, const TerminalOptions& options) {
  check_drawing(drawing);
  check(options.columns >= 40, "a picture in letters has at least 40 columns");
  const std::string last = fmt::format("{}", drawing.schedule.ranks.size() - 1);
  const auto digits = static_cast<int>(last.size());
  const int label_width = digits + 1;
  const double horizon_ms = std::max(options.horizon_ms.value_or(0), drawing.simulated.makespan_ms);
  const Cells cells = cells_for(drawing.simulated, horizon_ms, options.columns - label_width);
  std::string text = drawing.title + ": " + figures_of(drawing) + "\n";
  for (std::size_t rank = 0; rank < drawing.schedule.ranks.size(); ++rank) {
    std::string row = row_of(drawing, rank, cells);
    if (drawing.schedule.ranks[rank].empty()) row = "lost";
    // What comes after the last rank's end is nobody's bubble.
    const auto used = cells.count == 0 ? std::size_t{0}
                                       : static_cast<std::size_t>(std::ceil(
                                             (drawing.simulated.makespan_ms / cells.ms) - 1e-6));
    text += fmt::format("{:>{}} {}\n", rank, digits, row.substr(0, std::max<std::size_t>(used, 4)));
  }
  if (cells.count == 0) return text + "nothing takes time\n";
  const bool exact = fits(drawing.simulated, cells.ms);
  return text + axis_of(cells, label_width) + meaning_of(drawing, cells, exact);
}

}  // namespace planaria
