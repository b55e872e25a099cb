// Whole files: an SVG with all panels, and an HTML page with tables beside them.
#include <algorithm>

#include <fmt/format.h>

#include <planaria/base/check.hpp>
#include <planaria/base/text.hpp>
#include <planaria/schedule/draw.hpp>
#include <planaria/schedule/markup.hpp>
#include <planaria/schedule/panel.hpp>

#include "schedule/picture.hpp"

namespace planaria {
namespace {

std::string bytes_text(std::int64_t bytes) {
  return text_of_bytes(static_cast<std::uint64_t>(std::max<std::int64_t>(bytes, 0)));
}

std::string cells(const char* element, const std::vector<std::string>& texts) {
  std::string row = "<tr>";
  for (const std::string& text : texts)
    row += fmt::format("<{0}>{1}</{0}>", element, escaped(text));
  return row + "</tr>\n";
}

std::string figures_table(const std::vector<ScheduleDrawing>& drawings) {
  std::string table =
      "<table>\n" + cells("th", {"schedule", "makespan ms", "largest span ms", "bubble",
                                 "peak memory", "bound ms", "above the bound"});
  for (const ScheduleDrawing& drawing : drawings) {
    const Peak peak = peak_of(drawing);
    table += cells(
        "td", {drawing.title, figure(drawing.simulated.makespan_ms),
               figure(drawing.simulated.largest_span_ms),
               decimal(100 * drawing.simulated.bubble_rate, 2) + " %",
               peak.bytes > 0 ? fmt::format("{}, rank {}", bytes_text(peak.bytes), peak.rank) : "-",
               drawing.bound_ms ? figure(*drawing.bound_ms) : "-",
               drawing.bound_ms ? gap_of(drawing) : "-"});
  }
  return table + "</table>\n";
}

std::string ranks_table(const ScheduleDrawing& drawing) {
  const bool has_memory = !drawing.memory.empty();
  std::vector<std::string> names{"rank", "busy ms", "span ms", "bubble", "peak in flight"};
  if (has_memory) names.insert(names.end(), {"peak memory", "bytes"});
  const bool has_limit = has_memory && !drawing.limit_bytes.empty();
  if (has_limit) names.emplace_back("limit");
  std::string table = "<table>\n" + cells("th", names);
  for (std::size_t rank = 0; rank < drawing.schedule.ranks.size(); ++rank) {
    const SimulatedRank& of = drawing.simulated.ranks[rank];
    const double largest_ms = drawing.simulated.largest_span_ms;
    const bool is_lost = of.actions.empty();
    std::vector<std::string> row{
        fmt::format("{}", rank), is_lost ? "lost" : figure(of.busy_ms), figure(of.span_ms),
        is_lost || largest_ms <= 0 ? "-" : decimal(100 * (1 - (of.busy_ms / largest_ms)), 2) + " %",
        fmt::format("{}", of.peak_in_flight)};
    if (has_memory) {
      const std::int64_t peak = drawing.memory[rank].peak_bytes;
      row.insert(row.end(), {bytes_text(peak), fmt::format("{}", peak)});
    }
    if (has_limit) {
      const std::int64_t limit = drawing.limit_bytes[rank];
      row.push_back(limit == no_limit_bytes ? "-" : bytes_text(limit));
    }
    table += cells("td", row);
  }
  return table + "</table>\n";
}

constexpr const char* page_style =
    ":root{color-scheme:light dark}\n"
    "body{margin:24px;background:#fff;color:#24292f;"
    "font:14px/1.45 system-ui,'DejaVu Sans',Helvetica,Arial,sans-serif}\n"
    "h1{font-size:20px;margin:0 0 12px}h2{font-size:16px;margin:0 0 8px}\n"
    ".pair{display:flex;flex-wrap:wrap;gap:28px;align-items:flex-start}\n"
    "section{max-width:100%;overflow-x:auto}svg{display:block}\n"
    "table{border-collapse:collapse;margin:0 0 24px;font-variant-numeric:tabular-nums}\n"
    "th,td{padding:3px 14px 3px 0;text-align:right;white-space:nowrap;border-bottom:1px solid "
    "#d8dee4}\n"
    "th{font-weight:600}th:first-child,td:first-child{text-align:left}\n"
    "details{margin:8px 0 24px}summary{cursor:pointer}\n"
    "p{color:#59636e;max-width:72em}\n"
    "@media (prefers-color-scheme:dark){body{background:#16191d;color:#e3e7ec}\n"
    "th,td{border-color:#3a424b}p{color:#a3adb8}}\n";

}  // namespace

std::string svg_element(double width_px, double height_px, const std::string& title,
                        const std::string& content) {
  return fmt::format(
      "<svg xmlns=\"http://www.w3.org/2000/svg\" class=\"planaria\" width=\"{0}\" height=\"{1}\" "
      "viewBox=\"0 0 {0} {1}\" role=\"img\" aria-label=\"{2}\">\n{3}</svg>\n",
      decimal(width_px), decimal(height_px), escaped(title), content);
}

std::string svg_file(double width_px, double height_px, const std::string& title,
                     const std::string& content) {
  return "<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n" +
         svg_element(width_px, height_px, title, content);
}

std::string svg_of(const std::vector<ScheduleDrawing>& drawings) {
  check(!drawings.empty(), "a picture of at least one schedule");
  std::string content = "<style>\n" + panel_style() + "</style>\n";
  double width_px = 0;
  double height_px = 0;
  for (const Panel& panel : panels_of(drawings)) {
    content += fmt::format("<g transform=\"translate(0 {})\">\n{}</g>\n", decimal(height_px),
                           panel.markup);
    width_px = std::max(width_px, panel.width_px);
    height_px += panel.height_px;
  }
  return svg_file(width_px, height_px, drawings.front().title, content);
}

std::string html_of(const std::vector<ScheduleDrawing>& drawings) {
  check(!drawings.empty(), "a page of at least one schedule");
  const std::vector<Panel> panels = panels_of(drawings);
  const std::string title = escaped(drawings.front().title);
  std::string page = fmt::format(
      "<!DOCTYPE html>\n<html lang=\"en\" xmlns=\"http://www.w3.org/1999/xhtml\">\n<head>\n"
      "<meta charset=\"utf-8\"/>\n"
      "<meta name=\"viewport\" content=\"width=device-width, initial-scale=1\"/>\n"
      "<title>{}</title>\n<style>\n{}{}</style>\n</head>\n<body>\n<h1>{}</h1>\n{}<div "
      "class=\"pair\">\n",
      title, page_style, panel_style(), drawings.size() == 1 ? title : "Schedules",
      figures_table(drawings));
  for (std::size_t number = 0; number < drawings.size(); ++number) {
    const Panel& panel = panels[number];
    page += "<section>\n" +
            svg_element(panel.width_px, panel.height_px, drawings[number].title, panel.markup) +
            "<details open=\"open\"><summary>Ranks</summary>\n" + ranks_table(drawings[number]) +
            "</details>\n</section>\n";
  }
  return page +
         "</div>\n<p>Bubble: the share of the largest span in which a rank idles. Peak in flight: "
         "micro-batches, of one chunk, between F and B. The pointer on a bar tells its times.</p>\n"
         "</body>\n</html>\n";
}

}  // namespace planaria
