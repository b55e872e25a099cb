#include "planner/plan_evaluator.hpp"

#include <algorithm>
#include <functional>
#include <tuple>
#include <utility>

#include <planaria/model/lanes.hpp>
#include <planaria/schedule/builders.hpp>

namespace planaria {

std::vector<std::int64_t> worker_kinds(const CostTerms& terms) {
  // Where every host has one worker, which host it is makes no difference.
  std::map<int, int> on_host;
  for (int index = 0; index < terms.workers(); ++index) ++on_host[terms.worker(index).host];
  const bool hosts_matter =
      terms.has_links() && on_host.size() < static_cast<std::size_t>(terms.workers());
  std::map<std::tuple<double, std::int64_t, int, int>, std::int64_t> known;
  std::vector<std::int64_t> kinds;
  for (int index = 0; index < terms.workers(); ++index) {
    const WorkerTerms& worker = terms.worker(index);
    const int zone = terms.has_links() ? worker.zone : 0;
    const int host = hosts_matter ? worker.host : 0;
    const auto next = static_cast<std::int64_t>(known.size());
    const auto kind = std::tuple(worker.speed, worker.memory_bytes, zone, host);
    kinds.push_back(known.try_emplace(kind, next).first->second);
  }
  return kinds;
}

PlanEvaluator::PlanEvaluator(const CostTerms& terms, const LayerSums& sums, Recompute recompute)
    : terms_(terms),
      sums_(sums),
      recompute_(recompute),
      kind_of_(worker_kinds(terms)),
      no_shadows_(static_cast<std::size_t>(terms.workers()), 0) {}

PlanEvaluator::Key PlanEvaluator::key_of(const std::string& schedule, int lanes,
                                         const std::vector<std::int64_t>& shadow_bytes,
                                         const PipelineDraft& pipeline) {
  const auto number = static_cast<std::int64_t>(schedules_.size());
  Key key{schedules_.try_emplace(schedule, number).first->second, lanes, pipeline.micro_batches};
  key.reserve(3 + (3 * pipeline.stages.size()));
  for (const StageDraft& stage : pipeline.stages) {
    const auto worker = static_cast<std::size_t>(stage.worker);
    key.push_back(stage.last);
    key.push_back(kind_of_[worker]);
    key.push_back(shadow_bytes[worker]);
  }
  return key;
}

std::vector<std::int64_t> PlanEvaluator::peak_bytes(const PipelineProblem& problem,
                                                    const std::string& schedule,
                                                    const Schedule& built) {
  if (built.chunks > 1) return peak_bytes_of(problem, built);
  const auto& held = *shelf_.held(schedule, built.depth(), built.micro_batches);
  return peak_bytes(problem, held);
}

std::vector<std::int64_t> PlanEvaluator::peak_bytes(const PipelineProblem& problem,
                                                    const std::vector<HeldMost>& held) {
  std::vector<std::int64_t> peaks;
  for (std::size_t stage = 0; stage < held.size(); ++stage) {
    std::int64_t most = 0;
    for (const HeldCounts& counts : held[stage]) {
      most = std::max(most,
                      (counts.activations * problem.memory[stage].activation_bytes) +
                          (counts.weight_gradients * problem.memory[stage].weight_gradient_bytes));
    }
    peaks.push_back(problem.standing_bytes[stage] + most);
  }
  return peaks;
}

// Lanes and shadows decide what fits, and who recomputes, but nothing else of the times.
const std::vector<double>* PlanEvaluator::ends_ms(const std::string& schedule,
                                                  const std::vector<StageDraft>& stages,
                                                  const PipelineProblem& problem,
                                                  const Schedule& built) {
  Key key{schedules_.at(schedule), built.micro_batches};
  for (const StageDraft& stage : stages) {
    key.push_back(stage.last);
    key.push_back(kind_of_[static_cast<std::size_t>(stage.worker)]);
    key.push_back(stage.recompute ? 1 : 0);
  }
  const auto known = ends_ms_.find(key);
  if (known != ends_ms_.end()) return &known->second;
  auto simulated = end_ms_of(problem, built);
  ++simulated_;
  for (const auto& rank : built.ranks) actions_ += static_cast<std::int64_t>(rank.size());
  if (!simulated) return nullptr;
  return &ends_ms_.emplace(std::move(key), std::move(simulated).value()).first->second;
}

PlanEvaluator::Entry PlanEvaluator::simulate(const std::string& schedule, int lanes,
                                             const std::vector<std::int64_t>& shadow_bytes,
                                             const PipelineDraft& pipeline) {
  Entry entry;
  std::vector<StageDraft> stages = pipeline.stages;
  const int ranks = static_cast<int>(stages.size()) / chunks_of(schedule);
  const Schedule* const built = shelf_.schedule(schedule, ranks, pipeline.micro_batches);
  if (built == nullptr || built->stages() != static_cast<int>(stages.size())) return entry;
  for (StageDraft& stage : stages) stage.recompute = recompute_ == Recompute::always;
  PipelineProblem problem = problem_of(terms_, stages, lanes);
  entry.times.peak_bytes = peak_bytes(problem, schedule, *built);
  const auto fits = [&](std::size_t stage) {
    const auto worker = static_cast<std::size_t>(stages[stage].worker);
    return entry.times.peak_bytes[stage] + shadow_bytes[worker] <=
           terms_.worker(stages[stage].worker).memory_bytes;
  };
  bool all_fit = true;
  for (std::size_t stage = 0; stage < stages.size(); ++stage) {
    if (fits(stage)) continue;
    if (recompute_ != Recompute::any) return entry;
    stages[stage].recompute = true;
    all_fit = false;
  }
  if (!all_fit) {
    problem = problem_of(terms_, stages, lanes);
    entry.times.peak_bytes = peak_bytes(problem, schedule, *built);
  }
  for (std::size_t stage = 0; stage < stages.size(); ++stage) {
    if (!fits(stage)) return entry;
    entry.recompute.push_back(stages[stage].recompute);
  }
  const auto* const end_ms = ends_ms(schedule, stages, problem, *built);
  if (end_ms == nullptr) return entry;
  entry.times.end_ms = *end_ms;
  entry.fits = true;
  return entry;
}

const PipelineTimes* PlanEvaluator::times(const std::string& schedule, int lane_size,
                                          const std::vector<std::int64_t>& shadow_bytes,
                                          PipelineDraft& pipeline) {
  const int lanes = lanes_in(pipeline.micro_batches, lane_size);
  Key key = key_of(schedule, lanes, shadow_bytes, pipeline);
  auto found = entries_.find(key);
  if (found == entries_.end()) {
    found =
        entries_.emplace(std::move(key), simulate(schedule, lanes, shadow_bytes, pipeline)).first;
  }
  const Entry& entry = found->second;
  if (!entry.fits) return nullptr;
  for (std::size_t stage = 0; stage < pipeline.stages.size(); ++stage) {
    pipeline.stages[stage].recompute = entry.recompute[stage];
  }
  return &entry.times;
}

bool PlanEvaluator::fits_memory(const std::string& schedule, int lane_size,
                                const PipelineDraft& pipeline) {
  const int depth = static_cast<int>(pipeline.stages.size());
  const auto* const held = shelf_.held(schedule, depth, pipeline.micro_batches);
  if (held == nullptr) return true;
  const int partial_sums = LaneTree::partial_sums_max(lanes_in(pipeline.micro_batches, lane_size));
  for (std::size_t i = 0; i < pipeline.stages.size(); ++i) {
    const StageDraft& stage = pipeline.stages[i];
    const auto fits = [&](bool recompute) {
      return peak_bytes_of(sums_, stage.first, stage.last + 1, recompute, (*held)[i],
                           partial_sums) <= terms_.worker(stage.worker).memory_bytes;
    };
    const bool as_is = recompute_ != Recompute::always && fits(false);
    if (!as_is && (recompute_ == Recompute::never || !fits(true))) return false;
  }
  return true;
}

std::optional<double> PlanEvaluator::step_ms(PlanDraft& draft) {
  std::vector<std::int64_t> shadowed = no_shadows_;
  for (int worker = 0; !draft.shadows.empty() && worker < terms_.workers(); ++worker) {
    auto& bytes = shadowed[static_cast<std::size_t>(worker)];
    bytes = shadow_bytes(terms_, draft, worker);
    if (bytes > terms_.worker(worker).memory_bytes) return std::nullopt;
  }
  std::vector<const PipelineTimes*> all;
  for (PipelineDraft& pipeline : draft.pipelines) {
    const PipelineTimes* const one = times(draft.schedule, draft.lane_size, shadowed, pipeline);
    if (one == nullptr) return std::nullopt;
    all.push_back(one);
  }
  return step_ms_of(terms_, draft, all);
}

}  // namespace planaria
