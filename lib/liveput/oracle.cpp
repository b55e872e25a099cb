#include <algorithm>
#include <cstddef>
#include <map>
#include <utility>
#include <vector>

#include <planaria/liveput/policies.hpp>

#include "liveput/price_table.hpp"

namespace planaria {
namespace {

/// What some sequence of layouts has earned until the end of an interval.
struct Reached {
  double samples = 0;
  double leftover_ms = 0;
  double coming_ms = 0;
  std::size_t chosen = 0;  // layout, of the price table, as all below
  std::size_t before = 0;  // index into the states of the interval before
  /// Whether nothing can be said for the other one.
  [[nodiscard]] bool rules_out(const Reached& other) const {
    return samples >= other.samples && leftover_ms <= other.leftover_ms &&
           coming_ms <= other.coming_ms;
  }
};

/// What runs at the end of an interval, and which change goes on beside it.
struct Running {
  std::size_t layout = 0;
  std::size_t coming = 0;
  friend auto operator<=>(const Running&, const Running&) = default;
};

/// And one way to have come there.
struct State {
  Running running;
  Reached reached;
};

class PerfectFuture {
 public:
  explicit PerfectFuture(const SimulationRequest& request)
      : request_(request), prices_(*request.prices), table_(prices_, prices_.layouts()) {}

  /// Returns the layout of each interval.
  std::vector<GridLayout> best() {
    std::vector<std::vector<State>> all{{beginning()}};
    for (std::size_t t = request_.first; t < request_.end; ++t) all.push_back(after(all.back(), t));
    std::size_t at = 0;
    for (std::size_t i = 1; i < all.back().size(); ++i) {
      if (all.back()[i].reached.samples > all.back()[at].reached.samples) at = i;
    }
    std::vector<GridLayout> layouts(request_.end - request_.first);
    for (std::size_t t = layouts.size(); t > 0; --t) {
      layouts[t - 1] = layout_of(all[t][at].reached.chosen);
      at = all[t][at].reached.before;
    }
    return layouts;
  }

 private:
  [[nodiscard]] GridLayout layout_of(std::size_t layout) const {
    return layout == table_.nothing() ? GridLayout{} : table_.layouts()[layout].layout;
  }

  [[nodiscard]] State beginning() const {
    State state{{table_.nothing(), table_.nothing()}, {}};
    state.reached.chosen = table_.nothing();
    return state;
  }

  std::vector<State> after(const std::vector<State>& before, std::size_t t) {
    const IntervalCounts& event = request_.intervals[t];
    std::map<Running, std::vector<Reached>> ways;
    for (std::size_t to = 0; to < table_.nothing(); ++to) {
      if (table_.layouts()[to].layout.workers() > event.count) continue;
      for (std::size_t i = 0; i < before.size(); ++i) add_way(before[i], i, to, event, ways);
    }
    std::vector<State> states;
    for (auto& [running, all] : ways) {
      for (const Reached& one : undominated(std::move(all))) states.push_back({running, one});
    }
    if (!states.empty()) return states;
    // Nothing fits: all stand, and no change is under way any more.
    State standing = beginning();
    for (std::size_t i = 0; i < before.size(); ++i) {
      if (i > 0 && before[i].reached.samples <= standing.reached.samples) continue;
      standing.reached.samples = before[i].reached.samples;
      standing.reached.before = i;
    }
    return {standing};
  }

  void add_way(const State& from, std::size_t index, std::size_t to, const IntervalCounts& event,
               std::map<Running, std::vector<Reached>>& ways) {
    const auto& [layout, coming] = from.running;
    const int workers = event.count - event.joined + event.lost;
    const LayoutChange change{layout_of(layout), layout_of(to), workers, event.lost};
    Charge charge{table_.ms(table_.after(workers, event.lost)[layout], to),
                  prices_.restart_ms(change.to, false), background_ms(change, layout, to)};
    if (to == coming && event.lost == 0) {
      charge.background_ms = std::min(charge.background_ms, from.reached.coming_ms);
    }
    const Course course = course_of(from.reached.leftover_ms, charge, request_.interval_ms);
    const double trained_ms = request_.interval_ms - course.standing_ms - course.before_ms;
    const double samples =
        (rate_of(to) * trained_ms / 1000) + (rate_of(layout) * course.before_ms / 1000);
    const Running running = course.arrived ? Running{to, table_.nothing()} : Running{layout, to};
    ways[running].push_back(
        {from.reached.samples + samples, course.leftover_ms, course.coming_ms, to, index});
  }

  /// Asked of the prices once.
  double background_ms(const LayoutChange& change, std::size_t from, std::size_t to) {
    // While nobody is lost it does not matter how many stand by.
    std::vector<double>& known =
        backgrounds_ms_[{change.lost == 0 ? 0 : change.workers, change.lost}];
    const std::size_t layouts = table_.nothing();
    if (known.empty()) known.assign((layouts + 1) * layouts, unknown);
    double& ms = known[(from * layouts) + to];
    if (ms == unknown) ms = prices_.background_ms(change);
    return ms;
  }

  [[nodiscard]] double rate_of(std::size_t layout) const {
    return layout == table_.nothing() ? 0 : table_.layouts()[layout].samples_per_s;
  }

  /// Of those with as many samples or more, only who has less of something under way stays.
  static std::vector<Reached> undominated(std::vector<Reached> ways) {
    std::ranges::stable_sort(ways, [](const Reached& one, const Reached& other) {
      if (one.samples != other.samples) return one.samples > other.samples;
      return one.leftover_ms < other.leftover_ms;
    });
    std::vector<Reached> kept;
    for (const Reached& way : ways) {
      // The last one kept has the least under way, but for what is coming.
      if (!kept.empty() && kept.back().rules_out(way)) continue;
      if (way.coming_ms > 0 &&
          std::ranges::any_of(kept, [&](const Reached& one) { return one.rules_out(way); })) {
        continue;
      }
      kept.push_back(way);
    }
    return kept;
  }

  const SimulationRequest& request_;
  const PriceModel& prices_;
  PriceTable table_;
  static constexpr double unknown = -1;
  /// By workers and lost; of each, by the layout before and the one chosen.
  std::map<std::pair<int, int>, std::vector<double>> backgrounds_ms_;
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
