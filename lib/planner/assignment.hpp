// The assignment problem for many of a kind, exactly.
#pragma once

#include <compare>
#include <cstdint>
#include <vector>

namespace planaria {

/// Sums are compared lexicographically: `second` decides among equal sums of `first` alone.
struct AssignmentCost {
  std::int64_t first = 0;
  std::int64_t second = 0;
  friend auto operator<=>(const AssignmentCost&, const AssignmentCost&) = default;
};
using CostTable = std::vector<std::vector<AssignmentCost>>;  // [row][column], rows of equal length

/// Returns how many of each row's units go to each column, all of them, so that the sum of
/// units x costs[row][column] is least: the transportation problem (Hitchcock 1941), which is the
/// assignment of rows and columns that are there several times. Hungarian method with potentials
/// (Kuhn 1955, Munkres 1957); it needs no more of costs than that they can be added, subtracted and
/// ordered, so pairs do. Same costs, same answer. A column takes as many as it has
/// room for. Requires room for all, and sums that fit. O(paths rows columns), of which there are at
/// least as many as rows and, as a rule, hardly more than rows and columns together.
[[nodiscard]] std::vector<std::vector<int>> least_transport(const CostTable& costs,
                                                            const std::vector<int>& units,
                                                            const std::vector<int>& room);

}  // namespace planaria
