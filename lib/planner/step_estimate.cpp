#include "planner/step_estimate.hpp"

#include <algorithm>
#include <cmath>
#include <functional>
#include <limits>

#include <planaria/model/lanes.hpp>
#include <planaria/schedule/builders.hpp>

namespace planaria {
namespace {

constexpr double infinity = std::numeric_limits<double>::infinity();

/// Whether stages have weight gradients to do while the last backward goes up.
bool splits(const std::string& schedule) {
  return schedule.starts_with("zb") || schedule.starts_with("v-");
}

}  // namespace

StepEstimate::StepEstimate(const SearchTools& tools, const SearchLimits& limits, Spreader& spreader)
    : tools_(tools), limits_(limits), spreader_(spreader) {
  std::vector<double> speeds;
  const int workers = tools.terms.workers();
  for (int index = 0; index < workers; ++index) {
    speeds.push_back(tools.terms.worker(index).speed);
    mean_memory_bytes_ += static_cast<double>(tools.terms.worker(index).memory_bytes) / workers;
  }
  std::ranges::sort(speeds, std::greater<>());
  for (const double speed : speeds) speed_sums_.push_back(speed_sums_.back() + speed);
}

double StepEstimate::of_even(const std::string& schedule, int width, int used) {
  const int share = (limits_.micro_batches + width - 1) / width;
  const double speed = speed_sums_[static_cast<std::size_t>(used)] / used;
  // Of pipelines alike one takes the rounded share; deeper ones take up what others do not.
  const double mean = static_cast<double>(limits_.micro_batches) / width;
  return of_pipeline({schedule, static_cast<double>(used) / width, share, width, speed},
                     used % width == 0 ? share : mean);
}

double StepEstimate::of_one(const std::string& schedule, int depth, int micro_batches, int width) {
  return of_pipeline(
      {schedule, static_cast<double>(depth), limits_.micro_batches / width, width, speed_sums_[1]},
      micro_batches);
}

double StepEstimate::of_pipeline(const EvenPipeline& pipeline, double micro_batches) {
  const auto& [schedule, depth, share, width, speed] = pipeline;
  const LayerSums& sums = tools_.sums;
  const double forward_ms = sums.forward_ms(0, layers()) / depth / speed;
  const double stage_ms = slowest_stage_ms(schedule, depth, share) / speed;
  if (stage_ms == infinity) return infinity;
  const double fill_ms = splits(schedule) ? forward_ms : stage_ms;
  const double after_ms = (sums.optimizer_ms(0, layers()) / depth / speed) +
                          (reduction_transfers(width) * sums.transfer_ms(0, layers()) / depth);
  const double period_ms = std::max(stage_ms, even_round_ms(schedule, depth, share, speed));
  return (micro_batches * period_ms) + ((depth - 1) * (fill_ms + sums.least_send_ms())) + after_ms;
}

// The period of the round over all stages.
double StepEstimate::even_round_ms(const std::string& schedule, double depth, int share,
                                   double speed) const {
  const RoundRule rule = round_rule(schedule);
  const auto stages = static_cast<std::size_t>(depth);
  if (!rule.bind || share < rule.micro_batches(stages)) return 0;
  const LayerSums& sums = tools_.sums;
  double all_ms = sums.compute_ms(0, layers());
  if (!rule.fused) all_ms -= sums.backward_weight_ms(0, layers()) * (1 - (1 / depth));
  return ((all_ms / speed) + (2 * (depth - 1) * sums.least_send_ms())) / rule.micro_batches(stages);
}

// As if all layers were alike.
double StepEstimate::slowest_stage_ms(const std::string& schedule, double depth, int share) {
  double recomputing = recomputing_share(schedule, depth, share);
  if (recomputing > 1) return infinity;
  // Of less than half a stage fewer layers may do.
  if (limits_.recompute == Recompute::any && recomputing * depth < 0.5) recomputing = 0;
  const auto stages = static_cast<int>(depth);
  if (chunks_of(schedule) > 1 || stages < depth) {
    const double all_ms = tools_.sums.compute_ms(0, layers());
    return (all_ms + (recomputing * tools_.sums.forward_ms(0, layers()))) / depth;
  }
  if (recomputing <= 0) return spreader_.bottleneck_ms(stages);
  return std::max(slowest_where_some_recompute_ms(stages, recomputing),
                  spreader_.bottleneck_ms(stages));
}

double StepEstimate::slowest_where_some_recompute_ms(int stages, double recomputing) {
  const double layer_ms = tools_.sums.compute_ms(0, layers()) / layers();
  const double again_ms = tools_.sums.forward_ms(0, layers()) / layers();
  const int slow = std::clamp(static_cast<int>(std::lround(recomputing * stages)), 1, stages);
  const int most = (layers() + stages - 1) / stages;
  double least_ms = most * (layer_ms + again_ms);
  // Those that recompute may have fewer layers than the others.
  for (int of_slow = most; slow < stages && of_slow >= 1; --of_slow) {
    const int rest = layers() - (of_slow * slow);
    const int of_fast = (rest + stages - slow - 1) / (stages - slow);
    least_ms = std::min(least_ms, std::max(of_slow * (layer_ms + again_ms), of_fast * layer_ms));
  }
  return least_ms;
}

// About which share of the stages has no room for all activations; infinity where the layers do not
// fit even so.
double StepEstimate::recomputing_share(const std::string& schedule, double depth, int share) const {
  const LayerSums& sums = tools_.sums;
  const int k = schedule == "zb-h2" ? 2 : 1;
  const int lanes = lanes_in(share, limits_.lane_sizes.back());
  const double sums_alive = LaneTree::partial_sums_max(lanes);
  // Weight gradients wait behind the last stages, activations ahead of the first.
  const double waiting =
      schedule.starts_with("zb") ? std::min<double>(k * (depth - 1) / 2, share / 2) : 0;
  const auto activation = static_cast<double>(sums.activation_bytes(0, layers())) / depth;
  const double standing =
      (static_cast<double>(sums.state_bytes(0, layers())) +
       (sums_alive * static_cast<double>(sums.gradient_bytes(0, layers()))) +
       (waiting * static_cast<double>(sums.weight_gradient_bytes(0, layers())))) /
      depth;
  const double room = mean_memory_bytes_ - standing;
  double held = std::min<double>((k * (depth - 1)) + 1, share);
  if (schedule == "gpipe") held = share;
  if (room < activation) {
    return limits_.recompute == Recompute::never && room >= 0 ? 0 : infinity;
  }
  if (limits_.recompute != Recompute::any) return limits_.recompute == Recompute::always ? 1 : 0;
  if (held * activation <= room) return 0;
  if (schedule == "gpipe") return 1;
  return std::min(1.0, 1 - (room / (held * activation)));
}

double StepEstimate::of(const PlanDraft& draft) const {
  double most_ms = 0;
  const PipelineDraft* before = nullptr;
  for (const PipelineDraft& pipeline : draft.pipelines) {
    const bool as_before = before != nullptr && alike(*before, pipeline);
    before = &pipeline;
    if (!as_before) most_ms = std::max(most_ms, of(draft, pipeline));
  }
  return most_ms;
}

bool StepEstimate::alike(const PipelineDraft& a, const PipelineDraft& b) const {
  if (a.micro_batches != b.micro_batches || a.stages.size() != b.stages.size()) return false;
  for (std::size_t i = 0; i < a.stages.size(); ++i) {
    const bool same = a.stages[i].last == b.stages[i].last &&
                      a.stages[i].recompute == b.stages[i].recompute &&
                      spreader_.alike(a.stages[i].worker, b.stages[i].worker);
    if (!same) return false;
  }
  return true;
}

double StepEstimate::of(const PlanDraft& draft, const PipelineDraft& pipeline) const {
  const bool fused = !splits(draft.schedule);
  const double transfers = reduction_transfers(static_cast<int>(draft.pipelines.size()));
  const LayerSums& sums = tools_.sums;
  const RoundRule rule = round_rule(draft.schedule);
  const Round round = longest_round(tools_.terms, sums, rule, pipeline.stages);
  const double round_micro_batches = rule.micro_batches(round.stages);
  double fill_ms = 0;
  double drain_ms = 0;
  double end_ms = 0;    // of compute, on the first stage
  double after_ms = 0;  // the most that a stage has left when the first has ended compute
  double apart_ms = 0;  // of a stage by itself
  for (std::size_t at = 0; at < pipeline.stages.size(); ++at) {
    const StageDraft& stage = pipeline.stages[at];
    const int end = stage.last + 1;
    const double speed = tools_.terms.worker(stage.worker).speed;
    const double forward_ms = sums.forward_ms(stage.first, end) / speed;
    const double again_ms = stage.recompute ? forward_ms : 0;
    const double compute_ms = (sums.compute_ms(stage.first, end) / speed) + again_ms;
    const double own_ms = (sums.optimizer_ms(stage.first, end) / speed) +
                          (transfers * sums.transfer_ms(stage.first, end));
    double steady_ms = fill_ms + (pipeline.micro_batches * compute_ms);
    const bool goes_round = at == round.first && pipeline.micro_batches >= round_micro_batches;
    if (goes_round) steady_ms = fill_ms + (pipeline.micro_batches * round.period_ms);
    end_ms = std::max(end_ms, steady_ms + drain_ms);
    after_ms = std::max(after_ms, own_ms - drain_ms);
    apart_ms = std::max(apart_ms, steady_ms + own_ms);
    const double send_ms = sums.least_send_ms(end);
    fill_ms += forward_ms + send_ms;
    if (fused) drain_ms += compute_ms - forward_ms + send_ms;
  }
  return std::max(apart_ms, end_ms + after_ms);
}

}  // namespace planaria
