// availability/forecast.hpp: how many machines there will be, and how many go and come, in each of
// the next intervals, as probabilities. Floor 2, pure.
// Is: forecasters that are told one interval after the other and never look ahead. Is not: what a
// forecast is worth (backtest.hpp), or what to do about it (liveput/).
// Deterministic, no clock: same intervals, same forecasts, bit for bit. One thread at a time.
#pragma once

#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include <planaria/availability/distribution.hpp>
#include <planaria/availability/hazard.hpp>
#include <planaria/availability/trace.hpp>

namespace planaria {

/// One interval ahead. Each is the distribution of that number alone: they depend on one another,
/// and on those of other intervals.
struct IntervalForecast {
  Distribution lost;
  Distribution joined;
  Distribution count;  // machines at the interval's end
  friend bool operator==(const IntervalForecast&, const IntervalForecast&) = default;
};

/// The next intervals, the nearest first.
using Forecast = std::vector<IntervalForecast>;

class Forecaster {
 public:
  virtual ~Forecaster() = default;
  /// Takes the interval that has just ended. The first one says how many machines there are: that
  /// they joined in it is no event.
  virtual void observe(const IntervalCounts& interval) = 0;
  /// Returns the next `look_ahead` intervals, from 1 to ForecastOptions::look_ahead. Requires an
  /// interval observed.
  [[nodiscard]] virtual Forecast forecast(int look_ahead) const = 0;
  /// Returns how often machines are lost and join, where the method estimates it.
  [[nodiscard]] virtual std::optional<HazardEstimate> hazard() const { return std::nullopt; }
};

enum class ForecastMethod {
  persistence,  // nothing changes
  hazard,       // events at the rates seen so far, in bursts, of the sizes seen so far
  arima,        // the point forecast of parcae_forecast.hpp, taken as certain
  best,         // kernels of changes and hazards, weighed by what each foretold (docs/forecasts.md)
};

/// Returns the method's name as commands take it: "persistence".
[[nodiscard]] const char* name_of(ForecastMethod method);
/// Returns the method named `name`, or nothing.
[[nodiscard]] std::optional<ForecastMethod> forecast_method_named(std::string_view name);

struct ForecastOptions {
  /// The farthest interval ahead that will be asked for. Time and memory of `best` grow with it;
  /// forecasts of nearer intervals do not depend on it, but for arima's, whose history is as long.
  /// 1 to 60.
  int look_ahead = 12;
};

inline constexpr int forecast_look_ahead_max = 60;

/// Makes a forecaster that has seen nothing. With S = 1 + the larger of 64 and twice the most
/// machines so far: `hazard` takes O(look_ahead S^2) for a forecast, `best` the same for an
/// interval observed, and O(look_ahead S) for a forecast.
[[nodiscard]] std::unique_ptr<Forecaster> make_forecaster(ForecastMethod method,
                                                          const ForecastOptions& options = {});

}  // namespace planaria
