#include "planner/assignment.hpp"

#include <algorithm>
#include <limits>
#include <numeric>

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
constexpr auto far = std::numeric_limits<std::int64_t>::max();

/// Rows join one by one, each with all its units. While it has some left, a row searches the
/// cheapest alternating path to a column with room by reduced costs, which potentials keep from
/// ever being negative (Dijkstra's method), and sends as many units as the path takes.
class Hungarian {
 public:
  Hungarian(const CostTable& costs, const std::vector<int>& units, const std::vector<int>& room)
      : costs_(costs),
        units_(units),
        room_(room),
        row_potential_(costs.size()),
        column_potential_(room.size()),
        taken_(costs.size(), std::vector<int>(room.size(), 0)),
        rows_of_(room.size()) {}

  [[nodiscard]] std::vector<std::vector<int>> solve() {
    for (std::size_t row = 0; row < costs_.size(); ++row) {
      for (int left = units_[row]; left > 0;) left -= send(row, left);
    }
    return std::move(taken_);
  }

 private:
  /// The search of one path.
  struct Search {
    Search(std::size_t rows, std::size_t columns)
        : distance(columns, {far, far}),
          came_by(columns, nobody),
          reached(columns, 0),
          column_before(rows, nobody),
          reached_row(rows, 0) {}
    std::vector<AssignmentCost> distance;  // of columns
    std::vector<std::size_t> came_by;      // row before the column
    std::vector<char> reached;
    std::vector<std::size_t> column_before;  // of rows; nobody: the one that joins
    std::vector<char> reached_row;
  };

  /// Returns how many units of the row were sent, at least one.
  int send(std::size_t joining, int most) {
    Search search(costs_.size(), room_.size());
    search.reached_row[joining] = 1;
    std::vector<std::size_t> new_rows{joining};
    std::size_t column = nobody;
    while (column == nobody || room_[column] == 0) {
      for (const std::size_t row : new_rows) relax(row, search);
      column = nearest(search);
      const AssignmentCost step = search.distance[column];
      raise(search, step);
      search.reached[column] = 1;
      new_rows.clear();
      for (const std::size_t row : rows_of_[column]) {
        if (search.reached_row[row] != 0) continue;
        search.reached_row[row] = 1;
        search.column_before[row] = column;
        new_rows.push_back(row);
      }
    }
    return move_along(search, column, std::min(most, room_[column]));
  }

  void relax(std::size_t row, Search& search) const {
    for (std::size_t column = 0; column < room_.size(); ++column) {
      if (search.reached[column] != 0) continue;
      const AssignmentCost reduced =
          costs_[row][column] - row_potential_[row] - column_potential_[column];
      if (reduced < search.distance[column]) {
        search.distance[column] = reduced;
        search.came_by[column] = row;
      }
    }
  }

  static std::size_t nearest(const Search& search) {
    std::size_t next = nobody;
    for (std::size_t column = 0; column < search.distance.size(); ++column) {
      if (search.reached[column] != 0) continue;
      if (next == nobody || search.distance[column] < search.distance[next]) next = column;
    }
    return next;
  }

  /// Distances are from where the search stands: all that is reached comes nearer by `step`.
  void raise(Search& search, AssignmentCost step) {
    for (std::size_t row = 0; row < costs_.size(); ++row) {
      if (search.reached_row[row] != 0) row_potential_[row] = row_potential_[row] + step;
    }
    for (std::size_t column = 0; column < room_.size(); ++column) {
      if (search.reached[column] != 0) {
        column_potential_[column] = column_potential_[column] - step;
      } else {
        search.distance[column] = search.distance[column] - step;
      }
    }
  }

  /// Along the path every row takes of the column behind it, and gives up of the one before.
  int move_along(const Search& search, std::size_t last, int most) {
    int sent = most;
    for (std::size_t row = search.came_by[last]; search.column_before[row] != nobody;) {
      const std::size_t before = search.column_before[row];
      sent = std::min(sent, taken_[row][before]);
      row = search.came_by[before];
    }
    room_[last] -= sent;
    for (std::size_t column = last; column != nobody;) {
      const std::size_t row = search.came_by[column];
      take(row, column, sent);
      column = search.column_before[row];
      if (column != nobody) take(row, column, -sent);
    }
    return sent;
  }

  void take(std::size_t row, std::size_t column, int units) {
    int& taken = taken_[row][column];
    auto& rows = rows_of_[column];
    if (taken == 0) rows.insert(std::ranges::lower_bound(rows, row), row);
    taken += units;
    if (taken == 0) rows.erase(std::ranges::lower_bound(rows, row));
  }

  const CostTable& costs_;
  const std::vector<int>& units_;
  std::vector<int> room_;  // left of each column
  std::vector<AssignmentCost> row_potential_;
  std::vector<AssignmentCost> column_potential_;
  std::vector<std::vector<int>> taken_;            // [row][column]
  std::vector<std::vector<std::size_t>> rows_of_;  // [column]: rows that take of it, ascending
};

}  // namespace

std::vector<std::vector<int>> least_transport(const CostTable& costs, const std::vector<int>& units,
                                              const std::vector<int>& room) {
  check(units.size() == costs.size(), "every row has units");
  for (const auto& row : costs) check(row.size() == room.size(), "every column has room");
  const auto sum = [](const std::vector<int>& counts) {
    for (const int count : counts) check(count >= 0, "counts are not below 0");
    return std::accumulate(counts.begin(), counts.end(), std::int64_t{0});
  };
  check(sum(units) <= sum(room), "columns have room for all units");
  return Hungarian(costs, units, room).solve();
}

}  // namespace planaria
