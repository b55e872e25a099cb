// One schedule's part of an SVG: header, rows of ranks, axis.
#include <algorithm>
#include <array>
#include <cmath>

#include <fmt/format.h>

#include <planaria/base/check.hpp>
#include <planaria/base/text.hpp>
#include <planaria/schedule/markup.hpp>
#include <planaria/schedule/panel.hpp>

#include "schedule/bars.hpp"
#include "schedule/picture.hpp"

namespace planaria {
namespace {

constexpr double left_px = 62;
constexpr double right_px = 92;  // of what ranks hold at most
constexpr double right_bare_px = 20;
constexpr double header_px = 70;
constexpr double axis_px = 34;
constexpr double letter_px = 6.1;  // about what one takes at 11 px
constexpr std::size_t detailed_most = 5000;

/// A fill and how it goes over to white in four shades. F, B and W are Paul Tol's "light" blue,
/// orange and mint, told apart with any common kind of colour blindness.
struct Fill {
  char kind;
  std::array<const char*, 4> shades;
};
constexpr std::array<Fill, 4> fills{{{'f', {"#77aadd", "#90badf", "#aacbe8", "#c5dcf1"}},
                                     {'b', {"#ee8866", "#f19f83", "#f5b7a2", "#f9d0c2"}},
                                     {'w', {"#44bb99", "#68c8ac", "#8ed6c1", "#b5e4d7"}},
                                     {'r', {"#d9e7f5", "#e2edf8", "#ebf3fa", "#f4f8fd"}}}};

const char* colour_of(char kind, int shade) {
  for (const Fill& fill : fills) {
    if (fill.kind == kind) return fill.shades.at(static_cast<std::size_t>(shade));
  }
  check_failed("a bar of no known kind", std::string(1, kind));
}

class PanelWriter {
 public:
  PanelWriter(const ScheduleDrawing& drawing, const PictureScale& scale, int number)
      : drawing_(drawing), scale_(scale), number_(number) {
    std::size_t actions = 0;
    for (const auto& rank : drawing.schedule.ranks) actions += rank.size();
    detailed_ = actions <= detailed_most;
    const std::size_t ranks = drawing.schedule.ranks.size();
    row_ = ranks <= 8 ? Row{26, 24, 8} : ranks <= 24 ? Row{20, 14, 5} : Row{12, 8, 3};
    if (scale.most_bytes == 0 || drawing.memory.empty()) row_.memory_px = 0;
  }

  Panel write() {
    Panel panel;
    panel.width_px = left_px + scale_.width_px + (row_.memory_px > 0 ? right_px : right_bare_px);
    panel.height_px = header_px + rows_px() + axis_px;
    panel.markup = gradients() + header(panel.width_px) +
                   fmt::format("<g transform=\"translate({} {})\">\n", left_px, header_px) + axis();
    for (std::size_t rank = 0; rank < drawing_.schedule.ranks.size(); ++rank) {
      panel.markup += row(rank);
    }
    panel.markup += "</g>\n";
    return panel;
  }

 private:
  struct Row {
    double bars_px, memory_px, gap_px;
    [[nodiscard]] double step_px() const { return bars_px + memory_px + gap_px; }
  };

  [[nodiscard]] double rows_px() const {
    return (static_cast<double>(drawing_.schedule.ranks.size()) * row_.step_px()) - row_.gap_px;
  }

  [[nodiscard]] bool has(ActionKind kind) const {
    const auto& ranks = drawing_.schedule.ranks;
    return std::any_of(ranks.begin(), ranks.end(), [&](const auto& actions) {
      return std::any_of(actions.begin(), actions.end(),
                         [&](const Action& action) { return action.kind == kind; });
    });
  }

  /// The two-tone fill of fused backwards.
  [[nodiscard]] std::string gradients() const {
    std::string text;
    for (int shade = 0; shade < 4; ++shade) {
      text += fmt::format(
          "<linearGradient id=\"{}\"><stop offset=\"0.5\" stop-color=\"{}\"/>"
          "<stop offset=\"0.5\" stop-color=\"{}\"/></linearGradient>",
          fused_fill(number_, shade), colour_of('b', shade), colour_of('w', shade));
    }
    return "<defs>" + text + "</defs>\n";
  }

  /// Title, figures, legend.
  [[nodiscard]] std::string header(double width_px) const {
    const auto room = static_cast<std::size_t>((width_px - 24) / 8);
    const std::size_t room_of_figures = static_cast<std::size_t>((width_px - 24) / 6.4);
    return text_at(12, 20, "t", shortened(drawing_.title, room)) + "\n" +
           text_at(12, 38, "m", shortened(figures_of(drawing_), room_of_figures)) + "\n" +
           legend() + "\n";
  }

  [[nodiscard]] std::string legend() const {
    double x = 12;
    std::string text;
    const auto sample = [&](const std::string& attributes, const std::string& words) {
      text += fmt::format("<rect {} x=\"{}\" y=\"48\" width=\"14\" height=\"11\"/>", attributes,
                          decimal(x));
      text += text_at(x + 19, 57.5, "l", words);
      x += 19 + (static_cast<double>(words.size()) * letter_px) + 16;
    };
    if (has(ActionKind::forward)) sample("class=\"f0\"", "F forward");
    if (has(ActionKind::recompute)) sample("class=\"r0\"", "R recompute");
    if (has(ActionKind::backward_input)) sample("class=\"b0\"", "B backward, inputs");
    if (has(ActionKind::backward_weight)) sample("class=\"w0\"", "W backward, weights");
    if (has(ActionKind::backward)) {
      sample(fmt::format("fill=\"url(#{})\"", fused_fill(number_, 0)), "G backward, fused");
    }
    sample("class=\"idle\"", "idle");
    if (drawing_.schedule.chunks > 1) {
      sample("class=\"f3\"", fmt::format("lighter: chunks to {}", drawing_.schedule.chunks - 1));
    }
    if (row_.memory_px > 0) sample("class=\"held\"", "held");
    const bool summed =
        !detailed_ && !drawing_.schedule.ranks.empty() && is_summed(drawing_, 0, scale_);
    if (row_.memory_px > 0 && !drawing_.limit_bytes.empty()) {
      text += fmt::format("<path class=\"cap\" d=\"M{} 54h14\"/>", decimal(x));
      text += text_at(x + 19, 57.5, "l", "memory limit");
      x += 19 + (12 * letter_px) + 16;
    }
    if (summed) text += text_at(x, 57.5, "s", "heights: shares of each column's time");
    return text;
  }

  /// Ticks below all rows, with thin lines behind them.
  [[nodiscard]] std::string axis() const {
    const double bottom = rows_px();
    std::string text;
    const double step_ms =
        tick_step_ms(scale_.horizon_ms, std::max(2, static_cast<int>(scale_.width_px / 70)));
    for (int tick = 0; tick * step_ms <= scale_.horizon_ms * (1 + 1e-12); ++tick) {
      const double x = scale_.x(tick * step_ms);
      text +=
          fmt::format("<path class=\"grid\" d=\"M{} -4V{}\"/>", decimal(x), decimal(bottom + 5));
      text += fmt::format("<text class=\"tick\" x=\"{}\" y=\"{}\">{}</text>", decimal(x),
                          decimal(bottom + 18), figure(tick * step_ms));
    }
    return text + text_at(-left_px + 12, bottom + 18, "l", "ms") + "\n";
  }

  /// The rank's name; where several pipelines run, also which stage of which.
  [[nodiscard]] std::string label(std::size_t rank, double y) const {
    const auto depth = static_cast<std::size_t>(drawing_.schedule.depth());
    const std::string place = drawing_.schedule.width > 1
                                  ? fmt::format("pipeline {}, stage {}", rank / depth, rank % depth)
                                  : "";
    const double middle = y + (row_.bars_px / 2) + 4;
    std::string text = fmt::format("<text class=\"l\" x=\"{}\" y=\"{}\">rank {}", -left_px + 12,
                                   decimal(middle), rank);
    if (!place.empty()) text += "<title>" + place + "</title>";
    text += "</text>";
    if (!place.empty() && row_.memory_px >= 14) {
      text += text_at(-left_px + 12, middle + row_.bars_px - 6, "s",
                      fmt::format("p{} s{}", rank / depth, rank % depth));
    }
    return text;
  }

  [[nodiscard]] std::string row(std::size_t rank) const {
    const double y = static_cast<double>(rank) * row_.step_px();
    const RowPlace place{y, row_.bars_px, row_.memory_px};
    const auto& actions = drawing_.schedule.ranks[rank];
    std::string text = label(rank, y);
    if (actions.empty()) {
      return text + text_at(6, y + (row_.bars_px / 2) + 4, "s", "lost") + "\n";
    }
    // Where the rank has begun and not ended, what is not a bar is a bubble.
    const auto& times = drawing_.simulated.ranks[rank].actions;
    const double begin = scale_.x(times.front().start_ms);
    const double width = scale_.x(times.back().end_ms) - begin;
    text += fmt::format(
        "<rect class=\"row\" x=\"0\" y=\"{}\" width=\"{}\" height=\"{}\"/>"
        "<rect class=\"idle\" x=\"{}\" y=\"{}\" width=\"{}\" height=\"{}\"/>\n",
        decimal(y), decimal(scale_.x(drawing_.simulated.makespan_ms)), decimal(row_.bars_px),
        decimal(begin), decimal(y), decimal(width), decimal(row_.bars_px));
    text += detailed_ ? bars_of(drawing_, rank, scale_, place, number_)
                      : dense_bars_of(drawing_, rank, scale_, place);
    if (row_.memory_px > 0) text += memory(rank, place);
    return text;
  }

  [[nodiscard]] std::string memory(std::size_t rank, RowPlace place) const {
    std::string text = memory_line_of(drawing_, rank, scale_, place);
    const double bottom = place.y_px + place.bars_px + place.memory_px;
    const std::int64_t peak = drawing_.memory[rank].peak_bytes;
    std::string words = text_of_bytes(static_cast<std::uint64_t>(peak));
    std::string limit_words;
    if (!drawing_.limit_bytes.empty() && drawing_.limit_bytes[rank] != no_limit_bytes) {
      const std::int64_t limit = drawing_.limit_bytes[rank];
      limit_words =
          ", limit " + text_of_bytes(static_cast<std::uint64_t>(std::max<std::int64_t>(limit, 0)));
      if (limit <= scale_.most_bytes) {
        const double share = static_cast<double>(limit) / static_cast<double>(scale_.most_bytes);
        text += fmt::format("<path class=\"cap\" d=\"M0 {}h{}\"/>",
                            decimal(bottom - ((place.memory_px - 2) * share)),
                            decimal(scale_.x(drawing_.simulated.makespan_ms)));
      }
    }
    text += fmt::format(
        "<text class=\"s\" x=\"{}\" y=\"{}\"><title>rank {} holds at most {}{}</title>{}</text>\n",
        decimal(scale_.width_px + 6), decimal(bottom - (place.memory_px >= 14 ? 3 : 0)), rank,
        words, limit_words, words);
    return text;
  }

  const ScheduleDrawing& drawing_;
  const PictureScale& scale_;
  int number_;
  bool detailed_ = true;
  Row row_{};
};

}  // namespace

std::string panel_style() {
  std::string style =
      ".planaria{background:#fff;font-family:system-ui,'DejaVu Sans',Helvetica,Arial,sans-serif}\n"
      ".planaria text{fill:#24292f}\n"
      ".planaria .t{font-size:15px;font-weight:600}.planaria .m{font-size:12px}\n"
      ".planaria .l{font-size:11px}.planaria .s{font-size:10px;fill:#59636e}\n"
      ".planaria .tick{font-size:10px;fill:#59636e;text-anchor:middle}\n"
      ".planaria .n{font-size:10px;fill:#1b1f24;text-anchor:middle;pointer-events:none}\n"
      ".row{fill:#f6f7f9}.idle{fill:#dfe3e8}.grid{stroke:#c9d0d8;stroke-width:.6}\n"
      ".held{fill:#8d97a5;fill-opacity:.3;stroke:#6b7684;stroke-width:.8}\n"
      ".cap{stroke:#b3261e;stroke-width:1;stroke-dasharray:5 3;fill:none}\n"
      ".a rect{stroke:#fff;stroke-width:.7}.a:hover rect{stroke:#24292f;stroke-width:1.2}\n"
      ".a .r0,.a .r1,.a .r2,.a .r3{stroke:#77aadd;stroke-width:1}\n";
  for (const Fill& fill : fills) {
    for (std::size_t shade = 0; shade < fill.shades.size(); ++shade) {
      style += fmt::format(".{}{}{{fill:{}}}", fill.kind, shade, fill.shades[shade]);
    }
    style += "\n";
  }
  return style +
         "@media (prefers-color-scheme:dark){\n"
         ".planaria{background:#16191d}.planaria text{fill:#e3e7ec}\n"
         ".planaria .s,.planaria .tick{fill:#a3adb8}.planaria .n{fill:#1b1f24}\n"
         ".row{fill:#1f2429}.idle{fill:#3a424b}.grid{stroke:#3a424b}\n"
         ".held{fill:#a3adb8;stroke:#a3adb8}.cap{stroke:#ff8a80}\n"
         ".a rect{stroke:#16191d}.a:hover rect{stroke:#fff}\n}\n";
}

std::vector<Panel> panels_of(const std::vector<ScheduleDrawing>& drawings) {
  const PictureScale scale = scale_of(drawings);
  std::vector<Panel> panels;
  for (const ScheduleDrawing& drawing : drawings) {
    check_drawing(drawing);
    panels.push_back(PanelWriter(drawing, scale, static_cast<int>(panels.size())).write());
  }
  return panels;
}

}  // namespace planaria
