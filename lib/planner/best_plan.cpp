#include <planaria/planner/best_plan.hpp>

#include <algorithm>
#include <cmath>
#include <limits>
#include <memory>
#include <utility>

#include <fmt/format.h>

#include <planaria/schedule/automatic.hpp>
#include <planaria/schedule/builders.hpp>

#include "planner/broad_search.hpp"
#include "planner/exact_search.hpp"
#include "planner/plan_bound.hpp"
#include "planner/plan_draft.hpp"
#include "planner/plan_evaluator.hpp"

namespace planaria {
namespace {

constexpr double infinity = std::numeric_limits<double>::infinity();

/// All that one micro-batch size is searched with.
struct SizeSearch {
  SizeSearch(CostTerms of, int size, Recompute recompute)
      : micro_batch_size(size), terms(std::move(of)), sums(terms), evaluator(terms, recompute) {}
  int micro_batch_size;
  CostTerms terms;
  LayerSums sums;
  PlanEvaluator evaluator;
  std::vector<FamilyResult> families;
  bool proven = false;
  [[nodiscard]] SearchTools tools() { return {terms, sums, evaluator}; }
};

class Planning {
 public:
  explicit Planning(const BestPlanRequest& request) : request_(request) {}

  [[nodiscard]] Result<BestPlan> best() {
    PLANARIA_TRY_VOID(prepare());
    for (const auto& size : sizes_) search(*size);
    for (const auto& size : sizes_) prove(*size);
    if (best_size_ == nullptr) return Fault::infeasible("nothing fits");
    return answer();
  }

 private:
  Result<void> prepare() {
    std::vector<int> sizes = request_.profile->micro_batch_sizes;
    if (request_.micro_batch_size) sizes = {*request_.micro_batch_size};
    for (const int size : sizes) {
      const auto at = request_.profile->at_size(size);
      if (!at) {
        return Fault::invalid_input(
            fmt::format("micro_batch_size: {}, must be one of {}", size,
                        fmt::join(request_.profile->micro_batch_sizes, ", ")));
      }
      PLANARIA_TRY(terms, CostTerms::of(*request_.profile, *request_.cluster, *at));
      sizes_.push_back(std::make_unique<SizeSearch>(std::move(terms), size, request_.recompute));
    }
    limits_.micro_batches = request_.micro_batches;
    limits_.recompute = request_.recompute;
    limits_.width = request_.width;
    limits_.depth = request_.depth;
    limits_.width_least = request_.survive + 1;
    limits_.schedules = {"1f1b", "zb-h1", "zb-h2", "gpipe"};
    if (request_.schedule && *request_.schedule != "auto") {
      limits_.schedules = {*request_.schedule};
    }
    limits_.lane_sizes = {request_.lane_size.value_or(1)};
    for (int lane_size = 2; !request_.lane_size && lane_size <= request_.micro_batches;) {
      limits_.lane_sizes.push_back(lane_size);
      lane_size = lane_size < every_lane_size_to ? lane_size + 1 : lane_size * 2;
    }
    return {};
  }

  /// The time that a step of this size must stay below to have more samples per second.
  [[nodiscard]] double below_ms(const SizeSearch& size) const {
    if (best_size_ == nullptr) return infinity;
    return best_.step_ms * size.micro_batch_size / best_size_->micro_batch_size;
  }

  void search(SizeSearch& size) {
    auto found = broad_search(size.tools(), limits_, below_ms(size), size.families);
    if (found) keep(size, *std::move(found));
  }

  void keep(SizeSearch& size, FoundPlan found) {
    best_ = std::move(found);
    best_size_ = &size;
  }

  void prove(SizeSearch& size) {
    size.proven = true;
    for (const std::string& schedule : limits_.schedules) {
      for (const int lane_size : limits_.lane_sizes) {
        if (chunks_of(schedule) > 1) {
          size.proven = false;
          continue;
        }
        ExactAnswer answer =
            exact_search(size.tools(), limits_, {schedule, lane_size, below_ms(size)});
        if (answer.best) keep(size, *std::move(answer.best));
        size.proven = size.proven && answer.complete;
      }
    }
  }

  [[nodiscard]] BestPlan answer() {
    SizeSearch& size = *best_size_;
    Plan plan;
    plan.micro_batches = request_.micro_batches;
    plan.micro_batch_size = size.micro_batch_size;
    plan.lane_size = best_.draft.lane_size;
    plan.schedule = best_.draft.schedule;
    std::vector<bool> has_role(static_cast<std::size_t>(size.terms.workers()), false);
    for (PipelineDraft pipeline : best_.draft.pipelines) {
      const PipelineTimes* const times = size.evaluator.times(
          plan.schedule, plan.lane_size, size.evaluator.no_shadows(), pipeline);
      PlannedPipeline& planned = plan.pipelines.emplace_back();
      planned.micro_batches = pipeline.micro_batches;
      for (std::size_t i = 0; i < pipeline.stages.size(); ++i) {
        const StageDraft& stage = pipeline.stages[i];
        planned.stages.push_back({{LayerId{stage.first}, LayerId{stage.last}},
                                  size.terms.worker(stage.worker).id,
                                  stage.recompute,
                                  times->peak_bytes[i],
                                  ""});
        has_role[static_cast<std::size_t>(stage.worker)] = true;
      }
    }
    for (std::size_t worker = 0; worker < has_role.size(); ++worker) {
      if (has_role[worker]) continue;
      plan.idle_workers.push_back(size.terms.worker(static_cast<int>(worker)).id);
    }
    plan.survives = survives(size.terms, best_.draft);
    plan.step_ms = best_.step_ms;
    if (plan.step_ms > 0) {
      plan.samples_per_s = 1000.0 * plan.micro_batches * plan.micro_batch_size / plan.step_ms;
    }
    plan.optimal = std::ranges::all_of(sizes_, [](const auto& one) { return one->proven; });
    plan.bound_step_ms = plan.optimal ? plan.step_ms : bound_ms();
    plan.optimal = plan.bound_step_ms >= plan.step_ms;
    for (const auto& one : sizes_) plan.candidates += one->evaluator.simulated();
    return {std::move(plan), {}};
  }

  /// In the time of the chosen size: a plan of another would have to have more samples per second.
  [[nodiscard]] double bound_ms() {
    double least_ms = best_.step_ms;
    for (const auto& size : sizes_) {
      if (size->proven) continue;
      const double ratio =
          static_cast<double>(best_size_->micro_batch_size) / size->micro_batch_size;
      least_ms = std::min(
          least_ms, ratio * plan_bound_ms(size->tools(), limits_, best_.step_ms / ratio));
    }
    return least_ms;
  }

  /// Every lane size up to this is tried, then powers.
  static constexpr int every_lane_size_to = 8;

  const BestPlanRequest& request_;
  SearchLimits limits_;
  std::vector<std::unique_ptr<SizeSearch>> sizes_;
  SizeSearch* best_size_ = nullptr;
  FoundPlan best_;
};

}  // namespace

Result<BestPlan> best_plan(const BestPlanRequest& request) {
  return Planning(request).best();
}

}  // namespace planaria
