#include "planner/assignment.hpp"

#include <limits>

#include <planaria/base/check.hpp>

namespace planaria {
namespace {

AssignmentCost operator+(AssignmentCost a, AssignmentCost b) {
  return {a.first + b.first, a.second + b.second};
}
AssignmentCost operator-(AssignmentCost a, AssignmentCost b) {
  return {a.first - b.first, a.second - b.second};
}

constexpr std::size_t nobody = std::numeric_limits<std::size_t>::max();

/// Rows join one by one. A joining row searches the cheapest alternating path to a free column by
/// reduced costs, which potentials keep from ever being negative (Dijkstra's method).
class Hungarian {
 public:
  explicit Hungarian(const std::vector<std::vector<AssignmentCost>>& costs)
      : costs_(costs),
        columns_(costs.empty() ? 0 : costs.front().size()),
        row_potential_(costs.size()),
        column_potential_(columns_),
        row_of_(columns_, nobody) {}

  [[nodiscard]] std::vector<int> solve() {
    for (std::size_t row = 0; row < costs_.size(); ++row) join(row);
    std::vector<int> column_of(costs_.size(), -1);
    for (std::size_t column = 0; column < columns_; ++column) {
      if (row_of_[column] != nobody) column_of[row_of_[column]] = static_cast<int>(column);
    }
    return column_of;
  }

 private:
  void join(std::size_t joining) {
    constexpr auto far = std::numeric_limits<std::int64_t>::max();
    std::vector<AssignmentCost> distance(columns_, {far, far});
    std::vector<std::size_t> came_from(columns_, nobody);  // column before it on the path
    std::vector<char> reached(columns_, false);

    std::size_t row = joining;
    std::size_t column = nobody;
    while (true) {
      std::size_t next = nobody;
      for (std::size_t other = 0; other < columns_; ++other) {
        if (reached[other]) continue;
        const AssignmentCost reduced =
            costs_[row][other] - row_potential_[row] - column_potential_[other];
        if (reduced < distance[other]) {
          distance[other] = reduced;
          came_from[other] = column;
        }
        if (next == nobody || distance[other] < distance[next]) next = other;
      }
      raise(joining, reached, distance[next]);
      const AssignmentCost step = distance[next];
      for (std::size_t other = 0; other < columns_; ++other) {
        if (!reached[other]) distance[other] = distance[other] - step;
      }
      column = next;
      reached[column] = true;
      if (row_of_[column] == nobody) break;
      row = row_of_[column];
    }
    while (column != nobody) {  // along the path, every row takes the column behind it
      const std::size_t before = came_from[column];
      row_of_[column] = before == nobody ? joining : row_of_[before];
      column = before;
    }
  }

  void raise(std::size_t joining, const std::vector<char>& reached, AssignmentCost step) {
    row_potential_[joining] = row_potential_[joining] + step;
    for (std::size_t column = 0; column < columns_; ++column) {
      if (!reached[column]) continue;
      AssignmentCost& potential = row_potential_[row_of_[column]];
      potential = potential + step;
      column_potential_[column] = column_potential_[column] - step;
    }
  }

  const std::vector<std::vector<AssignmentCost>>& costs_;
  std::size_t columns_;
  std::vector<AssignmentCost> row_potential_;
  std::vector<AssignmentCost> column_potential_;
  std::vector<std::size_t> row_of_;
};

}  // namespace

std::vector<int> least_assignment(const std::vector<std::vector<AssignmentCost>>& costs) {
  for (const auto& row : costs) {
    check(row.size() == costs.front().size() && row.size() >= costs.size(),
          "every row may take a column of its own");
  }
  return Hungarian(costs).solve();
}

}  // namespace planaria
