// liveput/profile_prices.hpp: what layouts earn and changes cost, by a profile and a cluster.
// Floor 4, pure.
// Is: the planner's own steps, and stops as planaria's runtime has them (docs/liveput.md, "Prices
// of a profile"). Is not: a measured table (prices.hpp), nor a plan of a migration: who sends what
// to whom is the runtime's. No state that changes, any thread.
#pragma once

#include <cstddef>
#include <map>
#include <optional>
#include <string>
#include <vector>

#include <planaria/liveput/migration_costs.hpp>
#include <planaria/liveput/prices.hpp>
#include <planaria/model/cluster.hpp>
#include <planaria/model/layout.hpp>
#include <planaria/model/profile.hpp>
#include <planaria/planner/best_plan.hpp>

namespace planaria {

class Takeover;

struct ProfilePricesRequest {
  const Profile* profile = nullptr;  // required
  /// Required: all workers there may be, alike (check_alike(), plan_table.hpp).
  const Cluster* cluster = nullptr;
  int micro_batches = 1;                // of a step, whatever the layout
  std::optional<int> micro_batch_size;  // nothing: as best_plan() has it for all workers
  std::string schedule = "1f1b";        // a name that best_plan() takes, or "any"
  Recompute recompute = Recompute::any;
  MigrationCosts costs;
  /// Whether layouts of few pipelines are planned with a shadow of every layer, too.
  bool shadows = false;
  /// Layouts that are planned, but for those with shadows. Where there are more, wide ones are left
  /// out: from some width on each is wider than the one before by the same part. 256 to 4096; about
  /// 10 ms each.
  int layouts_max = 300;
};

class ProfilePrices final : public PriceModel {
 public:
  /// Plans every width and depth that fits the workers and their memory by best_plan(). What it
  /// refuses is refused; and "cluster: workers 3 and 7 differ, must be alike", "layouts_max: 0,
  /// must be 256 to 4096". infeasible: nothing fits all workers.
  [[nodiscard]] static Result<ProfilePrices> of(const ProfilePricesRequest& request);

  [[nodiscard]] const std::vector<MeasuredLayout>& layouts() const override { return layouts_; }
  [[nodiscard]] int workers_max() const override { return workers_max_; }
  /// O(old depth + new depth) where nobody was lost; else that of Takeover::after().
  [[nodiscard]] double change_ms(const LayoutChange& change) const override;
  [[nodiscard]] double background_ms(const LayoutChange& change) const override;
  [[nodiscard]] double restart_ms(const GridLayout& to, bool grows) const override;
  [[nodiscard]] double read_all_ms(const GridLayout& to) const override;
  [[nodiscard]] double checkpoint_ms() const override;
  [[nodiscard]] Holders holders(const GridLayout& layout, int workers) const override;

  /// Returns the first layer of each stage, and behind them the number of layers. Where the planner
  /// cuts pipelines of one layout differently, those of the first stand for all.
  [[nodiscard]] const std::vector<int>& cuts(const GridLayout& layout) const;
  /// Returns how long the state of layers [first, end) takes from one worker to another, ms.
  [[nodiscard]] double move_ms(int first, int end) const {
    return sums_[static_cast<std::size_t>(end)] - sums_[static_cast<std::size_t>(first)];
  }
  /// Of all layouts; given or chosen.
  [[nodiscard]] int micro_batch_size() const { return micro_batch_size_; }

 private:
  ProfilePrices() = default;
  struct Planned {
    double step_ms = 0;
    std::vector<int> cuts;
    Layout layout;  // workers numbered from 0
  };

  [[nodiscard]] const Planned& planned(const GridLayout& layout) const;
  /// Of what a stop lasts until everybody has its layers.
  [[nodiscard]] Takeover takeover(const LayoutChange& change) const;
  [[nodiscard]] double unhurt_stop_ms(const LayoutChange& change) const;
  [[nodiscard]] double filled_ms(const LayoutChange& change, double move_ms, int layers) const;
  [[nodiscard]] double shadows_ms(const LayoutChange& change) const;
  [[nodiscard]] double fill_ms(const LayoutChange& change) const;

  MigrationCosts costs_;
  int workers_max_ = 0;
  int micro_batch_size_ = 1;
  std::vector<MeasuredLayout> layouts_;
  std::map<GridLayout, Planned> planned_;
  std::vector<double> sums_{0};  // of moving all layers before
};

}  // namespace planaria
