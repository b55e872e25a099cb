#include "cli/trace_picture.hpp"

#include <algorithm>
#include <cmath>
#include <cstddef>
#include <vector>

#include <fmt/format.h>

#include <planaria/availability/describe.hpp>
#include <planaria/schedule/markup.hpp>

#include "cli/axis_steps.hpp"
#include "cli/trace_report.hpp"

namespace planaria::cli {
namespace {

constexpr double width_px = 1000;
constexpr double height_px = 440;
constexpr double left_px = 64;
constexpr double right_px = 976;
constexpr double top_px = 76;
constexpr double bottom_px = 290;
constexpr double middle_px = 350;  // of who joined (above) and was lost (below)
constexpr double bar_max_px = 34;
constexpr double axis_px = 396;
constexpr double column_px = 2;
constexpr auto columns = static_cast<std::size_t>((right_px - left_px) / column_px);
constexpr std::size_t sparse_max = 200;  // changes whose colours can be told apart
constexpr double minute_ms = 60'000;

constexpr const char* style =
    "text{font:12px system-ui,'DejaVu Sans',Helvetica,Arial,sans-serif;fill:#57606a}"
    ".title{font-size:17px;font-weight:600;fill:#24292f}.end{text-anchor:end}"
    ".middle{text-anchor:middle}"
    ".grid{stroke:#e4e8ec;stroke-width:1}.axis{stroke:#8c959f;stroke-width:1}"
    ".area{fill:#d7e5f7}.line{fill:none;stroke:#1f5fa8;stroke-width:1.6;stroke-linejoin:round}"
    ".band{fill:#9dbde3}.joined{fill:#2a9158}.lost{fill:#cf3a2c}"
    ".up{stroke:#2a9158;stroke-width:2.4}.down{stroke:#cf3a2c;stroke-width:2.4}";

/// What happened in a column of pixels.
struct Column {
  int fewest = 0, most = 0;
  double mean = 0;
  std::int64_t joined = 0, lost = 0;
};

class TracePicture {
 public:
  TracePicture(const Trace& trace, const std::string& title)
      : trace_(trace),
        title_(title),
        summary_(describe(trace)),
        span_ms_(std::max<double>(static_cast<double>(trace.end_ms - trace.first_ms), 1)) {
    const int most = std::max(summary_.max, 1);
    count_step_ = static_cast<int>(amount_step(most));
    top_count_ = (most + count_step_ - 1) / count_step_ * count_step_;
  }

  std::string svg() {
    text_ = fmt::format(
        "<svg xmlns=\"http://www.w3.org/2000/svg\" width=\"{0}\" height=\"{1}\" viewBox=\"0 0 {0} "
        "{1}\">\n<style>{2}</style>\n<title>{3}</title>\n<rect width=\"{0}\" height=\"{1}\" "
        "fill=\"#fff\"/>\n",
        decimal(width_px), decimal(height_px), style, escaped(title_));
    words();
    grid();
    const bool is_dense = trace_.changes.size() > columns;
    const std::vector<Column> all = columns_of();
    if (is_dense) {
      band(all);
    } else {
      steps();
    }
    bars(all);
    return text_ + "</svg>\n";
  }

 private:
  [[nodiscard]] double x_of(std::int64_t at_ms) const {
    return left_px + (right_px - left_px) * static_cast<double>(at_ms - trace_.first_ms) / span_ms_;
  }
  [[nodiscard]] double y_of(double count) const {
    return bottom_px - (bottom_px - top_px) * count / top_count_;
  }
  void line(const char* style_class, double x1, double y1, double x2, double y2) {
    text_ += fmt::format("<line class=\"{}\" x1=\"{}\" y1=\"{}\" x2=\"{}\" y2=\"{}\"/>\n",
                         style_class, decimal(x1), decimal(y1), decimal(x2), decimal(y2));
  }
  void word(double x, double y, const char* style_class, const std::string& words) {
    text_ += text_at(x, y, style_class, words) + "\n";
  }
  void rect(const char* style_class, double x, double y, double width, double height) {
    text_ += fmt::format("<rect class=\"{}\" x=\"{}\" y=\"{}\" width=\"{}\" height=\"{}\"/>\n",
                         style_class, decimal(x), decimal(y), decimal(width), decimal(height));
  }

  void words() {
    word(left_px, 28, "title", shortened(title_, 90));
    word(left_px, 50, "plain",
         fmt::format("{} over {}: {} lost in {} moments, {} joined in {}", machines_text(summary_),
                     text_of_span_ms(static_cast<double>(summary_.duration_ms)),
                     summary_.preemptions.machines, summary_.preemptions.events,
                     summary_.allocations.machines, summary_.allocations.events));
    text_ += fmt::format(
        "<text class=\"middle\" transform=\"translate(20 {}) rotate(-90)\">machines</text>\n",
        decimal((top_px + bottom_px) / 2));
    word(left_px - 8, middle_px - 12, "end", "joined");
    word(left_px - 8, middle_px + 20, "end", "lost");
  }

  void grid() {
    for (int count = 0; count <= top_count_; count += count_step_) {
      line("grid", left_px, y_of(count), right_px, y_of(count));
      word(left_px - 8, y_of(count) + 4, "end", fmt::to_string(count));
    }
    const TimeScale scale = time_scale(span_ms_ / minute_ms);
    for (int mark = 0; mark * scale.step_min <= span_ms_ / minute_ms; ++mark) {
      const double minutes = mark * scale.step_min;
      const double x = left_px + (right_px - left_px) * minutes * minute_ms / span_ms_;
      line("grid", x, top_px, x, axis_px);
      word(x, axis_px + 16, "middle", decimal(minutes / scale.unit_min));
    }
    word((left_px + right_px) / 2, axis_px + 36, "middle",
         fmt::format("{} since the record began", scale.name));
    line("axis", left_px, bottom_px, right_px, bottom_px);
  }

  void steps() {
    std::string path = fmt::format("M{} {}", decimal(left_px), decimal(y_of(trace_.initial)));
    std::string risers;
    int count = trace_.initial;
    const bool is_sparse = trace_.changes.size() <= sparse_max;  // else colours blur
    for (const TraceChange& change : trace_.changes) {
      const double x = x_of(change.at_ms);
      const int next = count + change.joined - change.lost;
      path += fmt::format("H{}V{}", decimal(x), decimal(y_of(next)));
      if (next != count && is_sparse) {
        risers += fmt::format("<line class=\"{}\" x1=\"{}\" y1=\"{}\" x2=\"{}\" y2=\"{}\"/>\n",
                              next > count ? "up" : "down", decimal(x), decimal(y_of(count)),
                              decimal(x), decimal(y_of(next)));
      }
      count = next;
    }
    path += fmt::format("H{}", decimal(right_px));
    text_ += fmt::format("<path class=\"area\" d=\"{}V{}H{}Z\"/>\n", path, decimal(bottom_px),
                         decimal(left_px));
    text_ += fmt::format("<path class=\"line\" d=\"{}\"/>\n", path) + risers;
  }

  void band(const std::vector<Column>& all) {
    std::string area = fmt::format("M{} {}", decimal(left_px), decimal(bottom_px));
    std::string upper, lower, middle;
    for (std::size_t i = 0; i < all.size(); ++i) {
      const double x = left_px + static_cast<double>(i) * column_px;
      const double end = x + column_px;
      area += fmt::format("V{}H{}", decimal(y_of(all[i].mean)), decimal(end));
      upper += fmt::format("V{}H{}", decimal(y_of(all[i].most)), decimal(end));
      lower = fmt::format("H{}V{}", decimal(end), decimal(y_of(all[i].fewest))) + lower;
      middle += fmt::format("{}{} {}", i == 0 ? "M" : "L", decimal(x + column_px / 2),
                            decimal(y_of(all[i].mean)));
    }
    text_ += fmt::format("<path class=\"area\" d=\"{}V{}Z\"/>\n", area, decimal(bottom_px));
    text_ += fmt::format("<path class=\"band\" d=\"M{} {}{}{}Z\"/>\n", decimal(left_px),
                         decimal(y_of(all.front().most)), upper, lower);
    text_ += fmt::format("<path class=\"line\" d=\"{}\"/>\n", middle);
    word(right_px, 68, "end", "line: the mean of each column; band: fewest to most");
  }

  /// What joined points up, what was lost down; each column of pixels is one bar.
  void bars(const std::vector<Column>& all) {
    std::int64_t most = 1;
    for (const Column& column : all) most = std::max({most, column.joined, column.lost});
    const double unit_px = bar_max_px / static_cast<double>(most);
    for (std::size_t i = 0; i < all.size(); ++i) {
      const double x = left_px + static_cast<double>(i) * column_px;
      const double up = unit_px * static_cast<double>(all[i].joined);
      const double down = unit_px * static_cast<double>(all[i].lost);
      if (up > 0) rect("joined", x, middle_px - up, column_px, up);
      if (down > 0) rect("lost", x, middle_px, column_px, down);
    }
    line("axis", left_px, middle_px, right_px, middle_px);
    word(right_px, 308, "end",
         fmt::format("longest bar: {} within {}", most, text_of_span_ms(span_ms_ / columns)));
  }

  [[nodiscard]] std::vector<Column> columns_of() const {
    std::vector<Column> all(columns);
    std::size_t next = 0;
    int count = trace_.initial;
    const double column_ms = span_ms_ / columns;
    for (std::size_t i = 0; i < columns; ++i) {
      Column& column = all[i];
      column.fewest = column.most = count;
      double at_ms = static_cast<double>(i) * column_ms;
      const double end_ms = at_ms + column_ms;
      for (; next < trace_.changes.size(); ++next) {
        const TraceChange& change = trace_.changes[next];
        const auto change_ms = static_cast<double>(change.at_ms - trace_.first_ms);
        if (change_ms >= end_ms && i + 1 < columns) break;
        column.mean += count * (change_ms - at_ms) / column_ms;
        at_ms = change_ms;
        count += change.joined - change.lost;
        column.fewest = std::min(column.fewest, count);
        column.most = std::max(column.most, count);
        column.joined += change.joined;
        column.lost += change.lost;
      }
      column.mean += count * (end_ms - at_ms) / column_ms;
    }
    return all;
  }

  const Trace& trace_;
  const std::string& title_;
  TraceSummary summary_;
  double span_ms_;
  int count_step_ = 1;  // between marks
  int top_count_ = 1;
  std::string text_;
};

}  // namespace

std::string trace_picture(const Trace& trace, const std::string& title) {
  return TracePicture(trace, title).svg();
}

}  // namespace planaria::cli
