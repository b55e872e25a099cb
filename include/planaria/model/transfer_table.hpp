// model/transfer_table.hpp: transfer times as measured, by size. Floor 1, pure.
// Is: the rule between the points of a profile or a setting, and the points' reader. Is not: a
// transfer over a cluster's links (cluster.hpp).
#pragma once

#include <string>
#include <vector>

#include <planaria/base/json.hpp>
#include <planaria/base/result.hpp>
#include <planaria/model/profile.hpp>

namespace planaria {

/// Returns the time of `bytes`: up to the first point its time, linear between points, beyond the
/// last in proportion to it. Bytes need not be whole. Requires points with ascending bytes, the
/// last above 0. O(log points).
[[nodiscard]] double measured_ms(const std::vector<TransferPoint>& points, double bytes);

/// Reads the list `transfer` of a profile or a setting; invalid_input as profile_from_json().
[[nodiscard]] Result<std::vector<TransferPoint>> transfer_from_json(const Json& list,
                                                                    const std::string& source);

}  // namespace planaria
