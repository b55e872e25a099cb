#include <algorithm>
#include <cmath>
#include <vector>

#include <fmt/format.h>

#include <planaria/liveput/policies.hpp>

#include "liveput/loss_rows.hpp"
#include "liveput/neighbour_losses.hpp"
#include "liveput/unsaved_work.hpp"
#include "liveput/without_shadows.hpp"

namespace planaria {
namespace {

class Bamboo final : public Policy {
 public:
  Bamboo(const PriceModel& prices, const BambooOptions& options)
      : prices_(prices),
        options_(options),
        rate_(1 / (1 + options.overhead)),
        unsaved_(options.checkpoint_steps) {}

  Choice choose(const Situation& situation) override {
    const IntervalCounts& now = situation.now();
    const MeasuredLayout before = running_;
    const Losses losses =
        before.layout.empty() ? Losses{} : lose(now.lost, situation.workers_before());
    // Machines that wait make another pipeline, or too few are left to go on with.
    const bool may_grow = now.count >= (before.layout.width + 1) * nodes(before.layout.depth);
    if (before.layout.empty() || losses.unbroken == 0 || may_grow) {
      const MeasuredLayout fastest = fastest_grid(now.count);
      if (losses.unbroken == 0 || fastest.samples_per_s > before.samples_per_s) running_ = fastest;
    }
    Choice choice = changed(situation, before.layout, losses);
    begin_anew(now.count, losses.unbroken, running_.layout != before.layout);
    if (choice.layout.empty()) return choice;
    unsaved_.train(running_, rate_, options_.interval_ms,
                   course_of(situation.leftover_ms, choice.charge, options_.interval_ms));
    return choice;
  }

 private:
  struct Losses {
    double unbroken = 0;  // the probability that training goes on
    double masked = 0;    // that it does and neighbours have to stand in for somebody
  };

  [[nodiscard]] int nodes(int depth) const {
    return static_cast<int>(std::ceil((options_.over_provision * depth) - 1e-9));
  }
  [[nodiscard]] RedundantGrid grid_of(const GridLayout& layout) const {
    const int each = nodes(layout.depth);
    return {layout.width, each, each - layout.depth};
  }

  /// The fastest layout whose over-provisioned pipelines `workers` suffice for.
  [[nodiscard]] MeasuredLayout fastest_grid(int workers) const {
    MeasuredLayout fastest;
    for (const MeasuredLayout& one : without_shadows(prices_)) {
      if (one.layout.width * nodes(one.layout.depth) > workers) continue;
      if (one.samples_per_s > fastest.samples_per_s) fastest = one;
    }
    return fastest;
  }

  /// Takes losses out of the running grid, whose earlier ones may lie anywhere where they break
  /// nothing: of those, as likely as not each, so that whether more break something is a quotient
  /// of unbroken().
  Losses lose(int lost, int workers) {
    if (lost == 0) return {1, 0};
    const RedundantGrid grid = grid_of(running_.layout);
    const LossRow row = unbroken(grid);
    std::vector<double> after(row.size(), 0.0);
    Losses losses;
    for (std::size_t gone = 0; gone < dead_.size(); ++gone) {
      if (dead_[gone] == 0) continue;
      const int alive = grid.workers() - static_cast<int>(gone);
      const LossSplit split({alive, workers - alive}, lost);
      for (int more = split.low(); more <= split.high(); ++more) {
        const std::size_t together = gone + static_cast<std::size_t>(more);
        if (together >= row.size()) break;
        const double way = dead_[gone] * split.at(more) * row[together] / row[gone];
        after[together] += way;
        losses.unbroken += way;
        if (more > 0) losses.masked += way;
      }
    }
    dead_ = std::move(after);
    return losses;
  }

  /// What leads from the layout before to the one that is to run.
  [[nodiscard]] Choice changed(const Situation& situation, const GridLayout& before,
                               const Losses& losses) const {
    const GridLayout& to = running_.layout;
    const double broken = before.empty() ? 0 : 1 - losses.unbroken;
    Choice choice{.layout = to, .rate = rate_, .lost_samples = broken * unsaved_.samples()};
    if (to.empty()) {
      choice.explanation = "no over-provisioned pipeline is small enough";
      return choice;
    }
    if (before.empty()) {
      choice.charge = situation.first ? migration_charge(prices_, situation, to)
                                      : checkpoint_charge(prices_, to, false);
      choice.explanation = "begins";
      return choice;
    }
    const Charge anew = checkpoint_charge(prices_, to, false);
    // Who finishes the step in flight for a neighbour runs its backward only now: a step more. What
    // is under way goes on meanwhile.
    Charge going_on{losses.masked * running_.step_ms / rate_,
                    losses.unbroken * situation.leftover_ms};
    if (to != before) {
      const Charge moved = migration_charge(prices_, situation, to);
      going_on = {losses.unbroken * moved.ms, losses.unbroken * moved.again_ms};
    }
    choice.charge = {going_on.ms + (broken * anew.ms),
                     going_on.again_ms + (broken * anew.again_ms)};
    if (situation.now().lost > 0) {
      choice.explanation =
          fmt::format("goes on with probability {:.2f}, else from a checkpoint", losses.unbroken);
    } else {
      choice.explanation = to == before ? "nobody was lost" : "machines that wait are enough";
    }
    return choice;
  }

  /// Where the grid begins anew, or was broken, whoever is there is in it.
  void begin_anew(int workers, double unbroken_before, bool changed) {
    const int missing =
        std::max(0, (running_.layout.width * nodes(running_.layout.depth)) - workers);
    if (changed) {
      dead_.clear();
      unbroken_before = 0;
    }
    dead_.resize(std::max(dead_.size(), static_cast<std::size_t>(missing) + 1), 0.0);
    dead_[static_cast<std::size_t>(missing)] += 1 - unbroken_before;
    unsaved_.keep(unbroken_before);
  }

  const PriceModel& prices_;
  BambooOptions options_;
  double rate_;
  UnsavedWork unsaved_;
  MeasuredLayout running_;
  std::vector<double> dead_;  // [n]: the probability that n nodes of the grid are dead
};

}  // namespace

std::unique_ptr<Policy> bamboo_policy(const PriceModel& prices, const BambooOptions& options) {
  return std::make_unique<Bamboo>(prices, options);
}

}  // namespace planaria
