// liveput/shared_data.hpp: the published settings, and a trace to price them over.
#pragma once

#include <map>
#include <optional>
#include <string>
#include <vector>

#include <planaria/availability/trace.hpp>
#include <planaria/liveput/prices.hpp>

namespace planaria::test {

struct PublishedData {
  std::map<std::string, SettingPrices> prices;  // by model
  std::vector<IntervalCounts> p3;               // the full P3 trace, by minutes
};

/// Returns the data; nothing where they are not there, which is told.
[[nodiscard]] std::optional<PublishedData> published_data();

}  // namespace planaria::test
