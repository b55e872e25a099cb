// liveput/flat_prices.hpp: prices in whole seconds, to reckon by hand.
#pragma once

#include <algorithm>
#include <utility>
#include <vector>

#include <planaria/liveput/prices.hpp>
#include <planaria/liveput/simulation.hpp>

namespace planaria::test {

/// Steps of a second. A narrower layout of the same depth takes 1 s, the same one with nobody lost
/// nothing, any other 8 s. To begin anew: 5 s with newcomers, 2 s without; to read everything 3 s,
/// a checkpoint 6 s.
class FlatPrices final : public PriceModel {
 public:
  struct Rate {
    GridLayout layout;
    double samples_per_s = 0;
  };
  explicit FlatPrices(const std::vector<Rate>& rates) {
    for (const Rate& rate : rates) layouts_.push_back({rate.layout, 1000, rate.samples_per_s});
    std::ranges::sort(layouts_, {}, &MeasuredLayout::layout);
  }

  [[nodiscard]] const std::vector<MeasuredLayout>& layouts() const override { return layouts_; }
  [[nodiscard]] int workers_max() const override { return 12; }
  [[nodiscard]] double change_ms(const LayoutChange& change) const override {
    if (change.to.empty() || (change.from == change.to && change.lost == 0)) return 0;
    const bool narrower =
        change.from.depth == change.to.depth && change.to.width < change.from.width;
    return narrower ? 1000 : 8000;
  }
  [[nodiscard]] double restart_ms(const GridLayout&, bool grows) const override {
    return grows ? 5000 : 2000;
  }
  [[nodiscard]] double read_all_ms(const GridLayout&) const override { return 3000; }
  [[nodiscard]] double checkpoint_ms() const override { return 6000; }

 private:
  std::vector<MeasuredLayout> layouts_;
};

struct Event {
  int joined = 0;
  int lost = 0;
};

/// Returns intervals with these events, beginning with no machine.
[[nodiscard]] inline std::vector<IntervalCounts> intervals_with(const std::vector<Event>& events) {
  std::vector<IntervalCounts> intervals;
  int count = 0;
  for (const Event& event : events) {
    count += event.joined - event.lost;
    intervals.push_back({event.joined, event.lost, count});
  }
  return intervals;
}

/// Returns a request for all of `intervals`, which must outlive it, as `prices` must.
[[nodiscard]] inline SimulationRequest all_of(const PriceModel& prices,
                                              const std::vector<IntervalCounts>& intervals) {
  return {.prices = &prices, .intervals = intervals, .end = intervals.size()};
}

}  // namespace planaria::test
