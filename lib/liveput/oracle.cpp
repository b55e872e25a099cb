#include <algorithm>
#include <cstddef>
#include <vector>

#include <planaria/liveput/policies.hpp>

#include "liveput/price_table.hpp"

namespace planaria {
namespace {

/// What some sequence of layouts has earned until the end of an interval.
struct Reached {
  double samples = 0;
  double leftover_ms = 0;
  std::size_t before = 0;  // index into the states of the interval before
};

/// A layout at the end of an interval, and one way to have come there.
struct State {
  std::size_t layout = 0;  // of the price table
  Reached reached;
};

class PerfectFuture {
 public:
  explicit PerfectFuture(const SimulationRequest& request)
      : request_(request), prices_(*request.prices), table_(prices_, prices_.layouts()) {}

  /// Returns the layout of each interval.
  std::vector<GridLayout> best() {
    std::vector<std::vector<State>> all{{State{table_.nothing(), {}}}};
    for (std::size_t t = request_.first; t < request_.end; ++t) all.push_back(after(all.back(), t));
    std::size_t at = 0;
    for (std::size_t i = 1; i < all.back().size(); ++i) {
      if (all.back()[i].reached.samples > all.back()[at].reached.samples) at = i;
    }
    std::vector<GridLayout> layouts(request_.end - request_.first);
    for (std::size_t t = layouts.size(); t > 0; --t) {
      layouts[t - 1] = layout_of(all[t][at].layout);
      at = all[t][at].reached.before;
    }
    return layouts;
  }

 private:
  [[nodiscard]] GridLayout layout_of(std::size_t layout) const {
    return layout == table_.nothing() ? GridLayout{} : table_.layouts()[layout].layout;
  }

  std::vector<State> after(const std::vector<State>& before, std::size_t t) {
    const IntervalCounts& event = request_.intervals[t];
    std::vector<State> states;
    for (std::size_t to = 0; to < table_.nothing(); ++to) {
      if (table_.layouts()[to].layout.workers() > event.count) continue;
      std::vector<Reached> ways;
      for (std::size_t i = 0; i < before.size(); ++i) ways.push_back(way(before[i], i, to, event));
      for (const Reached& one : undominated(std::move(ways))) states.push_back({to, one});
    }
    if (!states.empty()) return states;
    // Nothing fits: all stand, and no change is under way any more.
    State standing{table_.nothing(), {}};
    for (std::size_t i = 0; i < before.size(); ++i) {
      if (i > 0 && before[i].reached.samples <= standing.reached.samples) continue;
      standing.reached = {before[i].reached.samples, 0, i};
    }
    return {standing};
  }

  [[nodiscard]] Reached way(const State& from, std::size_t index, std::size_t to,
                            const IntervalCounts& event) {
    const int workers = event.count - event.joined + event.lost;
    const MeasuredLayout& now = table_.layouts()[to];
    const Charge charge{table_.ms(table_.after(workers, event.lost)[from.layout], to, to),
                        prices_.restart_ms(now.layout, false)};
    const Standing standing = standing_of(from.reached.leftover_ms, charge);
    const double trained_ms = request_.interval_ms - standing.within(request_.interval_ms);
    return {from.reached.samples + (now.samples_per_s * trained_ms / 1000),
            standing.beyond(request_.interval_ms), index};
  }

  /// Of those with as many samples or more, only who has less leftover stays.
  static std::vector<Reached> undominated(std::vector<Reached> ways) {
    std::ranges::stable_sort(ways, [](const Reached& one, const Reached& other) {
      if (one.samples != other.samples) return one.samples > other.samples;
      return one.leftover_ms < other.leftover_ms;
    });
    std::vector<Reached> kept;
    for (const Reached& way : ways) {
      if (kept.empty() || way.leftover_ms < kept.back().leftover_ms) kept.push_back(way);
    }
    return kept;
  }

  const SimulationRequest& request_;
  const PriceModel& prices_;
  PriceTable table_;
};

class Oracle final : public Policy {
 public:
  explicit Oracle(const SimulationRequest& request)
      : prices_(*request.prices), layouts_(PerfectFuture(request).best()) {}

  Choice choose(const Situation& situation) override {
    const GridLayout layout = layouts_.at(next_++);
    return {.layout = layout,
            .charge = migration_charge(prices_, situation, layout),
            .explanation = "is on the best way through the whole segment"};
  }

 private:
  const PriceModel& prices_;
  std::vector<GridLayout> layouts_;
  std::size_t next_ = 0;
};

}  // namespace

std::unique_ptr<Policy> oracle_policy(const SimulationRequest& request) {
  return std::make_unique<Oracle>(request);
}

}  // namespace planaria
