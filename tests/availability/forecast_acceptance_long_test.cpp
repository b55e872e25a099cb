// Forecasts of all published records: 130,000 minutes more.
#include <string>

#include <catch2/catch.hpp>

#include "availability/forecast_acceptance.hpp"

using namespace planaria::test;

TEST_CASE("best forecasts all fourteen published records better, with one setting", "[slow]") {
  const auto folder = shared_folder("traces");
  if (!folder) return;
  Pool pool;
  for (const std::string& name : short_records) check_record(*folder, name, pool);
  for (const std::string& name : long_records) check_record(*folder, name, pool);
  CHECK(pool.records == 14);
  check_pool(pool, 0.85);
}
