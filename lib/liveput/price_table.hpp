// liveput/price_table.hpp: prices asked for once. Private to liveput.
#pragma once

#include <algorithm>
#include <array>
#include <cstddef>
#include <memory>
#include <utility>
#include <vector>

#include <planaria/liveput/prices.hpp>

namespace planaria {

/// Expected prices between some layouts, each computed when first asked for.
class PriceTable {
 public:
  struct Price {
    double ms = 0;             // nobody trains
    double background_ms = 0;  // before that; the layout that ran goes on
  };
  /// Prices of changes that differ only in where they lead.
  class Row {
   public:
    Row(std::size_t from, const LayoutChange& change) : from_(from), change_(change) {}

   private:
    friend class PriceTable;
    struct Known {
      std::size_t to = 0;
      Price price;
    };
    // As asked for first: a few of the layouts, and most often in that order. Most often one or two
    // are asked for, which stand here, beside what leads to them.
    static constexpr std::size_t near = 2;
    [[nodiscard]] Known& known(std::size_t place) {
      return place < near ? near_[place] : others_[place - near];
    }
    std::array<Known, near> near_;
    std::size_t count_ = 0;
    std::vector<Known> others_;
    std::size_t from_;
    LayoutChange change_;
  };

  /// Borrows `prices`.
  PriceTable(const PriceModel& prices, std::vector<MeasuredLayout> layouts)
      : prices_(prices), layouts_(std::move(layouts)) {
    std::ranges::sort(layouts_, {}, [](const MeasuredLayout& one) {
      return std::pair(workers_of(one), one.layout);
    });
  }

  /// Returns the layouts, those of the fewest workers first.
  [[nodiscard]] const std::vector<MeasuredLayout>& layouts() const { return layouts_; }
  /// Returns the index that stands for no layout.
  [[nodiscard]] std::size_t nothing() const { return layouts_.size(); }
  /// Returns the index of the first layout of at least so many workers. O(log layouts).
  [[nodiscard]] std::size_t first_of(int workers) const {
    const auto first = std::ranges::lower_bound(layouts_, workers, {}, workers_of);
    return static_cast<std::size_t>(first - layouts_.begin());
  }
  /// Returns the index behind the last layout that fits so many workers. O(log layouts).
  [[nodiscard]] std::size_t end_of(int workers) const { return first_of(workers + 1); }
  [[nodiscard]] bool has(const GridLayout& layout) const {
    return std::ranges::find(layouts_, layout, &MeasuredLayout::layout) != layouts_.end();
  }
  [[nodiscard]] int workers_max() const { return prices_.workers_max(); }
  [[nodiscard]] double least_ms(const GridLayout& to, bool larger) const {
    return prices_.least_ms(to, larger);
  }

  /// Returns the changes from each layout by its index, and from nothing, after `workers` were
  /// there and `lost` of them vanished. They stay where they are.
  std::vector<Row>& after(int workers, int lost) {
    // While nobody is lost it does not matter how many stand by.
    if (lost == 0) workers = 0;
    const auto by_lost = static_cast<std::size_t>(lost);
    const auto by_workers = static_cast<std::size_t>(workers);
    if (rows_.size() <= by_lost) rows_.resize(by_lost + 1);
    if (rows_[by_lost].size() <= by_workers) rows_[by_lost].resize(by_workers + 1);
    std::unique_ptr<std::vector<Row>>& rows = rows_[by_lost][by_workers];
    if (rows != nullptr) return *rows;
    rows = std::make_unique<std::vector<Row>>();
    rows->reserve(nothing() + 1);
    for (std::size_t from = 0; from <= nothing(); ++from) {
      const GridLayout before = from == nothing() ? GridLayout{} : layouts_[from].layout;
      rows->emplace_back(from,
                         LayoutChange{before, {}, lost == 0 ? before.workers() : workers, lost});
    }
    return *rows;
  }

  /// Returns the price if the row's change is to the layout of that index, for which there must be
  /// workers. `place`: where in the row it may stand; most rows are asked in one order again and
  /// again.
  const Price& price(Row& row, std::size_t to, std::size_t place) {
    if (place < row.count_ && row.known(place).to == to) return row.known(place).price;
    for (std::size_t i = 0; i < row.count_; ++i) {
      if (row.known(i).to == to) return row.known(i).price;
    }
    row.change_.to = layouts_[to].layout;
    const Price price = asked(row, to);
    if (row.count_ >= Row::near) row.others_.emplace_back();
    row.known(row.count_) = {to, price};
    return row.known(row.count_++).price;
  }

 private:
  Price asked(const Row& row, std::size_t to) {
    const LayoutChange& change = row.change_;
    if (change.lost > 0 && !prices_.depends_on_losses(change.from, change.to)) {
      const LayoutChange calm{change.from, change.to, change.from.workers(), 0};
      if (grows(calm) == grows(change)) return price(after(0, 0)[row.from_], to, 0);
    }
    return {prices_.change_ms(change), prices_.background_ms(change)};
  }

  static int workers_of(const MeasuredLayout& one) { return one.layout.workers(); }

  const PriceModel& prices_;
  std::vector<MeasuredLayout> layouts_;
  std::vector<std::vector<std::unique_ptr<std::vector<Row>>>> rows_;  // [lost][workers]
};

}  // namespace planaria
