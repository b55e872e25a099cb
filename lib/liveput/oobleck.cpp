#include <algorithm>
#include <cmath>

#include <fmt/format.h>

#include <planaria/liveput/policies.hpp>

#include "liveput/loss_rows.hpp"
#include "liveput/unsaved_work.hpp"
#include "liveput/without_shadows.hpp"

namespace planaria {
namespace {

class Oobleck final : public Policy {
 public:
  Oobleck(const PriceModel& prices, const OobleckOptions& options)
      : prices_(prices), options_(options), unsaved_(options.checkpoint_steps) {
    for (const MeasuredLayout& one : without_shadows(prices)) {
      nodes_min_ = nodes_min_ == 0 ? one.layout.depth : std::min(nodes_min_, one.layout.depth);
    }
  }

  Choice choose(const Situation& situation) override {
    const IntervalCounts& now = situation.now();
    const MeasuredLayout before = running_;
    if (before.layout.empty()) {
      Choice choice = begun(situation);
      if (!situation.first && !choice.layout.empty()) {
        choice.charge = checkpoint_charge(prices_, choice.layout, false);
      }
      return trained(situation, choice);
    }
    if (now.lost == 0)
      return trained(situation, {.layout = before.layout, .explanation = "goes on"});
    // Of the machines it began with; others stand by. Which are lost is uncertain: what is
    // expected.
    const double before_count = situation.workers_before();
    members_ -= now.lost * std::min(members_, before_count) / before_count;
    const auto members = std::min(static_cast<int>(std::floor(members_ + 1e-9)), now.count);
    running_ = reconfigured(before, members);
    if (running_.layout.empty()) {
      Choice choice = begun(situation);
      choice.lost_samples = unsaved_.samples();
      unsaved_.keep(0);
      if (choice.layout.empty()) return choice;
      choice.charge = checkpoint_charge(prices_, choice.layout, false);
      choice.explanation = "too few pipelines are left: begins anew from a checkpoint";
      return trained(situation, choice);
    }
    Choice choice{.layout = running_.layout,
                  .charge = migration_charge(prices_, situation, running_.layout),
                  .lost_samples = step_in_flight(situation, before)};
    choice.explanation = running_.layout == before.layout
                             ? "every pipeline keeps its template"
                             : fmt::format("{} machines are left of those it began with", members);
    return trained(situation, choice);
  }

 private:
  [[nodiscard]] bool has_template(const MeasuredLayout& one) const {
    return one.layout.depth < 2 * nodes_min_;
  }

  /// Takes all machines that are there, in at least failures + 1 pipelines, or as many as there is
  /// room for.
  Choice begun(const Situation& situation) {
    running_ = {};
    members_ = situation.now().count;
    for (const int width_min : {options_.failures + 1, 1}) {
      for (const MeasuredLayout& one : without_shadows(prices_)) {
        if (!has_template(one) || one.layout.width < width_min) continue;
        if (one.layout.workers() > situation.now().count) continue;
        if (one.samples_per_s > running_.samples_per_s) running_ = one;
      }
      if (!running_.layout.empty()) break;
    }
    if (running_.layout.empty()) return {.explanation = "no template is small enough"};
    return {.layout = running_.layout,
            .charge = migration_charge(prices_, situation, running_.layout),
            .explanation = "begins"};
  }

  /// The same layout where `members` suffice; else as many pipelines as templates are found for, of
  /// the fastest template: nodes are borrowed before pipelines are merged.
  [[nodiscard]] MeasuredLayout reconfigured(const MeasuredLayout& before, int members) const {
    if (before.layout.workers() <= members) return before;
    const int width_min = std::min(options_.failures + 1, before.layout.width);
    MeasuredLayout best;
    for (const MeasuredLayout& one : without_shadows(prices_)) {  // ascending by width
      if (!has_template(one) || one.layout.workers() > members) continue;
      if (one.layout.width < width_min || one.layout.width > before.layout.width) continue;
      const bool wider = one.layout.width > best.layout.width;
      if (wider || one.samples_per_s > best.samples_per_s) best = one;
    }
    return best;
  }

  /// Half a step on average, if anybody of the grid was lost while it trained.
  [[nodiscard]] static double step_in_flight(const Situation& situation,
                                             const MeasuredLayout& before) {
    if (situation.leftover_ms > 0) return 0;
    const int grid = before.layout.workers();
    const LossSplit split({grid, situation.workers_before() - grid}, situation.now().lost);
    const double unhurt = split.low() == 0 ? split.at(0) : 0;
    return (1 - unhurt) * before.samples_per_s * before.step_ms / 2000;
  }

  Choice trained(const Situation& situation, Choice choice) {
    if (choice.layout.empty()) return choice;
    unsaved_.train(running_, 1, options_.interval_ms,
                   course_of(situation.leftover_ms, choice.charge, options_.interval_ms));
    return choice;
  }

  const PriceModel& prices_;
  OobleckOptions options_;
  UnsavedWork unsaved_;
  int nodes_min_ = 0;   // the smallest template
  double members_ = 0;  // expected to be left of the machines that it began with
  MeasuredLayout running_;
};

}  // namespace

std::unique_ptr<Policy> oobleck_policy(const PriceModel& prices, const OobleckOptions& options) {
  return std::make_unique<Oobleck>(prices, options);
}

}  // namespace planaria
