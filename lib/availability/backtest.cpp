#include <planaria/availability/backtest.hpp>

#include <algorithm>
#include <cmath>
#include <cstddef>
#include <cstdlib>

namespace planaria {
namespace {

struct Sums {
  double absolute_error = 0;
  double counts = 0;
  double crps = 0;
  double log_loss = 0;
  bool impossible = false;  // something that had probability 0 came
  std::array<double, 9> below{};
  std::int64_t forecasts = 0;
  std::int64_t origins = 0;
};

double stated_at(std::size_t point) {
  return static_cast<double>(point + 1) / 10;
}

void score(const Distribution& forecast, int value, Sums& sums) {
  sums.absolute_error += std::abs(forecast.median() - value);
  sums.counts += value;
  sums.crps += crps_of(forecast, value);
  ++sums.forecasts;
  const double probability = forecast.probability(value);
  if (probability > 0) {
    sums.log_loss -= std::log(probability);
  } else {
    sums.impossible = true;
  }
  double before = 0;
  for (int below = 0; below < std::min(value, forecast.largest() + 1); ++below) {
    before += forecast.probability(below);
  }
  for (std::size_t point = 0; point < sums.below.size(); ++point) {
    const double beyond = stated_at(point) - before;
    // Where the value had no probability, its step is a jump.
    sums.below[point] +=
        probability > 0 ? std::clamp(beyond / probability, 0.0, 1.0) : (beyond >= 0 ? 1.0 : 0.0);
  }
}

Backtest result_of(const Sums& sums) {
  Backtest result;
  const auto forecasts = static_cast<double>(std::max<std::int64_t>(sums.forecasts, 1));
  result.normalized_l1 = sums.counts > 0 ? sums.absolute_error / sums.counts : 0;
  result.crps = sums.crps / forecasts;
  if (!sums.impossible && sums.forecasts > 0) result.log_loss = sums.log_loss / forecasts;
  result.intervals = sums.origins;
  for (std::size_t point = 0; point < sums.below.size(); ++point) {
    result.calibration[point] = {stated_at(point), sums.below[point] / forecasts};
  }
  return result;
}

}  // namespace

double crps_of(const Distribution& forecast, int value) {
  double sum = 0;
  double below = 0;
  for (int v = 0; v < std::max(value, forecast.largest()); ++v) {
    below += forecast.probability(v);
    const double gap = below - (v >= value ? 1.0 : 0.0);
    sum += gap * gap;
  }
  return sum;
}

Backtest backtest(std::span<const IntervalCounts> record, Forecaster& forecaster, int look_ahead) {
  return backtests(record, forecaster, std::span(&look_ahead, 1)).front();
}

std::vector<Backtest> backtests(std::span<const IntervalCounts> record, Forecaster& forecaster,
                                std::span<const int> look_aheads) {
  std::vector<Sums> sums(look_aheads.size());
  for (std::size_t origin = 0; origin < record.size(); ++origin) {
    forecaster.observe(record[origin]);
    const auto inside = static_cast<int>(
        std::min<std::size_t>(record.size() - 1 - origin, forecast_look_ahead_max));
    int farthest = 0;
    for (const int look_ahead : look_aheads) {
      if (look_ahead <= inside) farthest = std::max(farthest, look_ahead);
    }
    if (farthest == 0) continue;
    const Forecast forecast = forecaster.forecast(farthest);
    for (std::size_t i = 0; i < look_aheads.size(); ++i) {
      if (look_aheads[i] > inside) continue;
      for (std::size_t h = 1; h <= static_cast<std::size_t>(look_aheads[i]); ++h) {
        score(forecast[h - 1].count, record[origin + h].count, sums[i]);
      }
      ++sums[i].origins;
    }
  }
  std::vector<Backtest> results;
  for (const Sums& of : sums) results.push_back(result_of(of));
  return results;
}

}  // namespace planaria
