#include "liveput/best_way.hpp"

#include <algorithm>
#include <utility>

#include <planaria/liveput/policy.hpp>

namespace planaria {

std::vector<GridLayout> BestWay::layouts(const Start& start,
                                         std::span<const IntervalCounts> events) {
  std::vector<std::vector<State>> all{{State{index_of(start.layout), {0, start.leftover_ms, 0}}}};
  for (const IntervalCounts& event : events) all.push_back(after(all.back(), event));
  std::size_t at = 0;
  for (std::size_t i = 1; i < all.back().size(); ++i) {
    if (all.back()[i].reached.samples > all.back()[at].reached.samples) at = i;
  }
  std::vector<GridLayout> layouts(events.size());
  for (std::size_t t = layouts.size(); t > 0; --t) {
    layouts[t - 1] = layout_of(all[t][at].layout);
    at = all[t][at].reached.before;
  }
  return layouts;
}

std::size_t BestWay::index_of(const GridLayout& layout) const {
  const auto& all = table_.layouts();
  const auto found = std::ranges::find(all, layout, &MeasuredLayout::layout);
  return static_cast<std::size_t>(found - all.begin());  // the end stands for nothing
}

GridLayout BestWay::layout_of(std::size_t layout) const {
  return layout == table_.nothing() ? GridLayout{} : table_.layouts()[layout].layout;
}

std::vector<BestWay::State> BestWay::after(const std::vector<State>& before,
                                           const IntervalCounts& event) {
  std::vector<State> states;
  for (std::size_t to = 0; to < table_.nothing(); ++to) {
    if (table_.layouts()[to].layout.workers() > event.count) continue;
    std::vector<Reached> ways;
    for (std::size_t i = 0; i < before.size(); ++i) ways.push_back(way(before[i], i, to, event));
    for (const Reached& one : kept_of(std::move(ways))) states.push_back({to, one});
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

BestWay::Reached BestWay::way(const State& from, std::size_t index, std::size_t to,
                              const IntervalCounts& event) {
  const int workers = event.count - event.joined + event.lost;
  const MeasuredLayout& now = table_.layouts()[to];
  const Charge charge{table_.ms(table_.after(workers, event.lost)[from.layout], to, to),
                      prices_.restart_ms(now.layout, false)};
  const Standing standing = standing_of(from.reached.leftover_ms, charge);
  const double trained_ms = options_.interval_ms - standing.within(options_.interval_ms);
  return {from.reached.samples + (now.samples_per_s * trained_ms / 1000),
          standing.beyond(options_.interval_ms), index};
}

std::vector<BestWay::Reached> BestWay::kept_of(std::vector<Reached> ways) const {
  std::ranges::stable_sort(ways, [](const Reached& one, const Reached& other) {
    if (one.samples != other.samples) return one.samples > other.samples;
    return one.leftover_ms < other.leftover_ms;
  });
  std::vector<Reached> kept;
  if (options_.kept == WaysKept::undominated) {
    for (const Reached& way : ways) {
      if (kept.empty() || way.leftover_ms < kept.back().leftover_ms) kept.push_back(way);
    }
    return kept;
  }
  for (const bool left_over : {false, true}) {
    const auto best = std::ranges::find_if(
        ways, [&](const Reached& way) { return (way.leftover_ms > 0) == left_over; });
    if (best != ways.end()) kept.push_back(*best);
  }
  return kept;
}

}  // namespace planaria
