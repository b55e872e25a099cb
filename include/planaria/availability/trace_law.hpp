// availability/trace_law.hpp: by what law machines come and go. Floor 2, pure.
// Is: the numbers that synthetic traces are drawn from, and their estimate from a real one. Is not:
// a forecast of what comes next. docs/availability.md says what each number does. No state, any
// thread.
#pragma once

#include <vector>

#include <planaria/availability/trace.hpp>
#include <planaria/base/json.hpp>
#include <planaria/base/result.hpp>

namespace planaria {

/// From an age on (until the next piece), so many losses per machine-hour.
struct HazardPiece {
  double from_min = 0;
  double per_hour = 0;
  friend bool operator==(const HazardPiece&, const HazardPiece&) = default;
};

/// So many machines at once, with this weight among the sizes of its list.
struct BurstSize {
  int machines = 1;
  double weight = 1;
  friend bool operator==(const BurstSize&, const BurstSize&) = default;
};

struct TraceLaw {
  static constexpr double age_min_max = 1'440'000;  // 1000 days

  /// What the count comes back to in the long run. Above 0, below machines_max.
  double mean_machines = 24;
  /// What is asked for: there are never more. 1 to 10000.
  int machines_max = 32;
  /// What is there at the begin; 0 to machines_max.
  int initial = 24;
  /// Losses by a machine's age: 0 first, ascending. 0 to 1000 each, above 0 somewhere.
  std::vector<HazardPiece> hazard{{0, 0.5}};
  /// How many go together, and how many come together. 1 to 10000 machines each.
  std::vector<BurstSize> loss_bursts{{1, 1}};
  std::vector<BurstSize> join_bursts{{1, 1}};
  /// Losses come in storms: all hazards are 1 + storm_strength and 1 - storm_strength times what
  /// they say, in turn, for storm_min minutes each on average. Strength 0 (no storms) to 1.
  double storm_strength = 0;
  double storm_min = 60;
  /// By the hour of the day hazards are up to 1 + day_strength times what they say, at day_peak_h,
  /// and 1 - day_strength twelve hours later. 0 to 1; 0 to 24.
  double day_strength = 0;
  double day_peak_h = 14;
  /// Machines are in one of so many zones; what goes together is of one. 1 to 26.
  int zones = 1;
  friend bool operator==(const TraceLaw&, const TraceLaw&) = default;
};

/// Returns whether the law can be drawn from; invalid_input names the number that does not hold.
[[nodiscard]] Result<void> verify(const TraceLaw& law);

/// Returns the law that a trace follows, as far as it tells: hazard by age of machines with names,
/// else one for all ages; a strength and a length of storms that explain how unevenly losses are
/// spread. infeasible: no machine is ever lost.
[[nodiscard]] Result<TraceLaw> fit_law(const Trace& trace);

/// Returns the law as an object, without a version.
[[nodiscard]] Json to_json(const TraceLaw& law);

/// Returns the mean of the sizes, each at most `machines_max`.
[[nodiscard]] double mean_burst(const std::vector<BurstSize>& sizes, int machines_max);

/// Returns the mean lifetime in hours under hazards that do not change with time, ages taken in
/// steps of `tick_min`.
[[nodiscard]] double mean_life_h(const std::vector<HazardPiece>& hazard, double tick_min);

/// Returns the losses per machine-hour at that age.
[[nodiscard]] double hazard_at(const std::vector<HazardPiece>& hazard, double age_min);

}  // namespace planaria
