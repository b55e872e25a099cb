// The cost model applied to a whole plan, whoever made it.
#include <utility>

#include <planaria/planner/plan.hpp>

#include "planner/checked_plan.hpp"

namespace planaria {

Result<PlanCost> cost_of(const Plan& plan, const Profile& profile, const Cluster& cluster) {
  PLANARIA_TRY(fit, checked(plan, profile, cluster));
  const auto& [terms, draft] = fit;
  PlanCost cost;
  std::vector<PipelineTimes> all;
  for (std::size_t i = 0; i < draft.pipelines.size(); ++i) {
    PLANARIA_TRY(schedule, schedule_of(plan, i));
    const int lanes = lanes_in(draft.pipelines[i].micro_batches, draft.lane_size);
    const PipelineProblem problem = problem_of(terms, draft.pipelines[i].stages, lanes);
    PLANARIA_TRY(end_ms, end_ms_of(problem, schedule));
    PipelineTimes times{std::move(end_ms), peak_bytes_of(problem, schedule)};
    cost.peak_memory_bytes.push_back(times.peak_bytes);
    for (std::size_t stage = 0; stage < times.peak_bytes.size(); ++stage) {
      const int worker = draft.pipelines[i].stages[stage].worker;
      cost.memory_bytes[terms.worker(worker).id] =
          times.peak_bytes[stage] + shadow_bytes(terms, draft, worker);
    }
    all.push_back(std::move(times));
  }
  std::vector<const PipelineTimes*> times;
  for (const PipelineTimes& one : all) times.push_back(&one);
  cost.step_ms = step_ms_of(terms, draft, times);
  cost.survives = survives(terms, draft);
  for (const ShadowAssignment& shadow : plan.shadows) {
    cost.memory_bytes.try_emplace(shadow.worker,
                                  shadow_bytes(terms, draft, terms.index_of(shadow.worker)));
  }
  return cost;
}

}  // namespace planaria
