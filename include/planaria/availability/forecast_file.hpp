// availability/forecast_file.hpp: a forecast as a file (docs/formats.md, "Forecast"). Floor 2,
// pure. Is: what machines go and come in each of the next intervals, written and read. Is not: the
// count that they lead to, which whoever reads it knows better. No state, any thread.
#pragma once

#include <string>
#include <vector>

#include <planaria/availability/distribution.hpp>
#include <planaria/availability/forecast.hpp>
#include <planaria/base/json.hpp>
#include <planaria/base/result.hpp>

namespace planaria {

struct ChangeForecast {
  Distribution lost;
  Distribution joined;
  friend bool operator==(const ChangeForecast&, const ChangeForecast&) = default;
};

struct ForecastFile {
  int interval_s = 60;
  std::vector<ChangeForecast> intervals;  // the nearest first, one at least
  friend bool operator==(const ForecastFile&, const ForecastFile&) = default;
};

struct ForecastFileLimits {
  static constexpr int interval_s_max = 86'400;
  static constexpr int intervals_max = 1'440;
  static constexpr int machines_max = 10'000;  // lost or joined in one interval
  static constexpr double sum_slack = 1e-6;    // by which a sum of probabilities may miss 1
};

[[nodiscard]] ForecastFile forecast_file_of(const Forecast& forecast, int interval_s);
[[nodiscard]] Json json_of(const ForecastFile& file);
/// Reads a forecast; invalid_input names the place: "f.json: intervals[3].lost[1]: ...". Values
/// stand in ascending order; what sums to 1 but for sum_slack is divided by its sum.
[[nodiscard]] Result<ForecastFile> forecast_file_from_json(const Json& json,
                                                           const std::string& source);

}  // namespace planaria
