#include <algorithm>
#include <limits>
#include <utility>

#include <planaria/base/check.hpp>
#include <planaria/liveput/optimizer.hpp>

#include "liveput/lookahead.hpp"
#include "liveput/price_table.hpp"

namespace planaria {
namespace {

constexpr double endless = std::numeric_limits<double>::infinity();

/// Returns the layouts that are nearly as fast as the fastest of as many workers: what a sequence
/// of fast layouts passes through, and what it shrinks to where that takes less time.
std::vector<MeasuredLayout> worth_a_thought(const PriceModel& prices, double rate_share) {
  std::vector<double> fastest(static_cast<std::size_t>(prices.workers_max()) + 1, 0);
  for (const MeasuredLayout& one : prices.layouts()) {
    const auto workers = static_cast<std::size_t>(one.layout.workers());
    if (workers >= fastest.size()) continue;
    fastest[workers] = std::max(fastest[workers], one.samples_per_s);
  }
  for (std::size_t n = 1; n < fastest.size(); ++n)
    fastest[n] = std::max(fastest[n], fastest[n - 1]);
  std::vector<MeasuredLayout> layouts;
  for (const MeasuredLayout& one : prices.layouts()) {
    const auto workers = static_cast<std::size_t>(one.layout.workers());
    if (workers >= fastest.size()) continue;
    if (one.samples_per_s >= rate_share * fastest[workers]) layouts.push_back(one);
  }
  return layouts;
}

}  // namespace

LiveputOptimizer::LiveputOptimizer(const PriceModel& prices, const OptimizerOptions& options)
    : prices_(prices),
      options_(options),
      table_(std::make_unique<PriceTable>(prices, worth_a_thought(prices, options.rate_share))) {}

LiveputOptimizer::~LiveputOptimizer() = default;

std::vector<ValuedLayout> LiveputOptimizer::choices(const Situation& situation,
                                                    const Outlook& outlook) {
  const int workers = situation.now().count;
  check(workers <= prices_.workers_max(), "as many machines as the prices are for, at most");
  if (!situation.layout.empty() && !table_->has(situation.layout)) {
    // It may stay, however it came about.
    std::vector<MeasuredLayout> layouts = table_->layouts();
    layouts.push_back({situation.layout, 0, samples_per_s(prices_, situation.layout)});
    table_ = std::make_unique<PriceTable>(prices_, std::move(layouts));
  }
  Lookahead lookahead(*table_, options_, outlook, workers, situation.layout.workers());
  const std::vector<double> values = lookahead.values();
  std::vector<ValuedLayout> choices;
  const double running = samples_per_s(prices_, situation.layout);
  for (std::size_t to = lookahead.first_thought_of(); to < table_->end_of(workers); ++to) {
    const MeasuredLayout& one = table_->layouts()[to];
    ValuedLayout choice{one.layout, migration_charge(prices_, situation, one.layout)};
    // However long it takes: what outlasts the interval counts against the next.
    const Course course = course_of(situation.leftover_ms, choice.charge, endless);
    const double trained_ms = options_.interval_ms - course.standing_ms - course.before_ms;
    choice.samples =
        ((one.samples_per_s * trained_ms) + (running * course.before_ms)) / 1000 + values[to];
    choices.push_back(choice);
  }
  std::ranges::sort(choices, [](const ValuedLayout& one, const ValuedLayout& other) {
    if (one.samples != other.samples) return one.samples > other.samples;
    return one.layout < other.layout;
  });
  return choices;
}

}  // namespace planaria
