#include "planner/rounds.hpp"

#include <limits>

#include <planaria/base/check.hpp>

namespace planaria {
namespace {

/// Periods this close are one: sums over other windows round otherwise.
constexpr double rounding = 1e-12;

struct Excess {
  double ms = -std::numeric_limits<double>::infinity();
  std::size_t first = 0;
  std::size_t stages = 1;
};

// What the rounds that end at each stage take above `period_ms` for each of their micro-batches:
// either the stage's own, or the most of those that end at the stage before, gone on.
Excess most_above(const RoundRule& rule, const std::vector<RoundStage>& stages, double period_ms) {
  Excess most;
  Excess here;
  double link_ms = 0;
  for (std::size_t stage = 0; stage < stages.size(); ++stage) {
    const RoundStage& of = stages[stage];
    double ahead_ms = of.beside_ms;
    const double gone_on_ms = here.ms + link_ms - ((rule.per_stage - 1) * period_ms);
    if (stage > 0 && gone_on_ms > ahead_ms) {
      ahead_ms = gone_on_ms;
      ++here.stages;
    } else {
      here.first = stage;
      here.stages = 1;
    }
    here.ms = ahead_ms + of.on_way_ms - period_ms;
    link_ms = of.link_ms;
    if (here.ms > most.ms) most = here;
  }
  return most;
}

}  // namespace

RoundRule round_rule(const std::string& schedule) {
  if (schedule == "1f1b") return {.bind = true, .fused = true};
  if (schedule == "zb-h1") return {.bind = true};
  if (schedule == "zb-h2") return {.bind = true, .per_stage = 2};
  return {};
}

// A round's excess falls with the period by its micro-batches, so the most of them all is convex:
// Newton's method from below ends at its zero.
Round longest_round(const RoundRule& rule, const std::vector<RoundStage>& stages) {
  check(!stages.empty(), "a pipeline has a stage");
  Round longest;
  for (std::size_t stage = 0; stage < stages.size(); ++stage) {
    const double alone_ms = stages[stage].on_way_ms + stages[stage].beside_ms;
    if (alone_ms > longest.period_ms) longest = {alone_ms, stage, 1};
  }
  while (rule.bind) {
    const Excess most = most_above(rule, stages, longest.period_ms);
    if (most.ms <= rounding * longest.period_ms) break;
    const double period_ms = longest.period_ms + (most.ms / rule.micro_batches(most.stages));
    if (period_ms <= longest.period_ms) break;  // parted by so many, it is less than rounding
    longest = {period_ms, most.first, most.stages};
  }
  return longest;
}

Round longest_round(const CostTerms& terms, const LayerSums& sums, const RoundRule& rule,
                    const std::vector<StageDraft>& stages) {
  std::vector<RoundStage> costs;
  costs.reserve(stages.size());
  for (const StageDraft& stage : stages) {
    const int end = stage.last + 1;
    const double speed = terms.worker(stage.worker).speed;
    RoundStage& cost = costs.emplace_back();
    cost.on_way_ms = sums.compute_ms(stage.first, end) / speed;
    if (stage.recompute) cost.on_way_ms += sums.forward_ms(stage.first, end) / speed;
    if (!rule.fused) {
      cost.beside_ms = sums.backward_weight_ms(stage.first, end) / speed;
      cost.on_way_ms -= cost.beside_ms;
    }
    cost.link_ms = 2 * sums.least_send_ms(end);
  }
  return longest_round(rule, costs);
}

}  // namespace planaria
