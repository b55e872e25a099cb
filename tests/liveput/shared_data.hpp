// liveput/shared_data.hpp: the published settings and traces, where they are at hand.
#pragma once

#include <string>
#include <vector>

#include <planaria/availability/trace.hpp>
#include <planaria/liveput/prices.hpp>

namespace planaria::shared_data {

/// Returns whether the data are there (PLANARIA_SHARED, default ../shared); says so where not.
[[nodiscard]] bool present();

/// Returns the path of a file under the shared folder.
[[nodiscard]] std::string path_of(const std::string& name);

/// Returns the prices of parcae-setting/`model`.setting.json.
[[nodiscard]] SettingPrices prices_of(const std::string& model);

/// Returns the intervals of the full P3 trace, a minute each.
[[nodiscard]] std::vector<IntervalCounts> p3_intervals();

}  // namespace planaria::shared_data
