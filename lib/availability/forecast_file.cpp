#include <planaria/availability/forecast_file.hpp>

#include <cmath>
#include <cstddef>
#include <utility>

#include <fmt/format.h>

#include <planaria/base/text.hpp>

namespace planaria {
namespace {

using Limits = ForecastFileLimits;

Json json_of(const Distribution& distribution) {
  Json pairs = Json::array();
  for (int value = 0; value <= distribution.largest(); ++value) {
    const double probability = distribution.probability(value);
    if (probability > 0) pairs.push_back({value, probability});
  }
  return pairs;
}

Result<Distribution> distribution_from(const Json& pairs, const std::string& place) {
  std::vector<double> weights;
  double sum = 0;
  for (std::size_t i = 0; i < pairs.size(); ++i) {
    const Json& pair = pairs[i];
    const std::string where = fmt::format("{}[{}]", place, i);
    if (!pair.is_array() || pair.size() != 2 || !pair[0].is_number_integer() ||
        !pair[1].is_number()) {
      return Fault::invalid_input(
          fmt::format("{}: {}, must be a value and its probability, such as [0, 0.93]", where,
                      printable(pair.dump(-1, ' ', false, Json::error_handler_t::replace))));
    }
    const auto value = pair[0].get<double>();
    if (value < 0 || value > Limits::machines_max) {
      return Fault::invalid_input(fmt::format("{}: {} machines, must be from 0 to {}", where,
                                              pair[0].dump(), Limits::machines_max));
    }
    if (value < static_cast<double>(weights.size())) {
      return Fault::invalid_input(fmt::format("{}: {} machines, must be more than the {} before",
                                              where, value, weights.size() - 1));
    }
    const auto probability = pair[1].get<double>();
    if (!(probability >= 0 && probability <= 1)) {
      return Fault::invalid_input(
          fmt::format("{}: probability {}, must be from 0 to 1", where, pair[1].dump()));
    }
    weights.resize(static_cast<std::size_t>(value));
    weights.push_back(probability);
    sum += probability;
  }
  if (std::abs(sum - 1) > Limits::sum_slack) {
    return Fault::invalid_input(
        fmt::format("{}: its probabilities sum to {}, must be to 1", place, sum));
  }
  return Distribution::from_weights(std::move(weights));
}

Result<ChangeForecast> interval_from(const Json& json, const std::string& source,
                                     const std::string& path) {
  ObjectReader reader(json, source, path);
  const Json& lost = reader.array("lost");
  const Json& joined = reader.array("joined");
  PLANARIA_TRY_VOID(reader.finish());
  PLANARIA_TRY(of_lost, distribution_from(lost, source + ": " + path + ".lost"));
  PLANARIA_TRY(of_joined, distribution_from(joined, source + ": " + path + ".joined"));
  return ChangeForecast{std::move(of_lost), std::move(of_joined)};
}

}  // namespace

ForecastFile forecast_file_of(const Forecast& forecast, int interval_s) {
  ForecastFile file;
  file.interval_s = interval_s;
  for (const IntervalForecast& interval : forecast) {
    file.intervals.push_back({interval.lost, interval.joined});
  }
  return file;
}

Json json_of(const ForecastFile& file) {
  Json intervals = Json::array();
  for (const ChangeForecast& interval : file.intervals) {
    intervals.push_back({{"lost", json_of(interval.lost)}, {"joined", json_of(interval.joined)}});
  }
  return {{"version", 1}, {"interval_s", file.interval_s}, {"intervals", std::move(intervals)}};
}

Result<ForecastFile> forecast_file_from_json(const Json& json, const std::string& source) {
  ObjectReader reader(json, source, "");
  reader.integer("version", 1, 1);
  ForecastFile file;
  file.interval_s = static_cast<int>(reader.integer("interval_s", 1, Limits::interval_s_max));
  const Json& intervals = reader.array("intervals");
  PLANARIA_TRY_VOID(reader.finish());
  if (intervals.empty() || intervals.size() > Limits::intervals_max) {
    return Fault::invalid_input(fmt::format("{}: intervals: there are {}, must be from 1 to {}",
                                            source, intervals.size(), Limits::intervals_max));
  }
  for (std::size_t i = 0; i < intervals.size(); ++i) {
    PLANARIA_TRY(interval, interval_from(intervals[i], source, fmt::format("intervals[{}]", i)));
    file.intervals.push_back(std::move(interval));
  }
  return file;
}

}  // namespace planaria
