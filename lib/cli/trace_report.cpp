#include "cli/trace_report.hpp"

#include <vector>

#include <fmt/format.h>

#include <planaria/availability/trace_text.hpp>
#include <planaria/base/text.hpp>
#include <planaria/schedule/markup.hpp>

namespace planaria::cli {
namespace {

constexpr double day_ms = 86'400'000;

std::string turnover_text(const TurnoverSummary& summary) {
  if (summary.machines == 0) return "none";
  return fmt::format("{} in {}, at most {} at once", summary.machines,
                     counted(summary.events, "moment"), summary.largest);
}

std::string minutes(const std::optional<double>& value) {
  return value ? decimal(*value, 1) + " min" : "unknown";
}

std::string lifetimes_text(const LifetimeSummary& lifetimes) {
  return fmt::format(
      "median {}, mean {} of {} that ended; median {} by Kaplan-Meier, with {} still there",
      minutes(lifetimes.median_min), minutes(lifetimes.mean_min), lifetimes.ended,
      minutes(lifetimes.kaplan_meier_median_min), lifetimes.still_there);
}

std::string oddities_text(const std::vector<TraceOddity>& oddities) {
  std::vector<std::string> texts;
  for (const TraceOddity& oddity : oddities) {
    texts.push_back(fmt::format("{} {}, first in line {}", oddity.kind,
                                counted(oddity.count, "time"), oddity.first_line));
  }
  return texts.empty() ? "nothing" : join(texts, "; ");
}

std::string sizes_text(const std::vector<BurstSize>& sizes) {
  double weights = 0;
  for (const BurstSize& size : sizes) weights += size.weight;
  std::vector<std::string> texts;
  for (const BurstSize& size : sizes) {
    texts.push_back(
        fmt::format("{} ({} %)", size.machines, decimal(100 * size.weight / weights, 1)));
  }
  return join(texts, ", ");
}

}  // namespace

std::string text_of_span_ms(double span_ms) {
  if (span_ms < 3 * day_ms) return text_of_duration_ms(span_ms);
  const auto hours = static_cast<std::int64_t>(span_ms / 3'600'000);
  return fmt::format("{} d {} h", hours / 24, hours % 24);
}

std::string machines_text(const TraceSummary& summary) {
  return fmt::format("{} machines on average, {} to {}", decimal(summary.mean), summary.min,
                     summary.max);
}

std::string text_of(const TraceSummary& summary, const std::string& name) {
  std::string text = fmt::format("{}: {}, {}\n", name, name_of(summary.form),
                                 text_of_span_ms(static_cast<double>(summary.duration_ms)));
  text += fmt::format("  machines   {} on average, {} to {}, {} at first\n", decimal(summary.mean),
                      summary.min, summary.max, summary.initial);
  text += fmt::format("  of the time {} % at {}, {} % at 0", decimal(100 * summary.share_at_max, 1),
                      summary.max, decimal(100 * summary.share_at_zero, 1));
  if (summary.longest_zero_ms > 0) {
    text += fmt::format(", for {} at most",
                        text_of_span_ms(static_cast<double>(summary.longest_zero_ms)));
  }
  text += fmt::format("\n  lost       {}", turnover_text(summary.preemptions));
  if (summary.preemptions_per_machine_hour) {
    text += fmt::format("; {} per machine-hour", figure(*summary.preemptions_per_machine_hour));
  }
  text += fmt::format("\n  joined     {}\n", turnover_text(summary.allocations));
  if (summary.lifetimes) text += "  lifetime   " + lifetimes_text(*summary.lifetimes) + "\n";
  if (!summary.lifetimes && summary.spell_above_zero_min) {
    text += fmt::format("  spells     median {} above 0\n", minutes(summary.spell_above_zero_min));
  }
  return text + "  odd        " + oddities_text(summary.oddities);
}

std::string text_of(const TraceLaw& law) {
  std::string text = fmt::format("law: {} machines on average, at most {}, {} at first, {}\n",
                                 decimal(law.mean_machines), law.machines_max, law.initial,
                                 counted(law.zones, "zone"));
  std::vector<std::string> ages;
  for (const HazardPiece& piece : law.hazard) {
    ages.push_back(
        fmt::format("{} from {} min on", figure(piece.per_hour), decimal(piece.from_min)));
  }
  text += "  lost per machine-hour  " + join(ages, ", ") + "\n";
  text += "  lost at once           " + sizes_text(law.loss_bursts) + "\n";
  text += "  joined at once         " + sizes_text(law.join_bursts) + "\n";
  text += law.storm_strength > 0 ? fmt::format("  storms                 {} of {} min\n",
                                               decimal(law.storm_strength), decimal(law.storm_min))
                                 : "  storms                 none\n";
  return text + (law.day_strength > 0
                     ? fmt::format("  by the day             {}, most at {} h",
                                   decimal(law.day_strength), decimal(law.day_peak_h))
                     : "  by the day             even");
}

}  // namespace planaria::cli
