#include <algorithm>
#include <vector>

#include <fmt/format.h>

#include <planaria/availability/parcae_forecast.hpp>
#include <planaria/liveput/policies.hpp>

#include "liveput/best_way.hpp"
#include "liveput/layout_text.hpp"
#include "liveput/without_shadows.hpp"

namespace planaria {
namespace {

class Parcae final : public Policy {
 public:
  Parcae(const PriceModel& prices, const OptimizerOptions& options)
      : prices_(prices),
        forecast_{.look_ahead = options.look_ahead,
                  // Published for 32 machines as 8 to 32.
                  .count_min = prices.workers_max() / 4,
                  .count_max = prices.workers_max()},
        way_(prices, {options.interval_ms, WaysKept::two, false}) {}

  Choice choose(const Situation& situation) override {
    const GridLayout planned = plan(situation);
    const int workers = situation.now().count;
    const GridLayout layout = clamped(planned, workers);
    Choice choice{.layout = layout, .charge = migration_charge(prices_, situation, layout)};
    if (layout.empty()) {
      choice.explanation = "no layout is small enough";
    } else if (layout == planned) {
      choice.explanation = "was planned before the interval";
    } else {
      choice.explanation =
          fmt::format("{} was planned, for more machines than {}", text_of(planned), workers);
      if (planned.empty()) choice.explanation = "nothing was planned, for fewer machines";
    }
    return choice;
  }

 private:
  /// What would be chosen before anybody knows what comes and goes in this interval.
  GridLayout plan(const Situation& situation) {
    std::vector<int> counts;
    for (const IntervalCounts& interval : situation.history) counts.push_back(interval.count);
    // At a record's very start only the first count itself is there to go by.
    if (counts.size() > 1) counts.pop_back();
    const std::vector<IntervalCounts> events = parcae_forecast(counts, scaling_, forecast_);
    return way_
        .layouts({situation.layout, situation.leftover_ms, situation.coming, situation.coming_ms},
                 events)
        .front();
  }

  /// The same depth for fewer workers; else a single pipeline of all. Where the setting does not
  /// list that: the widest listed of the depth; else the deepest listed single pipeline; else the
  /// fastest layout.
  [[nodiscard]] GridLayout clamped(const GridLayout& planned, int workers) const {
    if (!planned.empty() && planned.workers() <= workers) return planned;
    const int width = planned.empty() ? 0 : workers / planned.depth;
    GridLayout widest;
    GridLayout deepest;
    for (const MeasuredLayout& one : without_shadows(prices_)) {
      if (one.layout.depth == planned.depth && one.layout.width <= width) widest = one.layout;
      if (one.layout.width == 1 && one.layout.depth <= workers) deepest = one.layout;
    }
    if (!widest.empty()) return widest;
    return deepest.empty() ? best_layout(prices_, workers) : deepest;
  }

  const PriceModel& prices_;
  ParcaeOptions forecast_;
  ParcaeScaling scaling_;
  BestWay way_;
};

}  // namespace

std::unique_ptr<Policy> parcae_policy(const PriceModel& prices, const OptimizerOptions& options) {
  return std::make_unique<Parcae>(prices, options);
}

}  // namespace planaria
