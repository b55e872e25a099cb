#include <planaria/availability/forecast.hpp>

#include <algorithm>
#include <array>
#include <cstddef>
#include <utility>

#include <planaria/base/check.hpp>

#include "availability/base_forecast.hpp"
#include "availability/forecasters.hpp"

namespace planaria {
namespace {

constexpr std::array<std::pair<ForecastMethod, const char*>, 4> method_names{{
    {ForecastMethod::persistence, "persistence"},
    {ForecastMethod::hazard, "hazard"},
    {ForecastMethod::arima, "arima"},
    {ForecastMethod::best, "best"},
}};

class PersistenceForecaster : public Forecaster {
 public:
  void observe(const IntervalCounts& interval) override { count_ = interval.count; }
  [[nodiscard]] Forecast forecast(int look_ahead) const override {
    return Forecast(static_cast<std::size_t>(look_ahead),
                    {Distribution(), Distribution(), Distribution::certain(count_)});
  }

 private:
  int count_ = 0;
};

/// What anybody would count who knows nothing before: half an event in one interval (Krichevsky and
/// Trofimov), bursts as they come, each kind by itself.
constexpr HazardPrior plain_prior{.event_probability = 0.5,
                                  .event_intervals = 1,
                                  .shared_intervals = 0,
                                  .burst_factor = 1,
                                  .burst_intervals = 1,
                                  .sizes = 1};

class HazardForecaster : public Forecaster {
 public:
  void observe(const IntervalCounts& interval) override {
    counter_.observe(interval);
    count_ = interval.count;
    most_ = std::max(most_, interval.count);
  }
  [[nodiscard]] Forecast forecast(int look_ahead) const override {
    const auto base = forecasting::base_forecast(counter_.estimate(), count_, most_, look_ahead);
    const auto row = [&](const std::vector<double>& rows, std::size_t h) {
      const auto begin = rows.begin() + static_cast<std::ptrdiff_t>(h * base.length);
      return std::vector<double>(begin, begin + static_cast<std::ptrdiff_t>(base.length));
    };
    Forecast made;
    for (std::size_t h = 0; h < static_cast<std::size_t>(look_ahead); ++h) {
      made.push_back({forecasting::lost_at(static_cast<int>(h) + 1, row(base.lost, h), count_),
                      Distribution::from_weights(row(base.joined, h)),
                      Distribution::from_weights(row(base.count, h))});
    }
    return made;
  }
  [[nodiscard]] std::optional<HazardEstimate> hazard() const override {
    return counter_.estimate();
  }

 private:
  HazardCounter counter_{plain_prior};
  int count_ = 0;
  int most_ = 0;
};

}  // namespace

const char* name_of(ForecastMethod method) {
  for (const auto& [of, name] : method_names) {
    if (of == method) return name;
  }
  check_failed("a forecast method has a name", "");
}

std::optional<ForecastMethod> forecast_method_named(std::string_view name) {
  for (const auto& [method, of] : method_names) {
    if (name == of) return method;
  }
  return std::nullopt;
}

std::unique_ptr<Forecaster> make_forecaster(ForecastMethod method, const ForecastOptions& options) {
  check(options.look_ahead >= 1 && options.look_ahead <= forecast_look_ahead_max,
        "a forecast looks 1 to 60 intervals ahead");
  switch (method) {
    case ForecastMethod::persistence:
      return std::make_unique<PersistenceForecaster>();
    case ForecastMethod::hazard:
      return std::make_unique<HazardForecaster>();
    case ForecastMethod::arima:
      return forecasting::make_arima_forecaster(options);
    case ForecastMethod::best:
      return forecasting::make_best_forecaster(options);
  }
  check_failed("a forecast method is one of four", "");
}

}  // namespace planaria
