#include "schedule/bars.hpp"

#include <algorithm>
#include <array>
#include <cmath>
#include <vector>

#include <fmt/format.h>

#include <planaria/base/check.hpp>
#include <planaria/base/text.hpp>
#include <planaria/schedule/markup.hpp>

namespace planaria {
namespace {

constexpr double digit_px = 6.2;  // at the style's 10 px

/// The style's class of an action's fill: its kind and shade.
std::string fill_class(const Schedule& schedule, const Action& action) {
  const char kind = static_cast<char>(static_cast<char>(action.kind) - 'A' + 'a');
  return fmt::format("{}{}", kind, shade_of(schedule, action.chunk));
}

std::string words_of(const ScheduleDrawing& drawing, std::size_t rank, std::size_t position) {
  const SimulatedAction& time = drawing.simulated.ranks[rank].actions[position];
  std::string words =
      fmt::format("rank {}, {}: {} to {} ms", rank,
                  escaped(text_of(drawing.schedule, static_cast<int>(rank), position)),
                  figure(time.start_ms), figure(time.end_ms));
  if (drawing.memory.empty()) return words;
  const std::int64_t held = drawing.memory[rank].during_bytes[position];
  return words + ", holds " +
         text_of_bytes(static_cast<std::uint64_t>(std::max<std::int64_t>(held, 0)));
}

struct Box {
  double x = 0, y = 0, width = 0, height = 0;
};

std::string bar_of(const Schedule& schedule, const Action& action, const Box& box, int panel) {
  const int shade = shade_of(schedule, action.chunk);
  const bool fused = action.kind == ActionKind::backward;
  std::string text =
      fmt::format("<rect class=\"{}\" x=\"{}\" y=\"{}\" width=\"{}\" height=\"{}\"{}/>",
                  fill_class(schedule, action), decimal(box.x), decimal(box.y), decimal(box.width),
                  decimal(box.height),
                  fused ? fmt::format(" fill=\"url(#{})\"", fused_fill(panel, shade)) : "");
  const std::string number = fmt::format("{}", action.micro_batch);
  // All numbers of bars that wide, or none.
  const std::size_t digits = fmt::formatted_size("{}", schedule.micro_batches - 1);
  const double needed_px = (static_cast<double>(digits) * digit_px) + 2;
  if (box.width >= needed_px && box.height >= 10) {
    text += fmt::format("<text class=\"n\" x=\"{}\" y=\"{}\">{}</text>",
                        decimal(box.x + (box.width / 2)), decimal(box.y + (box.height / 2) + 3.6),
                        number);
  }
  return text;
}

/// Colours of a dense row, bottom first where they share a column; G counts as half B, half W.
constexpr std::string_view dense_kinds = "FRBW";
constexpr std::size_t dense_fills = dense_kinds.size() * 4;  // in four shades

std::size_t dense_fill(const Schedule& schedule, ActionKind kind, int chunk) {
  return (dense_kinds.find(static_cast<char>(kind)) * 4) +
         static_cast<std::size_t>(shade_of(schedule, chunk));
}

/// A fill with its part of an action: an overlapped pair and a G have two.
struct Part {
  std::size_t fill = 0;
  double from = 0, to = 1;     // of the time
  double top = 0, bottom = 1;  // of the height
};

std::vector<Part> parts_of(const Schedule& schedule, const std::vector<Action>& actions,
                           std::size_t position) {
  std::vector<Part> parts;
  const std::size_t count = parts_at(actions, position);
  for (std::size_t part = 0; part < count; ++part) {
    const Action& action = actions[position + part];
    const double top = static_cast<double>(part) / static_cast<double>(count);
    const double bottom = static_cast<double>(part + 1) / static_cast<double>(count);
    if (action.kind != ActionKind::backward) {
      parts.push_back({dense_fill(schedule, action.kind, action.chunk), 0, 1, top, bottom});
      continue;
    }
    parts.push_back(
        {dense_fill(schedule, ActionKind::backward_input, action.chunk), 0, 0.5, top, bottom});
    parts.push_back(
        {dense_fill(schedule, ActionKind::backward_weight, action.chunk), 0.5, 1, top, bottom});
  }
  return parts;
}

/// One path for each fill; a box that continues the last one of its fill makes that longer.
class FillPaths {
 public:
  explicit FillPaths(double y_px) : y_px_(y_px) {}
  /// `top` and `bottom` count from the row's y.
  void add(std::size_t fill, double from_px, double to_px, double top, double bottom) {
    constexpr double touching_px = 0.02;
    Box& last = last_[fill];
    if (last.height > 0 && last.y == top && last.height == bottom - top &&
        std::abs(last.x + last.width - from_px) <= touching_px) {
      last.width = to_px - last.x;
      return;
    }
    write(fill);
    last = {from_px, top, to_px - from_px, bottom - top};
  }
  std::string markup() {
    std::string text;
    for (std::size_t fill = 0; fill < dense_fills; ++fill) {
      write(fill);
      if (paths_[fill].empty()) continue;
      const char kind = static_cast<char>(dense_kinds[fill / 4] - 'A' + 'a');
      text += fmt::format("<path class=\"d {}{}\" d=\"{}\"/>", kind, fill % 4, paths_[fill]);
    }
    return text;
  }

 private:
  void write(std::size_t fill) {
    Box& box = last_[fill];
    // Ends are rounded, not widths: what touches goes on touching.
    const double from_px = std::round(box.x * 10) / 10;
    const double width_px = (std::round((box.x + box.width) * 10) / 10) - from_px;
    const std::string width = decimal(width_px, 1);
    if (box.height > 0 && width != "0") {
      paths_[fill] += fmt::format("M{} {}h{}v{}h-{}z", decimal(from_px, 1),
                                  decimal(y_px_ + box.y, 1), width, decimal(box.height, 1), width);
    }
    box = {};
  }

  double y_px_;
  std::array<Box, dense_fills> last_{};
  std::array<std::string, dense_fills> paths_;
};

/// Columns, each filled from below with the shares of its time.
void add_shares(const ScheduleDrawing& drawing, std::size_t rank, const PictureScale& scale,
                RowPlace place, FillPaths& paths) {
  const auto& actions = drawing.schedule.ranks[rank];
  // Some eight actions each: with fewer, what a column happens to cut would show, not the shares.
  const double action_px =
      scale.x(drawing.simulated.ranks[rank].busy_ms) / static_cast<double>(actions.size());
  const double column_px = std::max(2.0, std::round(8 * action_px));
  const auto& times = drawing.simulated.ranks[rank].actions;
  const auto columns = static_cast<std::size_t>(std::ceil(scale.width_px / column_px)) + 1;
  std::vector<std::array<double, dense_fills>> shares_px(columns);
  for (std::size_t at = 0; at < actions.size(); at += parts_at(actions, at)) {
    const double begin = scale.x(times[at].start_ms);
    const double lasts = scale.x(times[at].end_ms) - begin;
    for (const Part& part : parts_of(drawing.schedule, actions, at)) {
      double from = begin + (lasts * part.from);
      const double to = begin + (lasts * part.to);
      while (from < to) {
        const auto column = static_cast<std::size_t>(from / column_px);
        const double next = std::min(to, static_cast<double>(column + 1) * column_px);
        shares_px[column][part.fill] += (next - from) * (part.bottom - part.top);
        if (next <= from) break;
        from = next;
      }
    }
  }
  for (std::size_t column = 0; column < columns; ++column) {
    const double x = static_cast<double>(column) * column_px;
    double share = 0;
    double below = place.bars_px;
    for (std::size_t fill = 0; fill < dense_fills; ++fill) {
      share += shares_px[column][fill] / column_px;
      // Half pixels: columns that look alike are then alike, and one.
      const double top = place.bars_px - (std::round(share * place.bars_px * 2) / 2);
      if (top < below) paths.add(fill, x, x + column_px, top, below);
      below = std::min(below, top);
    }
  }
}

}  // namespace

int shade_of(const Schedule& schedule, int chunk) {
  return schedule.chunks == 1 ? 0 : (3 * chunk) / (schedule.chunks - 1);
}

std::string fused_fill(int panel, int shade) {
  return fmt::format("fused-{}-{}", panel, shade);
}

std::string bars_of(const ScheduleDrawing& drawing, std::size_t rank, const PictureScale& scale,
                    RowPlace place, int panel) {
  const auto& actions = drawing.schedule.ranks[rank];
  const auto& times = drawing.simulated.ranks[rank].actions;
  std::string text;
  for (std::size_t at = 0; at < actions.size(); at += parts_at(actions, at)) {
    const std::size_t count = parts_at(actions, at);
    const double x = scale.x(times[at].start_ms);
    const double width = scale.x(times[at].end_ms) - x;
    const double height = place.bars_px / static_cast<double>(count);
    text += fmt::format("<g class=\"a\"><title>{}</title>", words_of(drawing, rank, at));
    for (std::size_t part = 0; part < count; ++part) {
      const double y = place.y_px + (height * static_cast<double>(part));
      text += bar_of(drawing.schedule, actions[at + part], {x, y, width, height}, panel);
    }
    text += "</g>\n";
  }
  return text;
}

bool is_summed(const ScheduleDrawing& drawing, std::size_t rank, const PictureScale& scale) {
  const SimulatedRank& of = drawing.simulated.ranks[rank];
  return scale.x(of.busy_ms) < static_cast<double>(of.actions.size());
}

std::string dense_bars_of(const ScheduleDrawing& drawing, std::size_t rank,
                          const PictureScale& scale, RowPlace place) {
  const auto& actions = drawing.schedule.ranks[rank];
  const auto& times = drawing.simulated.ranks[rank].actions;
  FillPaths paths(place.y_px);
  if (is_summed(drawing, rank, scale)) {
    add_shares(drawing, rank, scale, place, paths);
    return paths.markup() + "\n";
  }
  for (std::size_t at = 0; at < actions.size(); at += parts_at(actions, at)) {
    const double begin = scale.x(times[at].start_ms);
    const double lasts = scale.x(times[at].end_ms) - begin;
    for (const Part& part : parts_of(drawing.schedule, actions, at)) {
      paths.add(part.fill, begin + (lasts * part.from), begin + (lasts * part.to),
                place.bars_px * part.top, place.bars_px * part.bottom);
    }
  }
  return paths.markup() + "\n";
}

std::string memory_line_of(const ScheduleDrawing& drawing, std::size_t rank,
                           const PictureScale& scale, RowPlace place) {
  const auto& times = drawing.simulated.ranks[rank].actions;
  const RankMemory& memory = drawing.memory[rank];
  const double bottom = place.y_px + place.bars_px + place.memory_px;
  const auto y_of = [&](std::int64_t bytes) {
    const double share = scale.most_bytes == 0
                             ? 0
                             : static_cast<double>(bytes) / static_cast<double>(scale.most_bytes);
    return bottom - ((place.memory_px - 2) * share);
  };
  // Of each half or whole pixel the most, and what remains: peaks stay, however many actions.
  const double grid_px = static_cast<double>(times.size()) > scale.width_px ? 1 : 0.5;
  struct Step {
    double x = 0;
    std::int64_t most = 0, last = 0;
  };
  std::vector<Step> steps;
  const auto add = [&](double ms, std::int64_t bytes) {
    const double x = std::round(scale.x(ms) / grid_px) * grid_px;
    if (!steps.empty() && steps.back().x == x) {
      steps.back() = {x, std::max(steps.back().most, bytes), bytes};
      // Given back and taken at once: no step at all.
      const bool goes_on =
          steps.size() > 1 && steps.back().most == bytes && steps[steps.size() - 2].last == bytes;
      if (goes_on) steps.pop_back();
    } else if (steps.empty() || steps.back().last != bytes) {
      steps.push_back({x, bytes, bytes});
    }
  };
  for (std::size_t at = 0; at < times.size(); ++at) {
    add(times[at].start_ms, memory.during_bytes[at]);
    add(times[at].end_ms, memory.after_bytes[at]);
  }
  if (steps.empty()) return {};
  std::string line;
  for (const Step& step : steps) {
    line += fmt::format("H{}V{}", decimal(step.x, 1), decimal(y_of(step.most), 1));
    if (step.last != step.most) line += fmt::format("V{}", decimal(y_of(step.last), 1));
  }
  const std::string begin = fmt::format("M{} {}", decimal(steps.front().x, 1), decimal(bottom, 1));
  const double end_x = scale.x(times.back().end_ms);
  return fmt::format("<path class=\"held\" d=\"{}{}H{}V{}z\"/>\n", begin, line, decimal(end_x, 1),
                     decimal(bottom, 1));
}

}  // namespace planaria
