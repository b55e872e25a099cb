#include "cli/simulate_charts.hpp"
#include "cli/grid_layout.hpp"

#include <algorithm>
#include <cmath>
#include <cstdint>
#include <iterator>
#include <set>

#include <fmt/format.h>

#include <planaria/base/text.hpp>
#include <planaria/schedule/markup.hpp>

#include "cli/axis_steps.hpp"
#include "cli/simulate_looks.hpp"

namespace planaria::cli {
namespace {

// A drawing's units: an interval across, and from 0 at the top to this at the bottom.
constexpr double bottom = 1000;
constexpr std::size_t points_max = 2000;  // of a line; more cannot be seen

/// An axis of amounts, from 0 up.
struct Scale {
  double step = 1;
  double top = 1;
  [[nodiscard]] double y(double amount) const {
    return bottom * (1 - (std::clamp(amount, 0.0, top) / top));
  }
};

Scale scale_to(double most) {
  const double step = amount_step(most);
  return {step, step * std::max(1.0, std::ceil(most / step))};
}

/// "1.5 M", "400 k", "32".
std::string amount_text(double amount) {
  if (amount >= 1e9) return decimal(amount / 1e9) + " G";
  if (amount >= 1e6) return decimal(amount / 1e6) + " M";
  if (amount >= 1e4) return decimal(amount / 1e3) + " k";
  return decimal(amount);
}

std::string layout_text(const GridLayout& layout) {
  if (layout.empty()) return "nobody trains";
  return fmt::format("{}, {}", grid_text(layout), counted(layout.workers(), "worker"));
}

class Charts {
 public:
  Charts(const Question& question, const std::vector<Answer>& answers,
         const std::vector<double>& ideal)
      : question_(question),
        answers_(answers),
        ideal_(ideal),
        count_(ideal.size()),
        interval_ms_(question.request.interval_ms),
        time_(time_scale(static_cast<double>(count_) * interval_ms_ / minute_ms)) {
    for (std::size_t t = 0; t < count_; ++t)
      machines_max_ = std::max(machines_max_, event(t).count);
    for (const Answer& answer : answers) {
      for (const SimulatedInterval& one : answer.simulation.intervals) {
        if (!one.choice.layout.empty()) depths_.insert(one.choice.layout.depth);
      }
    }
  }

  [[nodiscard]] std::string markup() const {
    return machines() + layouts() + samples() + missing() + standing();
  }

 private:
  static constexpr double minute_ms = 60'000;

  [[nodiscard]] const IntervalCounts& event(std::size_t t) const {
    return question_.intervals[question_.request.first + t];
  }
  /// Where an interval begins, in % of the width.
  [[nodiscard]] double left_percent(std::size_t t) const {
    return 100 * static_cast<double>(t) / static_cast<double>(count_);
  }
  [[nodiscard]] double begin_ms() const {
    return static_cast<double>(question_.request.first) * interval_ms_;
  }
  [[nodiscard]] std::string clock(std::size_t t) const {
    return clock_text(begin_ms() + (static_cast<double>(t) * interval_ms_));
  }

  /// Calls `tick` with the place, in intervals, and the words of each mark on the axis of time.
  template <class Tick>
  void each_tick(const Tick& tick) const {
    const double step_ms = time_.step_min * minute_ms;
    const double end_ms = begin_ms() + (static_cast<double>(count_) * interval_ms_);
    for (double mark = std::ceil(begin_ms() / step_ms); mark * step_ms <= end_ms; ++mark) {
      tick((mark * step_ms - begin_ms()) / interval_ms_,
           decimal(mark * time_.step_min / time_.unit_min));
    }
  }

  /// A drawing as wide as there is room, with the amounts' axis where `scale` is given.
  [[nodiscard]] std::string plot(int height_px, const std::string& title,
                                 const std::string& content, const Scale* scale) const {
    std::string grid;
    each_tick([&](double x, const std::string&) {
      grid += fmt::format("M{} 0V{}", decimal(x), decimal(bottom));
    });
    std::string labels;
    // Where there is little room, only the ends.
    const double step = scale == nullptr ? 0 : height_px > 100 ? scale->step : scale->top;
    for (double amount = 0; scale != nullptr && amount <= scale->top; amount += step) {
      if (height_px > 100) {
        grid += fmt::format("M0 {}H{}", decimal(scale->y(amount)), count_);
      }
      labels += fmt::format("<span class=\"amount\" style=\"top:{}%\">{}</span>",
                            decimal(scale->y(amount) * 100 / bottom), amount_text(amount));
    }
    return fmt::format(
        "<div class=\"plot\" style=\"height:{}px\"><svg viewBox=\"0 0 {} {}\" "
        "preserveAspectRatio=\"none\" role=\"img\" aria-label=\"{}\"><path class=\"grid\" "
        "d=\"{}\"/>{}</svg>{}<i class=\"cursor\"></i></div>\n",
        height_px, count_, bottom, escaped(title), grid, content, labels);
  }

  /// The axis of time.
  [[nodiscard]] std::string axis() const {
    std::string text = "<div class=\"axis\">";
    std::size_t number = 0;
    each_tick([&](double x, const std::string& words) {
      text += fmt::format("<span class=\"{}\" style=\"left:{}%\">{}</span>",
                          number++ % 2 == 0 ? "even" : "odd",
                          decimal(100 * x / static_cast<double>(count_)), words);
    });
    return text +
           fmt::format("</div>\n<div class=\"unit\">{} since the record began</div>\n", time_.name);
  }

  static std::string section(const std::string& title, const std::string& words,
                             const std::string& content) {
    return fmt::format(
        "<section>\n<h2>{}</h2>\n<p>{}</p>\n<div class=\"chart\">\n{}</div>\n"
        "</section>\n",
        title, words, content);
  }

  /// A line that steps to value(t) at each interval's begin.
  template <class Value>
  [[nodiscard]] std::string steps(const Scale& scale, const Value& value) const {
    std::string path = fmt::format("M0 {}", decimal(scale.y(value(0))));
    for (std::size_t t = 1; t < count_; ++t) {
      if (value(t) != value(t - 1)) path += fmt::format("H{}V{}", t, decimal(scale.y(value(t))));
    }
    return path + fmt::format("H{}", count_);
  }
  template <class Value>
  [[nodiscard]] std::string area(const Scale& scale, const Value& value) const {
    return steps(scale, value) + fmt::format("V{}H0Z", bottom);
  }

  /// One bar an interval where value(t) is above 0, from `from` by `unit` times it: down, or up
  /// where `unit` is below 0.
  template <class Value>
  [[nodiscard]] std::string bars(double from, double unit, const Value& value) const {
    std::string path;
    for (std::size_t t = 0; t < count_; ++t) {
      if (value(t) > 0) {
        path += fmt::format("M{} {}h1v{}h-1Z", t, decimal(from), decimal(unit * value(t)));
      }
    }
    return path;
  }

  [[nodiscard]] std::string machines() const {
    const Scale scale = scale_to(machines_max_);
    const auto there = [&](std::size_t t) { return event(t).count; };
    int most = 1;  // after the first interval, in which those that begin would dwarf all others
    std::int64_t joined = 0;
    std::int64_t lost = 0;
    for (std::size_t t = 0; t < count_; ++t) {
      if (t > 0 || count_ == 1) most = std::max({most, event(t).joined, event(t).lost});
      joined += event(t).joined;
      lost += event(t).lost;
    }
    const double unit = bottom / 2 / most;
    const std::string turnover = fmt::format(
        "<path class=\"joined\" d=\"{}\"/><path class=\"lost\" d=\"{}\"/>"
        "<path class=\"zero\" d=\"M0 {}H{}\"/>",
        bars(bottom / 2, -unit, [&](std::size_t t) { return std::min(event(t).joined, most); }),
        bars(bottom / 2, unit, [&](std::size_t t) { return std::min(event(t).lost, most); }),
        bottom / 2, count_);
    return section(
        "Machines",
        fmt::format("{} joined and {} were lost. Full height: {} in an interval.", joined, lost,
                    counted(most, "machine")),
        plot(150, "machines over time",
             fmt::format("<path class=\"there\" d=\"{}\"/><path class=\"count\" d=\"{}\"/>",
                         area(scale, there), steps(scale, there)),
             &scale) +
            "<div class=\"named\">" +
            plot(64, "joined, upwards, and lost, downwards", turnover, nullptr) +
            "<span class=\"amount\" style=\"top:25%\">joined</span>"
            "<span class=\"amount\" style=\"top:75%\">lost</span></div>\n" +
            axis());
  }

  [[nodiscard]] std::size_t look_of(int depth) const {
    const auto rank = static_cast<std::size_t>(std::distance(depths_.begin(), depths_.find(depth)));
    return depths_.size() == 1 ? 0 : rank * (depth_looks - 1) / (depths_.size() - 1);
  }

  /// Boxes in the depths' colours, one for each run of intervals with the same layout.
  [[nodiscard]] std::string band(const Answer& answer) const {
    const auto& intervals = answer.simulation.intervals;
    std::string text = "<div class=\"band\">";
    for (std::size_t first = 0, end = 0; first < count_; first = end) {
      const GridLayout& layout = intervals[first].choice.layout;
      while (end < count_ && intervals[end].choice.layout == layout) ++end;
      if (layout.empty()) continue;
      text += fmt::format(
          "<span class=\"d{}\" style=\"left:{}%;width:{}%\" title=\"{} to {}: "
          "{}\"><b>{}</b></span>",
          look_of(layout.depth), decimal(left_percent(first), 3),
          decimal(left_percent(end) - left_percent(first), 3), clock(first), clock(end),
          layout_text(layout), layout.depth);
    }
    return text + "</div>\n";
  }

  [[nodiscard]] std::string layouts() const {
    const Scale scale = scale_to(machines_max_);
    const auto there = [&](std::size_t t) { return event(t).count; };
    std::string content;
    for (std::size_t policy = 0; policy < answers_.size(); ++policy) {
      const Answer& answer = answers_[policy];
      const auto used = [&](std::size_t t) {
        return answer.simulation.intervals[t].choice.layout.workers();
      };
      content +=
          name_of(policy) +
          plot(56, "workers in use of " + answer.policy,
               fmt::format("<path class=\"{} used\" d=\"{}\"/><path class=\"count\" d=\"{}\"/>",
                           policy_class(policy), area(scale, used), steps(scale, there)),
               &scale) +
          band(answer);
    }
    std::string depths;
    for (const int depth : depths_) {
      depths += fmt::format(" <span class=\"key d{}\">{}</span>", look_of(depth), depth);
    }
    return section("Layouts",
                   "Filled: workers in use; line: machines there. Below, how many stages the "
                   "pipelines have:" +
                       depths,
                   content + axis());
  }

  [[nodiscard]] std::string name_of(std::size_t policy, const std::string& more = "") const {
    return fmt::format("<h3>{}{}{}</h3>\n", sample(policy), escaped(answers_[policy].policy),
                       more.empty() ? "" : "<small>" + escaped(more) + "</small>");
  }
  static std::string sample(std::size_t policy) {
    return fmt::format(
        "<svg class=\"sample\" viewBox=\"0 0 28 8\"><path class=\"{} line\" "
        "d=\"M0 4H28\"/></svg>",
        policy_class(policy));
  }
  [[nodiscard]] std::string key() const {
    std::string text;
    for (std::size_t policy = 0; policy < answers_.size(); ++policy) {
      text +=
          "<span class=\"key\">" + sample(policy) + escaped(answers_[policy].policy) + "</span> ";
    }
    return text;
  }

  /// A line through what is reached at the intervals' ends.
  [[nodiscard]] std::string line(const std::string& style_class, const Scale& scale,
                                 const std::vector<double>& reached) const {
    const std::size_t stride = ((count_ - 1) / points_max) + 1;
    std::string path = fmt::format("M0 {}L", decimal(scale.y(0)));
    for (std::size_t t = 0; t < count_; ++t) {
      if (t % stride != 0 && t + 1 != count_) continue;
      path += fmt::format("{} {} ", t + 1, decimal(scale.y(reached[t])));
    }
    path.pop_back();
    return fmt::format("<path class=\"{}\" d=\"{}\"/>", style_class, path);
  }
  [[nodiscard]] std::vector<double> ideal_so_far() const {
    std::vector<double> sums;
    double sum = 0;
    for (const double samples : ideal_) sums.push_back(sum += samples);
    return sums;
  }
  [[nodiscard]] static std::vector<double> samples_so_far(const Answer& answer) {
    std::vector<double> sums;
    double sum = 0;
    for (const auto& interval : answer.simulation.intervals)
      sums.push_back(sum += interval.samples);
    return sums;
  }

  [[nodiscard]] std::string samples() const {
    const std::vector<double> ideal = ideal_so_far();
    const Scale scale = scale_to(ideal.back());
    std::string lines = line("best", scale, ideal);
    for (std::size_t policy = 0; policy < answers_.size(); ++policy) {
      lines += line(policy_class(policy) + " line", scale, samples_so_far(answers_[policy]));
    }
    return section("Samples so far",
                   key() +
                       "<span class=\"key\"><svg class=\"sample\" viewBox=\"0 0 28 8\"><path "
                       "class=\"best\" d=\"M0 4H28\"/></svg>ideal</span>",
                   plot(240, "samples so far", lines, &scale) + axis());
  }

  [[nodiscard]] std::string missing() const {
    const std::vector<double> ideal = ideal_so_far();
    std::vector<std::vector<double>> all;
    double most = 0;
    for (const Answer& answer : answers_) {
      std::vector<double>& gaps = all.emplace_back(samples_so_far(answer));
      for (std::size_t t = 0; t < count_; ++t) most = std::max(most, gaps[t] = ideal[t] - gaps[t]);
    }
    const Scale scale = scale_to(most);
    std::string lines;
    for (std::size_t policy = 0; policy < all.size(); ++policy) {
      lines += line(policy_class(policy) + " line", scale, all[policy]);
    }
    return section("Missing to the ideal",
                   key() + "<br/>By how many samples so far the ideal is ahead.",
                   plot(240, "samples missing to the ideal", lines, &scale) + axis());
  }

  [[nodiscard]] std::string standing() const {
    std::string content;
    for (std::size_t policy = 0; policy < answers_.size(); ++policy) {
      const Answer& answer = answers_[policy];
      const auto share = [&](std::size_t t) {
        return answer.simulation.intervals[t].standing_ms / interval_ms_;
      };
      content +=
          name_of(policy, fmt::format("{:.0f} s", standing_ms_of(answer) / 1000)) +
          plot(34, "time standing still of " + answer.policy,
               fmt::format("<path class=\"{} stood\" d=\"{}\"/><path class=\"zero\" d=\"M0 "
                           "{}H{}\"/>",
                           policy_class(policy), bars(bottom, -bottom, share), bottom, count_),
               nullptr);
    }
    return section("Standing still",
                   fmt::format("How long nobody trained in each interval; a bar of full height is "
                               "the whole interval, {:g} s.",
                               interval_ms_ / 1000),
                   content + axis());
  }

  const Question& question_;
  const std::vector<Answer>& answers_;
  const std::vector<double>& ideal_;
  std::size_t count_;
  double interval_ms_;
  TimeScale time_;
  int machines_max_ = 1;
  std::set<int> depths_;
};

}  // namespace

std::string simulate_charts(const Question& question, const std::vector<Answer>& answers,
                            const std::vector<double>& ideal) {
  return Charts(question, answers, ideal).markup();
}

std::string policy_class(std::size_t policy) {
  return fmt::format("p{}", policy % policy_looks);
}

std::string clock_text(double at_ms) {
  const std::int64_t whole_ms = std::llround(at_ms);
  const std::int64_t whole_s = whole_ms / 1000;
  std::string text = fmt::format("{}:{:02}:{:02}", whole_s / 3600, whole_s / 60 % 60, whole_s % 60);
  if (const std::int64_t rest_ms = whole_ms % 1000; rest_ms > 0) {
    text += decimal(static_cast<double>(rest_ms) / 1000, 3).substr(1);
  }
  return text;
}

}  // namespace planaria::cli
