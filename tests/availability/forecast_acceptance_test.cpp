// Forecasts of the published records that are over in hours.
#include <string>

#include <catch2/catch.hpp>

#include "availability/forecast_acceptance.hpp"

using namespace planaria::test;

TEST_CASE("best forecasts published records of hours better than persistence and hazards",
          "[unit]") {
  const auto folder = shared_folder("traces");
  if (!folder) return;
  Pool pool;
  for (const std::string& name : short_records) check_record(*folder, name, pool);
  check_pool(pool, 0.85);
}
