#include "planner/pipeline_times.hpp"

#include <utility>

#include <planaria/base/check.hpp>
#include <planaria/model/lanes.hpp>
#include <planaria/schedule/builders.hpp>

namespace planaria {
namespace {

StageCosts costs_of(const CostTerms& terms, const std::vector<StageDraft>& stages,
                    std::size_t index, const LayerTerms& sums) {
  const StageDraft& stage = stages[index];
  const double speed = terms.worker(stage.worker).speed;
  StageCosts costs;
  costs.forward_ms = sums.forward_ms / speed;
  costs.backward_input_ms = sums.backward_input_ms / speed;
  costs.backward_weight_ms = sums.backward_weight_ms / speed;
  if (stage.recompute) costs.backward_input_ms += costs.forward_ms;
  if (index + 1 < stages.size()) {
    costs.send_ms = terms.transfer_ms(stage.worker, stages[index + 1].worker,
                                      terms.boundary_bytes(stage.last));
  }
  if (index > 0) {
    costs.send_back_ms = terms.transfer_ms(stage.worker, stages[index - 1].worker,
                                           terms.boundary_bytes(stages[index - 1].last));
  }
  return costs;
}

std::int64_t input_bytes(const CostTerms& terms, const StageDraft& stage) {
  return stage.first == 0 ? 0 : terms.boundary_bytes(stage.first - 1);
}

// What does not change while the stage's actions run.
std::int64_t standing_bytes(const CostTerms& terms, const StageDraft& stage, const LayerTerms& sums,
                            int lanes) {
  std::int64_t bytes = sums.state_bytes + sums.gradient_bytes * LaneTree::partial_sums_max(lanes);
  bytes += input_bytes(terms, stage) + terms.boundary_bytes(stage.last);
  // A recomputing stage has one full set, whichever micro-batch it is of.
  if (stage.recompute) bytes += sums.activation_bytes;
  return bytes;
}

}  // namespace

PipelineProblem problem_of(const CostTerms& terms, const std::vector<StageDraft>& stages,
                           int lanes) {
  PipelineProblem problem;
  for (std::size_t i = 0; i < stages.size(); ++i) {
    const StageDraft& stage = stages[i];
    const LayerTerms sums = terms.sums(stage.first, stage.last);
    problem.costs.push_back(costs_of(terms, stages, i, sums));
    problem.memory.push_back(
        {stage.recompute ? input_bytes(terms, stage) : sums.activation_bytes,
         sums.weight_gradient_bytes, 0});
    problem.standing_bytes.push_back(standing_bytes(terms, stage, sums, lanes));
  }
  return problem;
}

Result<PipelineTimes> pipeline_times(const CostTerms& terms, const std::vector<StageDraft>& stages,
                                     const Schedule& schedule, int lanes) {
  check_equal(stages.size(), static_cast<std::size_t>(schedule.stages()), "a stage a stage");
  const PipelineProblem problem = problem_of(terms, stages, lanes);
  PLANARIA_TRY(simulated, simulate(schedule, problem.costs));
  const std::vector<RankMemory> held = memory_of(schedule, problem.memory);
  PipelineTimes times{std::vector<double>(stages.size(), 0),
                      std::vector<std::int64_t>(stages.size(), 0)};
  for (std::size_t rank = 0; rank < schedule.ranks.size(); ++rank) {
    const auto& actions = simulated.ranks[rank].actions;
    const auto stage_of = [&](int chunk) {
      return static_cast<std::size_t>(schedule.stage_of(static_cast<int>(rank), chunk));
    };
    std::int64_t peak_bytes = held[rank].peak_bytes;
    for (int chunk = 0; chunk < schedule.chunks; ++chunk) {
      peak_bytes += problem.standing_bytes[stage_of(chunk)];
    }
    for (int chunk = 0; chunk < schedule.chunks; ++chunk) {
      times.end_ms[stage_of(chunk)] = actions.empty() ? 0 : actions.back().end_ms;
      times.peak_bytes[stage_of(chunk)] = peak_bytes;
    }
  }
  return times;
}

const Schedule* ScheduleShelf::get(const std::string& kind, int ranks, int micro_batches) {
  const auto key = std::tuple(kind, ranks, micro_batches);
  const auto found = built_.find(key);
  if (found != built_.end()) return found->second.ranks.empty() ? nullptr : &found->second;
  auto built = build_schedule(kind, {.stages = ranks, .micro_batches = micro_batches});
  Schedule& kept = built_[key];
  if (!built) return nullptr;
  kept = std::move(built).value();
  return &kept;
}

}  // namespace planaria
