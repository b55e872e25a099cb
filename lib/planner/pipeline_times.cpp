#include "planner/pipeline_times.hpp"

#include <utility>

#include <planaria/base/check.hpp>
#include <planaria/model/lanes.hpp>
#include <planaria/schedule/builders.hpp>

namespace planaria {
namespace {

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

StageWork stage_work_of(const CostTerms& terms, const std::vector<StageDraft>& stages,
                        std::size_t index) {
  const StageDraft& stage = stages[index];
  const LayerTerms sums = terms.sums(stage.first, stage.last);
  const double speed = terms.worker(stage.worker).speed;
  StageWork of;
  of.costs.forward_ms = sums.forward_ms / speed;
  of.costs.backward_input_ms = sums.backward_input_ms / speed;
  of.costs.backward_weight_ms = sums.backward_weight_ms / speed;
  if (index + 1 < stages.size()) {
    of.costs.send_ms =
        terms.transfer_ms(stage.worker, stages[index + 1].worker, terms.boundary_bytes(stage.last));
  }
  if (index > 0) {
    of.costs.send_back_ms = terms.transfer_ms(stage.worker, stages[index - 1].worker,
                                              terms.boundary_bytes(stages[index - 1].last));
  }
  of.memory = {sums.activation_bytes, sums.weight_gradient_bytes, input_bytes(terms, stage)};
  return of;
}

PipelineProblem problem_of(const CostTerms& terms, const std::vector<StageDraft>& stages,
                           int lanes) {
  PipelineProblem problem;
  for (std::size_t i = 0; i < stages.size(); ++i) {
    const StageDraft& stage = stages[i];
    StageWork of = stage_work_of(terms, stages, i);
    if (stage.recompute) {
      of.costs.backward_input_ms += of.costs.forward_ms;
      of.memory.activation_bytes = of.memory.boundary_bytes;
    }
    of.memory.boundary_bytes = 0;  // an action of its own recomputes where that counts
    problem.costs.push_back(of.costs);
    problem.memory.push_back(of.memory);
    problem.standing_bytes.push_back(
        standing_bytes(terms, stage, terms.sums(stage.first, stage.last), lanes));
  }
  return problem;
}

std::vector<std::int64_t> peak_bytes_of(const PipelineProblem& problem, const Schedule& schedule) {
  std::vector<std::int64_t> by_stage(problem.costs.size(), 0);
  const std::vector<RankMemory> held = memory_of(schedule, problem.memory);
  for (std::size_t rank = 0; rank < schedule.ranks.size(); ++rank) {
    const auto stage_of = [&](int chunk) {
      return static_cast<std::size_t>(schedule.stage_of(static_cast<int>(rank), chunk));
    };
    std::int64_t peak_bytes = held[rank].peak_bytes;
    for (int chunk = 0; chunk < schedule.chunks; ++chunk) {
      peak_bytes += problem.standing_bytes[stage_of(chunk)];
    }
    for (int chunk = 0; chunk < schedule.chunks; ++chunk) by_stage[stage_of(chunk)] = peak_bytes;
  }
  return by_stage;
}

Result<std::vector<double>> end_ms_of(const PipelineProblem& problem, const Schedule& schedule) {
  PLANARIA_TRY(simulated, simulate(schedule, problem.costs));
  std::vector<double> by_stage(problem.costs.size(), 0);
  for (std::size_t rank = 0; rank < schedule.ranks.size(); ++rank) {
    const auto& actions = simulated.ranks[rank].actions;
    if (actions.empty()) continue;
    for (int chunk = 0; chunk < schedule.chunks; ++chunk) {
      const int stage = schedule.stage_of(static_cast<int>(rank), chunk);
      by_stage[static_cast<std::size_t>(stage)] = actions.back().end_ms;
    }
  }
  return by_stage;
}

}  // namespace planaria
