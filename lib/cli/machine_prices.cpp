#include "cli/machine_prices.hpp"

namespace planaria::cli {
namespace {

constexpr double price_max = 1e9;

}  // namespace

Json to_json(const MachinePrices& prices) {
  return {{"version", 1},
          {"spot_per_hour", prices.spot_per_hour},
          {"on_demand_per_hour", prices.on_demand_per_hour}};
}

Result<MachinePrices> machine_prices_from_json(const Json& json, const std::string& source) {
  ObjectReader reader(json, source, "");
  reader.integer("version", 1, 1);
  MachinePrices prices;
  prices.spot_per_hour = reader.number("spot_per_hour", 0, price_max);
  prices.on_demand_per_hour = reader.number("on_demand_per_hour", 0, price_max);
  PLANARIA_TRY_VOID(reader.finish());
  return prices;
}

}  // namespace planaria::cli
