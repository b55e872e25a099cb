#include "planner/layout_price.hpp"

#include <algorithm>
#include <map>
#include <utility>

#include <planaria/base/check.hpp>
#include <planaria/schedule/builders.hpp>

#include "planner/lane_moves.hpp"

namespace planaria {
namespace {

/// Actions, some 50 ns each.
constexpr std::int64_t effort_max = 500'000;
/// A bound must not be above what it bounds by rounding.
constexpr double rounding = 1e-9;

int micro_batches_of(const PlanDraft& draft) {
  int all = 0;
  for (const PipelineDraft& pipeline : draft.pipelines) {
    if (pipeline.micro_batches < 1) return 0;
    all += pipeline.micro_batches;
  }
  return all;
}

}  // namespace

LayoutPrice::LayoutPrice(const CostTerms& terms, SearchLimits limits)
    : terms_(terms),
      limits_(std::move(limits)),
      sums_(terms),
      evaluator_(terms, sums_, limits_.recompute),
      tools_{terms, sums_, evaluator_},
      spreader_(tools_, limits_),
      chunks_(chunks_of(limits_.schedules.front())) {}

bool LayoutPrice::effort_left() const {
  return evaluator_.actions() < effort_max;
}

// Each pipeline's slowest worker computes all of its share.
double LayoutPrice::least_ms(const Layout& layout) const {
  double per_ms = 0;  // micro-batches
  for (const PipelineAssignment& pipeline : layout.pipelines) {
    std::map<WorkerId, double> compute_ms;
    double slowest_ms = 0;
    for (const StageAssignment& stage : pipeline.stages) {
      const int worker = terms_.index_of(stage.worker);
      // Of who is gone, nothing is known.
      const double speed = worker < 0 ? 1 : terms_.worker(worker).speed;
      double& sum_ms = compute_ms[stage.worker];
      sum_ms += sums_.compute_ms(stage.layers.first.value, stage.layers.last.value + 1) / speed;
      slowest_ms = std::max(slowest_ms, sum_ms);
    }
    if (slowest_ms <= 0) return 0;
    per_ms += 1 / slowest_ms;
  }
  return limits_.micro_batches / per_ms * (1 - rounding);
}

PlanDraft LayoutPrice::draft_of(const Layout& layout) const {
  PlanDraft draft{.lane_size = limits_.lane_sizes.front()};
  for (const PipelineAssignment& pipeline : layout.pipelines) {
    PipelineDraft& of = draft.pipelines.emplace_back();
    of.micro_batches = pipeline.micro_batches;
    for (const StageAssignment& stage : pipeline.stages) {
      const int worker = terms_.index_of(stage.worker);
      check(worker >= 0, "only workers of the cluster compute");
      of.stages.push_back({stage.layers.first.value, stage.layers.last.value, worker});
    }
  }
  return draft;
}

Layout LayoutPrice::layout_of(const PlanDraft& draft) const {
  Layout layout;
  for (const PipelineDraft& pipeline : draft.pipelines) {
    PipelineAssignment& of = layout.pipelines.emplace_back();
    of.micro_batches = pipeline.micro_batches;
    for (const StageDraft& stage : pipeline.stages) {
      of.stages.push_back(
          {{LayerId{stage.first}, LayerId{stage.last}}, terms_.worker(stage.worker).id});
    }
  }
  return layout;
}

bool LayoutPrice::has_schedule(const PlanDraft& draft) {
  return std::ranges::all_of(draft.pipelines, [&](const PipelineDraft& pipeline) {
    const int ranks = static_cast<int>(pipeline.stages.size()) / chunks_;
    return evaluator_.shelf().schedule(draft.schedule, ranks, pipeline.micro_batches) != nullptr;
  });
}

std::optional<double> LayoutPrice::price(PlanDraft& draft) {
  if (micro_batches_of(draft) != limits_.micro_batches && !spreader_.share_out(draft)) {
    return std::nullopt;
  }
  auto best_ms = evaluator_.step_ms(draft);
  PlanDraft level = draft;
  level_lanes(tools_, level);
  if (level == draft) return best_ms;
  const auto step_ms = evaluator_.step_ms(level);
  if (!step_ms || (best_ms && *best_ms <= *step_ms)) return best_ms;
  draft = std::move(level);
  return step_ms;
}

std::optional<double> LayoutPrice::share_out(Layout& layout) {
  const PlanDraft as_it_is = draft_of(layout);
  std::optional<double> best_ms;
  PlanDraft best;
  const auto try_by = [&](const std::string& schedule) {
    PlanDraft draft = as_it_is;
    draft.schedule = schedule;
    const auto step_ms = price(draft);
    const bool better = step_ms && (!best_ms || *step_ms < *best_ms);
    if (better) best_ms = step_ms;
    if (better || best.pipelines.empty()) best = std::move(draft);
  };
  for (const std::string& schedule : limits_.schedules) try_by(schedule);
  // What a run does where a kind has no such shape.
  if (!best_ms && chunks_ == 1 && !has_schedule(best)) try_by("1f1b");
  for (std::size_t i = 0; best_ms && i < layout.pipelines.size(); ++i) {
    layout.pipelines[i].micro_batches = best.pipelines[i].micro_batches;
  }
  return best_ms;
}

std::vector<Layout> LayoutPrice::even_layouts() {
  std::vector<Layout> layouts;
  const int depth_most = terms_.layers() / chunks_;
  const int lanes = lanes_in(limits_.micro_batches, limits_.lane_sizes.front());
  const int width_most = std::min(limits_.width.value_or(terms_.workers()), lanes);
  for (int width = limits_.width.value_or(1); depth_most > 0 && width <= width_most; ++width) {
    const int used = width * limits_.depth.value_or(depth_most);
    if (limits_.depth && used > terms_.workers()) break;
    const std::vector<int> depths = even_depths(width, std::min(used, terms_.workers()));
    for (const WorkerOrder order : spreader_.orders()) {
      const auto draft =
          spreader_.draft({limits_.schedules.front(), limits_.lane_sizes.front(), depths, order});
      if (draft) layouts.push_back(layout_of(*draft));
    }
  }
  return layouts;
}

}  // namespace planaria
