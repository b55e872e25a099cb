#include "schedule/picture.hpp"

#include <algorithm>
#include <cmath>

#include <fmt/format.h>

#include <planaria/base/check.hpp>
#include <planaria/base/text.hpp>
#include <planaria/schedule/markup.hpp>

namespace planaria {

void check_drawing(const ScheduleDrawing& drawing) {
  const auto& ranks = drawing.schedule.ranks;
  check_equal(drawing.simulated.ranks.size(), ranks.size(), "times of every rank drawn");
  check(drawing.memory.empty() || drawing.memory.size() == ranks.size(), "memory of every rank");
  check(drawing.limit_bytes.empty() || drawing.limit_bytes.size() == ranks.size(),
        "a cap for every rank");
  for (std::size_t rank = 0; rank < ranks.size(); ++rank) {
    check_equal(drawing.simulated.ranks[rank].actions.size(), ranks[rank].size(),
                "a time for every action drawn");
    if (drawing.memory.empty()) continue;
    check_equal(drawing.memory[rank].during_bytes.size(), ranks[rank].size(),
                "what is held during every action drawn");
    check_equal(drawing.memory[rank].after_bytes.size(), ranks[rank].size(),
                "what is held after every action drawn");
  }
}

Peak peak_of(const ScheduleDrawing& drawing) {
  Peak peak;
  for (std::size_t rank = 0; rank < drawing.memory.size(); ++rank) {
    if (drawing.memory[rank].peak_bytes <= peak.bytes) continue;
    peak = {drawing.memory[rank].peak_bytes, rank};
  }
  return peak;
}

std::string gap_of(const ScheduleDrawing& drawing) {
  const double makespan_ms = drawing.simulated.makespan_ms;
  if (!drawing.bound_ms || *drawing.bound_ms <= 0) return "no bound";
  const double above = (makespan_ms / *drawing.bound_ms) - 1;
  return above < 5e-10 ? "reached" : decimal(100 * above, 1) + " % above";
}

std::string figures_of(const ScheduleDrawing& drawing) {
  std::string text =
      fmt::format("makespan {} ms, bubble {} %", figure(drawing.simulated.makespan_ms),
                  decimal(100 * drawing.simulated.bubble_rate, 1));
  if (const Peak peak = peak_of(drawing); peak.bytes > 0) {
    text += fmt::format(", peak memory {} on rank {}",
                        text_of_bytes(static_cast<std::uint64_t>(peak.bytes)), peak.rank);
  }
  if (drawing.bound_ms) {
    text += fmt::format(", bound {} ms ({})", figure(*drawing.bound_ms), gap_of(drawing));
  }
  return text;
}

double tick_step_ms(double range_ms, int ticks_most) {
  if (range_ms <= 0) return 1;
  double step = std::pow(10.0, std::floor(std::log10(range_ms / ticks_most)));
  for (const double times : {1.0, 2.0, 5.0}) {
    if (range_ms / (times * step) <= ticks_most) return times * step;
  }
  return 10 * step;
}

PictureScale scale_of(const std::vector<ScheduleDrawing>& drawings) {
  constexpr double action_px = 15;  // room for two digits
  constexpr double width_least_px = 520;
  constexpr double width_most_px = 1240;
  PictureScale scale;
  std::vector<double> lasts_ms;
  for (const ScheduleDrawing& drawing : drawings) {
    scale.horizon_ms = std::max(scale.horizon_ms, drawing.simulated.makespan_ms);
    scale.most_bytes = std::max(scale.most_bytes, peak_of(drawing).bytes);
    for (const SimulatedRank& rank : drawing.simulated.ranks) {
      for (const SimulatedAction& action : rank.actions) {
        if (action.end_ms > action.start_ms) lasts_ms.push_back(action.end_ms - action.start_ms);
      }
    }
  }
  // A cap far above would flatten the lines: then it is told in words alone.
  const std::int64_t held_bytes = scale.most_bytes;
  for (const ScheduleDrawing& drawing : drawings) {
    for (const std::int64_t limit : drawing.limit_bytes) {
      if (limit / 2 <= held_bytes) scale.most_bytes = std::max(scale.most_bytes, limit);
    }
  }
  if (held_bytes == 0) scale.most_bytes = 0;
  scale.width_px = width_least_px;
  if (lasts_ms.empty()) return scale;
  // A tenth of the actions may be too short for their number.
  const auto tenth = lasts_ms.begin() + static_cast<std::ptrdiff_t>(lasts_ms.size() / 10);
  std::nth_element(lasts_ms.begin(), tenth, lasts_ms.end());
  scale.width_px =
      std::clamp(std::round(scale.horizon_ms / *tenth * action_px), width_least_px, width_most_px);
  return scale;
}

}  // namespace planaria
