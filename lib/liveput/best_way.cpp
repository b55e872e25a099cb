#include "liveput/best_way.hpp"

#include <algorithm>
#include <utility>

#include <planaria/liveput/policy.hpp>

namespace planaria {

std::vector<GridLayout> BestWay::layouts(const Start& start,
                                         std::span<const IntervalCounts> events) {
  const Running running{index_of(start.layout), index_of(start.coming)};
  std::vector<std::vector<State>> all{
      {State{running, {0, start.leftover_ms, start.coming_ms, table_.nothing(), 0}}}};
  for (const IntervalCounts& event : events) all.push_back(after(all.back(), event));
  std::size_t at = 0;
  for (std::size_t i = 1; i < all.back().size(); ++i) {
    if (all.back()[i].reached.samples > all.back()[at].reached.samples) at = i;
  }
  std::vector<GridLayout> layouts(events.size());
  for (std::size_t t = layouts.size(); t > 0; --t) {
    layouts[t - 1] = layout_of(all[t][at].reached.chosen);
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

double BestWay::rate_of(std::size_t layout) const {
  return layout == table_.nothing() ? 0 : table_.layouts()[layout].samples_per_s;
}

std::vector<BestWay::State> BestWay::after(const std::vector<State>& before,
                                           const IntervalCounts& event) {
  std::map<Running, std::vector<Reached>> ways;
  for (std::size_t to = 0; to < table_.end_of(event.count); ++to) {
    for (std::size_t i = 0; i < before.size(); ++i) add_way(before[i], i, to, event, ways);
  }
  std::vector<State> states;
  for (auto& [running, all] : ways) {
    for (const Reached& one : kept_of(std::move(all))) states.push_back({running, one});
  }
  if (!states.empty()) return states;
  // Nothing fits: all stand, and no change is under way any more.
  State standing{{table_.nothing(), table_.nothing()}, {.chosen = table_.nothing()}};
  for (std::size_t i = 0; i < before.size(); ++i) {
    if (i > 0 && before[i].reached.samples <= standing.reached.samples) continue;
    standing.reached.samples = before[i].reached.samples;
    standing.reached.before = i;
  }
  return {standing};
}

void BestWay::add_way(const State& from, std::size_t index, std::size_t to,
                      const IntervalCounts& event, std::map<Running, std::vector<Reached>>& ways) {
  const auto& [layout, coming] = from.running;
  const int workers = event.count - event.joined + event.lost;
  const auto& [ms, background_ms] = table_.price(table_.after(workers, event.lost)[layout], to, to);
  Charge charge{ms, prices_.restart_ms(layout_of(to), false), background_ms};
  if (to == coming && event.lost == 0) {
    charge.background_ms = std::min(charge.background_ms, from.reached.coming_ms);
  }
  const Course course = course_of(from.reached.leftover_ms, charge, options_.interval_ms);
  const double trained_ms = options_.interval_ms - course.standing_ms - course.before_ms;
  const double samples =
      (rate_of(to) * trained_ms / 1000) + (rate_of(layout) * course.before_ms / 1000);
  const Running running = course.arrived ? Running{to, table_.nothing()} : Running{layout, to};
  ways[running].push_back(
      {from.reached.samples + samples, course.leftover_ms, course.coming_ms, to, index});
}

std::vector<BestWay::Reached> BestWay::kept_of(std::vector<Reached> ways) const {
  std::ranges::stable_sort(ways, [](const Reached& one, const Reached& other) {
    if (one.samples != other.samples) return one.samples > other.samples;
    return one.leftover_ms < other.leftover_ms;
  });
  std::vector<Reached> kept;
  if (options_.kept == WaysKept::undominated) {
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
  for (const bool left_over : {false, true}) {
    const auto best = std::ranges::find_if(
        ways, [&](const Reached& way) { return (way.leftover_ms > 0) == left_over; });
    if (best != ways.end()) kept.push_back(*best);
  }
  return kept;
}

}  // namespace planaria
