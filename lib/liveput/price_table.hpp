// liveput/price_table.hpp: prices asked for once. Private to liveput.
#pragma once

#include <cstddef>
#include <unordered_map>
#include <vector>

#include <planaria/liveput/optimizer.hpp>

namespace planaria {

/// Expected prices between some layouts, by what decides them, computed when first asked for.
class LiveputOptimizer::PriceTable {
 public:
  PriceTable(const PriceModel& prices, const std::vector<MeasuredLayout>& layouts)
      : prices_(prices), layouts_(layouts) {}

  /// Returns the prices, ms, of every layout that begins `interval` after `workers` were there and
  /// `lost` of them vanished, from layout `from`; of layouts too large for what is left anything.
  const std::vector<double>& from(std::size_t from, int workers, int lost) {
    const std::size_t key =
        (((from * workers_factor) + static_cast<std::size_t>(workers)) * workers_factor) +
        static_cast<std::size_t>(lost);
    const auto [found, is_new] = known_.try_emplace(key);
    if (is_new) {
      for (const MeasuredLayout& to : layouts_) {
        found->second.push_back(
            prices_.change_ms({layouts_[from].layout, to.layout, workers, lost}));
      }
    }
    return found->second;
  }

 private:
  static constexpr std::size_t workers_factor = Setting::workers_max + 1;
  const PriceModel& prices_;
  const std::vector<MeasuredLayout>& layouts_;
  std::unordered_map<std::size_t, std::vector<double>> known_;  // looked up, never iterated
};

}  // namespace planaria
