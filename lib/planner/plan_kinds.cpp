#include "planner/plan_kinds.hpp"

#include <algorithm>
#include <map>
#include <string>
#include <tuple>
#include <utility>

#include <planaria/model/lanes.hpp>

namespace planaria {
namespace {

PipelineProblem problem_in(const CheckedPlan& checked, std::size_t pipeline) {
  const PipelineDraft& draft = checked.draft.pipelines[pipeline];
  return problem_of(checked.terms, draft.stages,
                    lanes_in(draft.micro_batches, checked.draft.lane_size));
}

/// All that a picture of a pipeline depends on.
using Key = std::tuple<std::vector<std::int64_t>, std::vector<double>, std::vector<std::string>>;

Key key_of(const Plan& plan, const CheckedPlan& checked, std::size_t pipeline) {
  const PipelineDraft& draft = checked.draft.pipelines[pipeline];
  const PipelineProblem problem = problem_in(checked, pipeline);
  Key key;
  auto& [counts, times, actions] = key;
  counts.push_back(draft.micro_batches);
  for (std::size_t stage = 0; stage < draft.stages.size(); ++stage) {
    const StageDraft& of = draft.stages[stage];
    // Which stages are one worker's is the same wherever the schedule is.
    counts.insert(counts.end(), {of.first, of.last, of.recompute ? 1 : 0,
                                 checked.terms.worker(of.worker).memory_bytes,
                                 shadow_bytes(checked.terms, checked.draft, of.worker)});
    const StageCosts& costs = problem.costs[stage];
    times.insert(times.end(), {costs.forward_ms, costs.backward_input_ms, costs.backward_weight_ms,
                               costs.send_ms, costs.send_back_ms.value_or(costs.send_ms)});
    actions.push_back(plan.pipelines[pipeline].stages[stage].actions);
  }
  return key;
}

std::vector<KindRank> ranks_of(const CheckedPlan& checked, std::size_t pipeline,
                               const PipelineProblem& problem, const Schedule& schedule) {
  const PipelineDraft& draft = checked.draft.pipelines[pipeline];
  const int sums_most =
      LaneTree::partial_sums_max(lanes_in(draft.micro_batches, checked.draft.lane_size));
  const std::vector<std::int64_t> peak_bytes = peak_bytes_of(problem, schedule);
  std::vector<KindRank> ranks(schedule.ranks.size());
  for (std::size_t rank = 0; rank < ranks.size(); ++rank) {
    KindRank& of = ranks[rank];
    for (int chunk = 0; chunk < schedule.chunks; ++chunk) {
      of.stages.push_back(
          static_cast<std::size_t>(schedule.stage_of(static_cast<int>(rank), chunk)));
      const StageDraft& stage = draft.stages[of.stages.back()];
      const LayerTerms sums = checked.terms.sums(stage.first, stage.last);
      of.held.state_bytes += sums.state_bytes;
      of.held.gradient_bytes += sums.gradient_bytes * sums_most;
    }
    std::ranges::sort(of.stages);
    const int worker = draft.stages[of.stages.front()].worker;
    of.held.working_bytes =
        peak_bytes[of.stages.front()] - of.held.state_bytes - of.held.gradient_bytes;
    of.held.shadow_bytes = shadow_bytes(checked.terms, checked.draft, worker);
    of.held.memory_bytes = checked.terms.worker(worker).memory_bytes;
  }
  return ranks;
}

Result<PipelineKind> kind_of(const Plan& plan, const CheckedPlan& checked, std::size_t pipeline) {
  PLANARIA_TRY(schedule, schedule_of(plan, pipeline));
  const PipelineProblem problem = problem_in(checked, pipeline);
  PLANARIA_TRY(end_ms, end_ms_of(problem, schedule));
  PipelineKind kind;
  kind.micro_batches = checked.draft.pipelines[pipeline].micro_batches;
  kind.stages = checked.draft.pipelines[pipeline].stages;
  kind.ranks = ranks_of(checked, pipeline, problem, schedule);
  kind.computes_ms = *std::ranges::max_element(end_ms);
  return kind;
}

}  // namespace

Result<std::vector<PipelineKind>> kinds_of(const Plan& plan, const CheckedPlan& checked) {
  std::vector<PipelineKind> kinds;
  std::map<Key, std::size_t> known;
  for (std::size_t pipeline = 0; pipeline < plan.pipelines.size(); ++pipeline) {
    const auto [found, is_new] = known.try_emplace(key_of(plan, checked, pipeline), kinds.size());
    if (is_new) {
      PLANARIA_TRY(kind, kind_of(plan, checked, pipeline));
      kinds.push_back(std::move(kind));
    }
    PipelineKind& kind = kinds[found->second];
    kind.pipelines.push_back(pipeline);
    const auto& stages = plan.pipelines[pipeline].stages;
    for (KindRank& rank : kind.ranks) rank.workers.push_back(stages[rank.stages.front()].worker);
  }
  return kinds;
}

}  // namespace planaria
