// The law behind a trace: moments and rates, each from what the trace tells of it.
#include <algorithm>
#include <array>
#include <cmath>
#include <cstddef>
#include <map>
#include <utility>
#include <vector>

#include <planaria/availability/describe.hpp>
#include <planaria/availability/trace_law.hpp>

namespace planaria {
namespace {

constexpr double hour_ms = 3'600'000;
constexpr double minute_ms = 60'000;
/// An age is told apart from the one before with so many losses, and no fewer.
constexpr int losses_min = 8;
constexpr std::array<double, 7> age_edges_min{0, 15, 30, 60, 120, 240, 480};

/// Losses, and machine-hours seen, of an age.
struct AgeSpan {
  double from_min = 0;
  double exposure_h = 0;
  int losses = 0;
};

std::vector<AgeSpan> spans_of(const Trace& trace) {
  std::vector<AgeSpan> spans;
  for (std::size_t i = 0; i < age_edges_min.size(); ++i) {
    const double from = age_edges_min[i];
    const double to = i + 1 < age_edges_min.size() ? age_edges_min[i + 1] : 1e12;
    AgeSpan span{from, 0, 0};
    for (const MachineLife& life : trace.lives) {
      const double age_min =
          static_cast<double>(life.to_ms.value_or(trace.end_ms) - life.from_ms) / minute_ms;
      span.exposure_h += std::max(0.0, std::min(age_min, to) - from) / 60;
      // Who was seen for the last time at one poll is missed at the next: ages are rounded up.
      const bool is_first = i == 0 && age_min <= 0;
      if (life.to_ms && (is_first || (age_min > from && age_min <= to))) ++span.losses;
    }
    spans.push_back(span);
  }
  return spans;
}

/// Neighbouring ages are one where either has too few losses to tell.
std::vector<HazardPiece> hazard_by_age(const Trace& trace) {
  std::vector<AgeSpan> merged;
  for (const AgeSpan& span : spans_of(trace)) {
    const bool joins =
        !merged.empty() && (merged.back().losses < losses_min || span.losses < losses_min);
    if (!joins) {
      merged.push_back(span);
      continue;
    }
    merged.back().exposure_h += span.exposure_h;
    merged.back().losses += span.losses;
  }
  std::vector<HazardPiece> hazard;
  for (const AgeSpan& span : merged) {
    hazard.push_back({span.from_min, span.exposure_h > 0 ? span.losses / span.exposure_h : 0});
  }
  return hazard;
}

std::vector<BurstSize> bursts_of(const std::vector<TraceChange>& changes,
                                 int TraceChange::*machines) {
  std::map<int, double> seen;
  for (const TraceChange& change : changes) {
    if (change.*machines > 0) ++seen[change.*machines];
  }
  std::vector<BurstSize> sizes;
  for (const auto& [size, times] : seen) sizes.push_back({size, times});
  if (sizes.empty()) sizes.push_back({1, 1});
  return sizes;
}

/// What happened in a window of time.
struct Window {
  double moments = 0;  // at which any machine was lost
  double machine_h = 0;
};

std::vector<Window> windows_of(const Trace& trace, double window_ms) {
  const auto duration_ms = static_cast<double>(trace.end_ms - trace.first_ms);
  std::vector<Window> windows(static_cast<std::size_t>(duration_ms / window_ms));
  std::size_t next = 0;
  int count = trace.initial;
  for (std::size_t i = 0; i < windows.size(); ++i) {
    double at_ms = static_cast<double>(i) * window_ms;
    const double end_ms = at_ms + window_ms;
    for (; next < trace.changes.size(); ++next) {
      const TraceChange& change = trace.changes[next];
      const auto change_ms = static_cast<double>(change.at_ms - trace.first_ms);
      if (change_ms >= end_ms) break;
      windows[i].machine_h += count * (change_ms - at_ms) / hour_ms;
      if (change.lost > 0) ++windows[i].moments;
      count += change.joined - change.lost;
      at_ms = change_ms;
    }
    windows[i].machine_h += count * (end_ms - at_ms) / hour_ms;
  }
  return windows;
}

/// How much more than by chance the moments of loss vary between windows of so many minutes, as a
/// share of the squared number that the machines in them let expect; 0 with too few windows.
double excess_of(const Trace& trace, double window_min) {
  const std::vector<Window> windows = windows_of(trace, window_min * minute_ms);
  double moments = 0;
  double machine_h = 0;
  for (const Window& window : windows) {
    moments += window.moments;
    machine_h += window.machine_h;
  }
  if (windows.size() < 4 || moments == 0 || machine_h <= 0) return 0;
  double surplus = -moments;
  double squares = 0;
  for (const Window& window : windows) {
    const double expected = moments / machine_h * window.machine_h;
    surplus += (window.moments - expected) * (window.moments - expected);
    squares += expected * expected;
  }
  return surplus / squares;
}

/// The share of strength^2 by which storms of `storm_min` make windows vary.
double share_in(double window_min, double storm_min) {
  const double x = 2 * window_min / storm_min;
  return 2 * (x - 1 + std::exp(-x)) / (x * x);
}

/// Strength and length of storms whose excess in windows of several lengths is nearest.
std::pair<double, double> storms_of(const Trace& trace) {
  constexpr std::array<double, 4> windows_min{15, 30, 60, 120};
  std::array<double, windows_min.size()> excess{};
  for (std::size_t i = 0; i < windows_min.size(); ++i) excess[i] = excess_of(trace, windows_min[i]);
  std::pair<double, double> best{0, 60};
  double least = 0;
  for (const double one : excess) least += one * one;
  for (const double storm_min : {15.0, 30.0, 60.0, 120.0, 240.0, 480.0, 960.0}) {
    double products = 0;
    double squares = 0;
    for (std::size_t i = 0; i < windows_min.size(); ++i) {
      const double share = share_in(windows_min[i], storm_min);
      products += excess[i] * share;
      squares += share * share;
    }
    const double strength_squared = std::clamp(products / squares, 0.0, 0.9);
    double error = 0;
    for (std::size_t i = 0; i < windows_min.size(); ++i) {
      const double off = excess[i] - strength_squared * share_in(windows_min[i], storm_min);
      error += off * off;
    }
    if (error < least) {
      least = error;
      best = {std::sqrt(strength_squared), storm_min};
    }
  }
  return best;
}

}  // namespace

Result<TraceLaw> fit_law(const Trace& trace) {
  const TraceSummary summary = describe(trace);
  if (summary.preemptions.machines == 0 || summary.mean <= 0) {
    return Fault::infeasible("trace: no machine is lost in it, must be one at least to fit a law");
  }
  TraceLaw law;
  law.machines_max = summary.max;
  law.mean_machines = std::min(summary.mean, 0.98 * summary.max);
  law.initial = trace.initial;
  law.hazard = hazard_by_age(trace);
  const bool tells_ages = trace.form == TraceForm::events &&
                          std::any_of(law.hazard.begin(), law.hazard.end(),
                                      [](const HazardPiece& piece) { return piece.per_hour > 0; });
  if (!tells_ages) law.hazard = {{0, *summary.preemptions_per_machine_hour}};
  for (HazardPiece& piece : law.hazard) piece.per_hour = std::min(piece.per_hour, 1000.0);
  law.loss_bursts = bursts_of(trace.changes, &TraceChange::lost);
  law.join_bursts = bursts_of(trace.changes, &TraceChange::joined);
  const auto [strength, length_min] = storms_of(trace);
  law.storm_strength = strength;
  law.storm_min = length_min;
  return law;
}

}  // namespace planaria
