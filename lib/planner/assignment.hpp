// The assignment problem, exactly.
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

/// Returns a column for each row, all different, so that the sum of costs[row][column] is least.
/// Hungarian method with potentials (Kuhn 1955, Munkres 1957); it needs no more of costs than that
/// they can be added, subtracted and ordered, so pairs do. Same costs, same answer. Requires rows
/// of equal length, rows <= columns, and sums that fit. O(rows^2 columns).
[[nodiscard]] std::vector<int> least_assignment(
    const std::vector<std::vector<AssignmentCost>>& costs);

}  // namespace planaria
