// availability/forecasters.hpp: the forecasters that have a file of their own.
#pragma once

#include <memory>

#include <planaria/availability/forecast.hpp>

namespace planaria::forecasting {

[[nodiscard]] std::unique_ptr<Forecaster> make_arima_forecaster(const ForecastOptions& options);
[[nodiscard]] std::unique_ptr<Forecaster> make_best_forecaster(const ForecastOptions& options);

}  // namespace planaria::forecasting
