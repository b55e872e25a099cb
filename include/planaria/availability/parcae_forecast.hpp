// availability/parcae_forecast.hpp: the published predictor of Parcae (NSDI 2024) with its guards,
// rebuilt from a description of its artifact. Floor 2, pure.
// Is: a point forecast of what joins and is lost, for the policy `parcae` and as a forecast to
// compare with. Is not: what we would do (forecast.hpp, `best`). No state but ParcaeScaling, any
// thread.
#pragma once

#include <cstdint>
#include <optional>
#include <span>
#include <vector>

#include <planaria/availability/trace.hpp>

namespace planaria {

/// Factors that guard 3 sets in a steep history; they are never set back to 1.
struct ParcaeScaling {
  double in = 1;
  double out = 1;
  friend bool operator==(const ParcaeScaling&, const ParcaeScaling&) = default;
};

struct ParcaeOptions {
  int look_ahead = 12;  // and the counts of history that it looks at
  int count_min = 8;    // guard 5
  int count_max = 32;
  /// Guard 6 draws Poisson numbers keyed by this and the number of counts known. Nothing: their
  /// expectation, whole machines falling where its running sum rounds up.
  std::optional<std::uint64_t> seed = std::nullopt;
};

/// Returns the next `look_ahead` intervals after `counts`, all machine counts so far, the oldest
/// first, one at least. Call once for each interval: guard 3's factors carry over in `scaling`.
/// O(look_ahead).
[[nodiscard]] std::vector<IntervalCounts> parcae_forecast(std::span<const int> counts,
                                                          ParcaeScaling& scaling,
                                                          const ParcaeOptions& options = {});

namespace parcae {

/// Guard 1: an excursion of 3, then 2, then 1 values between two equal ones, all unlike them,
/// becomes as they are; from left to right.
void erase_excursions(std::vector<int>& history);
/// Guard 2: where the minimum lies below both ends, all before its last occurrence becomes the
/// minimum; else the same with a maximum above both ends.
void flatten_before_extremum(std::vector<int>& history);
/// Guard 3: a history that never falls and rises by 5 to 9 sets `in` to 0.75, by 10 and more to
/// 0.5; one that never rises sets `out` likewise.
void scale_steep(std::span<const int> history, ParcaeScaling& scaling);
/// Guard 4: repeats a constant history; else ARIMA(1,1,0) with a constant, fitted by least squares
/// to this history (slope within +-0.99; 0 where the steps before are all alike), rounded.
[[nodiscard]] std::vector<int> fit_and_extend(std::span<const int> history, int look_ahead);
/// Guard 5: from the second value on within 3 of the first, then all within count_min to count_max.
void clamp_forecast(std::vector<int>& forecast, const ParcaeOptions& options);
/// Guard 6's rate: the least of standard deviation, variance and mean of the history's losses.
[[nodiscard]] double flat_loss_rate(std::span<const int> history);

}  // namespace parcae
}  // namespace planaria
