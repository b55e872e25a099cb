#include <planaria/planner/recompute.hpp>

#include <cstddef>
#include <cstdint>
#include <map>

#include <planaria/base/check.hpp>

#include "planner/cost_terms.hpp"
#include "planner/pipeline_times.hpp"
#include "planner/plan_draft.hpp"

namespace planaria {

std::string name_of(Recompute recompute) {
  switch (recompute) {
    case Recompute::never:
      return "never";
    case Recompute::always:
      return "always";
    case Recompute::any:
      return "any";
  }
  check_failed("unknown way to recompute", "");
}

std::optional<Recompute> recompute_named(const std::string& name) {
  for (const Recompute recompute : {Recompute::never, Recompute::always, Recompute::any}) {
    if (name == name_of(recompute)) return recompute;
  }
  return std::nullopt;
}

Result<std::vector<int>> recomputing_ranks(const PipelineAssignment& pipeline,
                                           const Schedule& schedule,
                                           const RecomputeRequest& request) {
  check(request.profile != nullptr && request.cluster != nullptr, "stages are of something");
  std::vector<int> ranks;
  if (request.recompute == Recompute::never) return ranks;
  PLANARIA_TRY(terms, CostTerms::of_micro_batches(*request.profile, *request.cluster,
                                                  request.micro_batch_size));
  std::vector<StageDraft> stages;
  for (const StageAssignment& stage : pipeline.stages) {
    const int worker = terms.index_of(stage.worker);
    check(worker >= 0, "the pipeline's workers are in the cluster");
    stages.push_back({stage.layers.first.value, stage.layers.last.value, worker});
  }
  check_equal(static_cast<int>(stages.size()), schedule.stages(), "stages of the schedule");
  const int lanes = lanes_in(pipeline.micro_batches, request.lane_size);
  const std::vector<std::int64_t> peak_bytes =
      peak_bytes_of(problem_of(terms, stages, lanes), schedule);
  std::map<int, std::int64_t> shadowed_bytes;  // by worker
  for (const ShadowAssignment& shadow : request.shadows) {
    const int worker = terms.index_of(shadow.worker);
    for (const LayerId layer : shadow.layers) {
      shadowed_bytes[worker] += terms.layer(layer.value).shadow_bytes();
    }
  }
  for (int rank = 0; rank < schedule.depth(); ++rank) {
    const auto stage = static_cast<std::size_t>(schedule.stage_of(rank, 0));
    const int worker = stages[stage].worker;
    const bool fits =
        peak_bytes[stage] + shadowed_bytes[worker] <= terms.worker(worker).memory_bytes;
    if (request.recompute == Recompute::always || !fits) ranks.push_back(rank);
  }
  return ranks;
}

}  // namespace planaria
