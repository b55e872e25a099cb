// liveput/price_table.hpp: prices asked for once. Private to liveput.
#pragma once

#include <cstddef>
#include <map>
#include <utility>
#include <vector>

#include <planaria/liveput/prices.hpp>

namespace planaria {

/// Expected prices between some layouts, each computed when first asked for.
class PriceTable {
 public:
  /// Prices of changes that differ only in where they lead.
  class Row {
   public:
    explicit Row(const LayoutChange& change) : change_(change) {}

   private:
    friend class PriceTable;
    static constexpr double unknown = -1;
    LayoutChange change_;
    std::vector<double> known_ms_;  // empty until one is asked for
  };

  /// Borrows `prices`.
  PriceTable(const PriceModel& prices, std::vector<MeasuredLayout> layouts)
      : prices_(prices), layouts_(std::move(layouts)) {}

  [[nodiscard]] const std::vector<MeasuredLayout>& layouts() const { return layouts_; }
  /// The index that stands for no layout.
  [[nodiscard]] std::size_t nothing() const { return layouts_.size(); }

  /// Returns the changes from each layout by its index, and from nothing, after `workers` were
  /// there and `lost` of them vanished. They stay where they are.
  std::vector<Row>& after(int workers, int lost) {
    // While nobody is lost it does not matter how many stand by.
    if (lost == 0) workers = 0;
    const auto [found, is_new] = rows_.try_emplace({workers, lost});
    if (is_new) {
      for (std::size_t from = 0; from <= nothing(); ++from) {
        const GridLayout before = from == nothing() ? GridLayout{} : layouts_[from].layout;
        found->second.emplace_back(
            LayoutChange{before, {}, lost == 0 ? before.workers() : workers, lost});
      }
    }
    return found->second;
  }

  /// Returns how long nobody trains, ms, if the row's change is to the layout of that index, for
  /// which there must be workers.
  double ms(Row& row, std::size_t to) {
    if (row.known_ms_.empty()) row.known_ms_.assign(layouts_.size(), Row::unknown);
    double& known_ms = row.known_ms_[to];
    if (known_ms == Row::unknown) {
      row.change_.to = layouts_[to].layout;
      known_ms = prices_.change_ms(row.change_);
    }
    return known_ms;
  }

 private:
  const PriceModel& prices_;
  std::vector<MeasuredLayout> layouts_;
  std::map<std::pair<int, int>, std::vector<Row>> rows_;  // by workers and lost
};

}  // namespace planaria
