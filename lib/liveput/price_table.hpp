// liveput/price_table.hpp: prices asked for once. Private to liveput.
#pragma once

#include <cstddef>
#include <unordered_map>
#include <utility>
#include <vector>

#include <planaria/liveput/prices.hpp>

namespace planaria {

/// Expected prices between some layouts, by what decides them, computed when first asked for.
class PriceTable {
 public:
  /// Borrows `prices`.
  PriceTable(const PriceModel& prices, std::vector<MeasuredLayout> layouts)
      : prices_(prices), layouts_(std::move(layouts)) {}

  [[nodiscard]] const std::vector<MeasuredLayout>& layouts() const { return layouts_; }
  /// The index that stands for no layout.
  [[nodiscard]] std::size_t nothing() const { return layouts_.size(); }

  /// Returns the prices, ms, of a change to each of layouts(), after `workers` were there and
  /// `lost` of them vanished, from the layout of that index; of those too large for what is left
  /// anything.
  const std::vector<double>& from(std::size_t from, int workers, int lost) {
    const std::size_t key =
        (((from * workers_factor) + static_cast<std::size_t>(workers)) * workers_factor) +
        static_cast<std::size_t>(lost);
    const auto [found, is_new] = known_.try_emplace(key);
    if (is_new) {
      const GridLayout before = from == nothing() ? GridLayout{} : layouts_[from].layout;
      for (const MeasuredLayout& to : layouts_) {
        found->second.push_back(prices_.change_ms({before, to.layout, workers, lost}));
      }
    }
    return found->second;
  }

 private:
  static constexpr std::size_t workers_factor = Setting::workers_max + 1;
  const PriceModel& prices_;
  std::vector<MeasuredLayout> layouts_;
  std::unordered_map<std::size_t, std::vector<double>> known_;  // looked up, never iterated
};

}  // namespace planaria
