// liveput/prices.hpp: what layouts earn and what changes between them cost. Floor 4, pure.
// Is: the interface that policies, liveput and the simulator ask; and the prices of a measured
// setting. Is not: a choice. No state that changes, any thread.
#pragma once

#include <map>
#include <memory>
#include <vector>

#include <planaria/liveput/holders.hpp>
#include <planaria/liveput/setting.hpp>

namespace planaria {

/// A change at the begin of an interval: of `workers`, `lost` have just vanished, nobody knows
/// which beforehand; `from` ran on the first of them, and `to` takes its place.
struct LayoutChange {
  GridLayout from;
  GridLayout to;
  int workers = 0;
  int lost = 0;
};

class PriceModel {
 public:
  virtual ~PriceModel() = default;

  /// Returns all layouts that may be chosen, ascending by width, then depth.
  [[nodiscard]] virtual const std::vector<MeasuredLayout>& layouts() const = 0;
  /// Returns the most workers there may be.
  [[nodiscard]] virtual int workers_max() const = 0;
  /// Returns how long nobody trains, 0 at least, expected over which workers vanished, each set as
  /// likely; where none did, `workers` makes no difference, and what stays costs 0. To nothing: 0.
  /// Requires layouts() or nothing, and from.workers() <= workers.
  [[nodiscard]] virtual double change_ms(const LayoutChange& change) const = 0;
  /// Whether the price of a change depends on how many of the workers vanished in another way than
  /// by grows().
  [[nodiscard]] virtual bool depends_on_losses(const GridLayout& /*from*/,
                                               const GridLayout& /*to*/) const {
    return true;
  }
  /// Returns what no change to `to` takes less than, but for staying where nobody is lost: it
  /// spares asking for most prices. `larger`: of changes from a layout of fewer workers, or from
  /// nothing.
  [[nodiscard]] virtual double least_ms(const GridLayout& /*to*/, bool /*larger*/) const {
    return 0;
  }
  /// Returns how long a change that nobody waits for goes on before that: `from` trains until then.
  /// Where some vanished, expected as change_ms() is: 0 where `from` cannot train. Requires what
  /// change_ms() does; where nobody vanished, `workers` makes no difference.
  [[nodiscard]] virtual double background_ms(const LayoutChange& change) const {
    static_cast<void>(change);
    return 0;
  }
  /// Returns how long all take to begin anew as `to`, with newcomers or without.
  [[nodiscard]] virtual double restart_ms(const GridLayout& to, bool grows) const = 0;
  /// Returns how long `to` takes to read all its state, one stage after the other.
  [[nodiscard]] virtual double read_all_ms(const GridLayout& to) const = 0;
  /// Returns how long a checkpoint takes to be written and read.
  [[nodiscard]] virtual double checkpoint_ms() const = 0;
  /// Returns who holds what in one of layouts(), of so many workers: the layout's are the first.
  [[nodiscard]] virtual Holders holders(const GridLayout& layout, int workers) const {
    return grid_holders({workers, layout.width, layout.depth});
  }
};

/// Whether a change brings in workers that did not compute: a newcomer, or a spare in a lost one's
/// place.
[[nodiscard]] inline bool grows(const LayoutChange& change) {
  return change.from.empty() || change.to.workers() > change.from.workers() - change.lost;
}

/// Prices as Parcae (NSDI 2024) has them, from its measured table; the expectation exact
/// (docs/liveput.md, "Prices of a setting").
class SettingPrices final : public PriceModel {
 public:
  /// Takes what setting_from_json() accepts. O(layouts log layouts + depths x stages).
  explicit SettingPrices(Setting setting);

  [[nodiscard]] const std::vector<MeasuredLayout>& layouts() const override { return layouts_; }
  [[nodiscard]] int workers_max() const override { return setting_.max_workers; }
  /// O(depth x lost^2) where the depth stays, times the moves that differ; else O(old depth x new
  /// depth).
  [[nodiscard]] double change_ms(const LayoutChange& change) const override;
  [[nodiscard]] bool depends_on_losses(const GridLayout& from,
                                       const GridLayout& to) const override {
    return from.depth == to.depth;
  }
  [[nodiscard]] double least_ms(const GridLayout& to, bool larger) const override;
  [[nodiscard]] double restart_ms(const GridLayout& to, bool grows) const override;
  [[nodiscard]] double read_all_ms(const GridLayout& to) const override;
  [[nodiscard]] double checkpoint_ms() const override { return setting_.checkpoint_ms; }

  /// Returns the first layer of each stage, and behind them the number of layers.
  [[nodiscard]] std::vector<int> cuts(int depth) const;
  /// Returns how long the state of each stage takes from one worker to another, ms.
  [[nodiscard]] const std::vector<double>& moves_ms(int depth) const;
  /// Returns how long fetching takes when the depth changes, ms.
  [[nodiscard]] double pull_ms(const GridLayout& from, int depth) const;

 private:
  [[nodiscard]] double regrouped_ms(const LayoutChange& change) const;
  [[nodiscard]] double parameters(int first, int end) const {
    return sums_[static_cast<std::size_t>(end)] - sums_[static_cast<std::size_t>(first)];
  }
  [[nodiscard]] double move_ms(double parameter_count) const;

  Setting setting_;
  std::vector<MeasuredLayout> layouts_;
  std::vector<double> sums_;  // parameters of all layers before
  std::map<int, double> build_ms_;
  std::map<GridLayout, MeasuredRegroup> regroup_;
  std::map<int, std::vector<int>> cuts_;
  std::map<int, std::vector<double>> moves_ms_;
};

}  // namespace planaria
