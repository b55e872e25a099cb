// cli/machine_prices.hpp: what machines cost (docs/formats.md, "Simulations"). Private, pure.
// Is: the numbers of a prices file and their strict reader. Is not: a bill.
#pragma once

#include <string>

#include <planaria/base/json.hpp>
#include <planaria/base/result.hpp>

namespace planaria::cli {

/// Of one machine an hour, in any currency.
struct MachinePrices {
  double spot_per_hour = 0;
  double on_demand_per_hour = 0;
  friend bool operator==(const MachinePrices&, const MachinePrices&) = default;
};

[[nodiscard]] Json to_json(const MachinePrices& prices);
/// Reads prices; invalid_input names `source`, path, value and what is allowed.
[[nodiscard]] Result<MachinePrices> machine_prices_from_json(const Json& json,
                                                             const std::string& source);

}  // namespace planaria::cli
