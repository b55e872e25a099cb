#include "availability/kernel.hpp"

#include <algorithm>
#include <cmath>
#include <cstddef>
#include <initializer_list>

#include "availability/base_forecast.hpp"

namespace planaria::forecasting {
namespace {

// Outcomes h intervals ahead overlap from one interval to the next, so that each says less the
// larger h is: a class is believed more than its parent from strength_first + strength_more (h - 1)
// outcomes on.
constexpr double strength_first = 20;
constexpr double strength_more = 8;

/// A key of a few small numbers, each below 1024.
std::uint64_t key_of(std::initializer_list<int> numbers) {
  std::uint64_t key = numbers.size();
  for (const int number : numbers) {
    key = key << 10 | static_cast<std::uint64_t>(std::min(number, 1023));
  }
  return key;
}

int level_of(const Situation& now) {
  return static_cast<int>(now.level);
}

std::vector<std::uint64_t> by_activity(const Situation& now) {
  const int level = level_of(now);
  return {key_of({level}), key_of({level, now.quiet, now.phase}),
          key_of({level, now.quiet, now.phase, now.activity})};
}

std::vector<std::uint64_t> by_direction(const Situation& now) {
  const int level = level_of(now);
  return {key_of({level}), key_of({level, now.activity}),
          key_of({level, now.activity, now.quiet, now.phase}),
          key_of({level, now.activity, now.quiet, now.phase, now.rising ? 1 : 0})};
}

std::vector<std::uint64_t> by_level(const Situation& now) {
  return {key_of({}), key_of({level_of(now)})};
}

std::vector<std::uint64_t> by_count(const Situation& now) {
  return {key_of({now.count}), key_of({now.count, now.quiet, now.phase})};
}

std::vector<std::uint64_t> by_quiet_before(const Situation& now) {
  const int level = level_of(now);
  return {key_of({level}), key_of({level, now.quiet, now.phase}),
          key_of({level, now.quiet, now.phase, now.quiet_before, now.rising ? 1 : 0})};
}

}  // namespace

std::vector<KernelKind> count_kernels() {
  constexpr double recent = 240;
  return {{by_activity, Outcome::change, 0},
          {by_direction, Outcome::change, 0},
          {by_level, Outcome::change, recent},
          {by_count, Outcome::value, 0},
          {by_quiet_before, Outcome::change, 0}};
}

std::vector<KernelKind> event_kernels() {
  return {{by_activity, Outcome::value, 0}, {by_quiet_before, Outcome::value, 0}};
}

Kernel::Kernel(const KernelKind& kind, int look_ahead)
    : kind_(kind),
      look_ahead_(look_ahead),
      kept_(kind.half_life > 0 ? std::exp2(-1 / kind.half_life) : 1.0) {}

Kernel::Seen Kernel::seen_in(const Situation& now) {
  Seen seen;
  for (const std::uint64_t key : kind_.classes(now)) {
    std::vector<Outcomes>& by_interval = classes_[key];
    if (by_interval.empty()) by_interval.resize(static_cast<std::size_t>(look_ahead_));
    seen.push_back(&by_interval);
  }
  return seen;
}

void Kernel::foretell(const Situation& now, const Seen& seen, std::span<double> rows) const {
  const std::size_t length = rows.size() / static_cast<std::size_t>(look_ahead_);
  for (const std::vector<Outcomes>* by_interval : seen) {
    for (int h = 0; h < look_ahead_; ++h) {
      shrink((*by_interval)[static_cast<std::size_t>(h)], now, strength_first + strength_more * h,
             rows.subspan(static_cast<std::size_t>(h) * length, length));
    }
  }
}

void Kernel::shrink(const Outcomes& outcomes, const Situation& now, double strength,
                    std::span<double> row) const {
  if (outcomes.counts.empty()) return;
  const double whole = outcomes.sum + strength;
  const double believed = strength / whole;
  for (double& probability : row) probability *= believed;
  const int last = static_cast<int>(row.size()) - 1;
  for (const auto& [outcome, times] : outcomes.counts) {
    const double share = times / whole;
    if (kind_.outcome == Outcome::change) {
      add_count(row, std::clamp(now.count + outcome, 0, last), now.most, share);
    } else {
      row[static_cast<std::size_t>(std::clamp(outcome, 0, last))] += share;
    }
  }
}

void Kernel::learn(const Situation& then, const Seen& seen, int h, int outcome) const {
  const int kept_as = kind_.outcome == Outcome::change ? outcome - then.count : outcome;
  for (std::vector<Outcomes>* by_interval : seen) {
    Outcomes& outcomes = (*by_interval)[static_cast<std::size_t>(h - 1)];
    if (kept_ < 1) {
      for (auto& [of, times] : outcomes.counts) times *= kept_;
      outcomes.sum *= kept_;
    }
    const auto found = std::find_if(outcomes.counts.begin(), outcomes.counts.end(),
                                    [&](const auto& known) { return known.first == kept_as; });
    if (found == outcomes.counts.end()) {
      outcomes.counts.emplace_back(kept_as, 1.0);
    } else {
      found->second += 1;
    }
    outcomes.sum += 1;
  }
}

}  // namespace planaria::forecasting
