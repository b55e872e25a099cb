// availability/backtest.hpp: what a forecaster's forecasts were worth over a record. Floor 2, pure.
// Is: the scores, with one definition for all forecasters. Is not: a judgement of what the
// forecasts bring (simulated policies do that). No state, any thread.
//
// x[0], x[1], ... are the counts; I the look-ahead. At every origin t with t + I inside, after
// x[0] to x[t] and nothing else has been observed, F[t,h] is forecast for x[t+h], h = 1..I, with
// probabilities p[t,h]. Sums and means go over all origins and all h.
#pragma once

#include <array>
#include <cstdint>
#include <optional>
#include <span>
#include <vector>

#include <planaria/availability/forecast.hpp>
#include <planaria/availability/trace.hpp>

namespace planaria {

/// Of the forecasts that foretold below it with a probability of `stated`, this part was below.
struct CalibrationPoint {
  double stated = 0;
  double observed = 0;
  friend bool operator==(const CalibrationPoint&, const CalibrationPoint&) = default;
};

struct Backtest {
  /// sum |median of F - x| / sum x; 0 where there was never a machine.
  double normalized_l1 = 0;
  /// Mean of sum over v = 0, 1, ... of (F(v) - [x <= v])^2, in machines: of a certain forecast its
  /// absolute error.
  double crps = 0;
  /// Mean of -ln p(x), x the count; nothing where a count had the probability 0.
  std::optional<double> log_loss;
  std::int64_t intervals = 0;  // origins scored
  /// u = 0.1 to 0.9: the mean of clamp((u - F(x - 1)) / p(x), 0, 1), which is the expectation of
  /// the randomised probability integral transform's distribution at u (Czado, Gneiting and Held
  /// 2009). A point on the diagonal is what a calibrated forecast has, discrete as it is.
  std::array<CalibrationPoint, 9> calibration{};
  friend bool operator==(const Backtest&, const Backtest&) = default;
};

/// Scores a forecaster that has observed nothing; it has observed all afterwards. Requires a
/// look-ahead it was made for. O(intervals look_ahead values) and the forecasts.
[[nodiscard]] Backtest backtest(std::span<const IntervalCounts> record, Forecaster& forecaster,
                                int look_ahead);

/// Returns the back-test of each look-ahead, from one pass with a forecaster made for the largest.
[[nodiscard]] std::vector<Backtest> backtests(std::span<const IntervalCounts> record,
                                              Forecaster& forecaster,
                                              std::span<const int> look_aheads);

/// Returns the CRPS of one forecast, as above. O(values).
[[nodiscard]] double crps_of(const Distribution& forecast, int value);

}  // namespace planaria
