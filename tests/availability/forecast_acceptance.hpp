// What is promised of `best` over published records: one setting for all, against persistence and
// plain hazards.
#pragma once

#include <array>
#include <cmath>
#include <cstdio>
#include <string>
#include <vector>

#include <catch2/catch.hpp>

#include <planaria/availability/backtest.hpp>

#include "availability/forecast_records.hpp"
#include "support/shared_folder.hpp"

namespace planaria::test {

inline const std::vector<int> look_aheads{8, 10, 12};

/// Sums over records, to be compared with limits at the end.
struct Pool {
  std::vector<double> crps_ratio = std::vector<double>(look_aheads.size());
  std::vector<std::array<double, 9>> observed{look_aheads.size()};
  std::vector<double> forecasts = std::vector<double>(look_aheads.size());
  int records = 0;
};

inline std::vector<Backtest> results_of(ForecastMethod method,
                                        const std::vector<IntervalCounts>& record) {
  const auto forecaster = make_forecaster(method, {.look_ahead = look_aheads.back()});
  return backtests(record, *forecaster, look_aheads);
}

/// Prints the record's row of docs/forecasts.md, and holds each figure to what is promised of it.
inline void check_record(const std::string& folder, const std::string& name, Pool& pool) {
  const auto record = published_record(folder, name);
  const auto persistence = results_of(ForecastMethod::persistence, record);
  const auto hazard = results_of(ForecastMethod::hazard, record);
  const auto best = results_of(ForecastMethod::best, record);
  ++pool.records;
  for (std::size_t i = 0; i < look_aheads.size(); ++i) {
    INFO(name << ", " << look_aheads[i] << " intervals ahead");
    CHECK(best[i].crps < persistence[i].crps);
    CHECK(best[i].normalized_l1 <= 1.01 * persistence[i].normalized_l1);
    REQUIRE(best[i].log_loss);
    REQUIRE(hazard[i].log_loss);
    CHECK(*best[i].log_loss < *hazard[i].log_loss);
    pool.crps_ratio[i] += best[i].crps / persistence[i].crps;
    const auto forecasts = static_cast<double>(best[i].intervals * look_aheads[i]);
    pool.forecasts[i] += forecasts;
    for (std::size_t point = 0; point < 9; ++point) {
      pool.observed[i][point] += forecasts * best[i].calibration[point].observed;
    }
    std::printf("%-40.40s %2d | %.4f / %.4f = %.3f | %.4f | %.4f, %.4f\n", name.c_str(),
                look_aheads[i], best[i].crps, persistence[i].crps,
                best[i].crps / persistence[i].crps,
                best[i].normalized_l1 / persistence[i].normalized_l1, *best[i].log_loss,
                *hazard[i].log_loss);
  }
}

inline void check_pool(const Pool& pool, double ratio_max) {
  for (std::size_t i = 0; i < look_aheads.size(); ++i) {
    INFO(look_aheads[i] << " intervals ahead");
    CHECK(pool.crps_ratio[i] / pool.records <= ratio_max);
    for (std::size_t point = 0; point < 9; ++point) {
      const double stated = static_cast<double>(point + 1) / 10;
      CHECK(std::abs(pool.observed[i][point] / pool.forecasts[i] - stated) <= 0.05);
    }
  }
}

}  // namespace planaria::test
