#include <planaria/planner/best_plan.hpp>

#include <algorithm>
#include <limits>
#include <memory>
#include <utility>

#include <fmt/format.h>

#include <planaria/schedule/builders.hpp>

#include "planner/automatic_orders.hpp"
#include "planner/broad_search.hpp"
#include "planner/exact_search.hpp"
#include "planner/plan_bound.hpp"
#include "planner/plan_draft.hpp"
#include "planner/plan_evaluator.hpp"
#include "planner/plan_explanation.hpp"
#include "planner/plan_request.hpp"
#include "planner/shadow_search.hpp"
#include "planner/what_if.hpp"

namespace planaria {
namespace {

constexpr double infinity = std::numeric_limits<double>::infinity();
/// Steps within this share of each other are equally long.
constexpr double rounding = 1e-12;

constexpr std::int64_t feasibility_effort_max = 50'000;

/// All that one micro-batch size is searched with.
struct SizeSearch {
  SizeSearch(CostTerms of, int size, Recompute recompute)
      : micro_batch_size(size),
        terms(std::move(of)),
        sums(terms),
        evaluator(terms, sums, recompute) {}
  int micro_batch_size;
  CostTerms terms;
  LayerSums sums;
  PlanEvaluator evaluator;
  std::vector<FamilyResult> families;
  bool proven = false;  // no plan by a named schedule has more samples per second than the best
  [[nodiscard]] SearchTools tools() { return {terms, sums, evaluator}; }
};

class Planning {
 public:
  explicit Planning(const BestPlanRequest& request)
      : request_(request), effort_left_(request.proof_effort_max) {}

  /// Nothing where nothing fits.
  [[nodiscard]] Result<std::optional<BestPlan>> best() {
    PLANARIA_TRY_VOID(prepare());
    if (!enough_workers()) return std::optional<BestPlan>();
    for (const auto& size : sizes_) search(*size);
    for (const auto& size : sizes_) prove(*size);
    if (best_size_ == nullptr) return std::optional<BestPlan>();
    bound_ms_ = bound_ms();
    if (may_be_automatic()) {
      ordered_ = automatic_orders(best_size_->tools(), best_, [&](double part) {
        return request_.keep_going && request_.keep_going(part);
      });
      const bool asked = request_.schedule.has_value();
      if (!asked && ordered_->plan.step_ms >= best_.step_ms) ordered_.reset();
      if (ordered_) best_ = ordered_->plan;
    }
    return std::optional(answer());
  }

  /// Whether something fits, as far as a short search sees.
  [[nodiscard]] bool fits() {
    if (!prepare() || !enough_workers()) return false;
    for (const auto& size : sizes_) {
      search(*size);
      if (best_size_ == nullptr) prove(*size);
      if (best_size_ != nullptr) return true;
    }
    return false;
  }

 private:
  /// A layer has no more holders than there are workers.
  [[nodiscard]] bool enough_workers() const {
    return request_.survive < static_cast<int>(request_.cluster->workers.size());
  }

  [[nodiscard]] bool may_be_automatic() const {
    if (request_.schedule) return *request_.schedule == "auto";
    return request_.keep_going != nullptr;
  }

  Result<void> prepare() {
    std::vector<int> sizes = request_.profile->micro_batch_sizes;
    if (request_.micro_batch_size) sizes = {*request_.micro_batch_size};
    for (const int size : sizes) {
      PLANARIA_TRY(terms, CostTerms::of_micro_batches(*request_.profile, *request_.cluster, size));
      sizes_.push_back(std::make_unique<SizeSearch>(std::move(terms), size, request_.recompute));
    }
    limits_.micro_batches = request_.micro_batches;
    limits_.recompute = request_.recompute;
    limits_.width = request_.width;
    limits_.depth = request_.depth;
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

  /// The limits of plans that need no shadows.
  [[nodiscard]] SearchLimits wide() const {
    SearchLimits limits = limits_;
    limits.width_least = request_.survive + 1;
    return limits;
  }

  /// The limits of plans of `width` pipelines, which need shadows, or nothing.
  [[nodiscard]] std::optional<SearchLimits> narrow(int width) const {
    if (!request_.shadows || (request_.width && *request_.width != width)) return std::nullopt;
    SearchLimits limits = limits_;
    limits.width = width;
    return limits;
  }

  [[nodiscard]] bool wide_allowed() const {
    return !request_.width || *request_.width > request_.survive;
  }

  /// The time that a step of this size must stay below to have more samples per second.
  [[nodiscard]] double below_ms(const SizeSearch& size) const {
    if (best_size_ == nullptr) return infinity;
    return best_.step_ms * size.micro_batch_size / best_size_->micro_batch_size;
  }

  void keep(SizeSearch& size, FoundPlan found) {
    best_ = std::move(found);
    best_size_ = &size;
  }

  void search(SizeSearch& size) {
    if (wide_allowed()) {
      auto found = broad_search(size.tools(), wide(), below_ms(size), size.families);
      if (found) keep(size, *std::move(found));
    }
    for (int width = 1; width <= request_.survive; ++width) {
      const auto limits = narrow(width);
      if (!limits) continue;
      std::vector<FamilyResult> unshadowed;
      auto found = broad_search(size.tools(), *limits, below_ms(size), unshadowed);
      if (found) keep_with_shadows(size, *found);
    }
  }

  void keep_with_shadows(SizeSearch& size, const FoundPlan& found) {
    auto shadowed = with_shadows(size.tools(), found, request_.survive + 1);
    const PlanDraft& draft = found.draft;
    FamilyResult& family = size.families.emplace_back();
    family = {draft.schedule, static_cast<int>(draft.pipelines.size()), 0, {}, {}};
    for (const auto& pipeline : draft.pipelines) {
      family.workers += static_cast<int>(pipeline.stages.size());
    }
    if (shadowed) family.step_ms = shadowed->step_ms;
    if (shadowed && shadowed->step_ms < below_ms(size)) keep(size, *std::move(shadowed));
  }

  void prove(SizeSearch& size) {
    size.proven = true;
    for (const std::string& schedule : limits_.schedules) {
      if (chunks_of(schedule) > 1) {
        size.proven = false;
        continue;
      }
      for (const int lane_size : limits_.lane_sizes) prove(size, schedule, lane_size);
    }
  }

  void prove(SizeSearch& size, const std::string& schedule, int lane_size) {
    if (wide_allowed()) {
      ExactAnswer answer = exact(size, wide(), schedule, lane_size);
      if (answer.best) keep(size, *std::move(answer.best));
      size.proven = size.proven && answer.complete;
    }
    for (int width = 1; width <= request_.survive && size.proven; ++width) {
      const auto limits = narrow(width);
      if (!limits) continue;
      const ExactAnswer answer = exact(size, *limits, schedule, lane_size);
      // Its shadows are placed well, but not proven to be.
      if (answer.best) keep_with_shadows(size, *answer.best);
      size.proven = size.proven && answer.complete && !answer.best;
    }
  }

  [[nodiscard]] ExactAnswer exact(SizeSearch& size, const SearchLimits& limits,
                                  const std::string& schedule, int lane_size) {
    ExactAnswer answer = exact_search(size.tools(), limits,
                                      {.schedule = schedule,
                                       .lane_size = lane_size,
                                       .below_ms = below_ms(size),
                                       .effort_max = std::max<std::int64_t>(0, effort_left_)});
    effort_left_ -= answer.effort;
    return answer;
  }

  /// In the time of the chosen size: a plan of another would have to have more samples per second.
  [[nodiscard]] double bound_ms() {
    double least_ms = best_.step_ms;
    for (const auto& size : sizes_) {
      if (size->proven && !may_be_automatic()) continue;
      SearchLimits limits = request_.shadows ? limits_ : wide();
      if (may_be_automatic()) limits.schedules = {"auto"};
      const double ratio =
          static_cast<double>(best_size_->micro_batch_size) / size->micro_batch_size;
      least_ms =
          std::min(least_ms, ratio * plan_bound_ms(size->tools(), limits, best_.step_ms / ratio));
    }
    return least_ms;
  }

  [[nodiscard]] BestPlan answer() {
    SizeSearch& size = *best_size_;
    Plan plan;
    plan.micro_batches = request_.micro_batches;
    plan.micro_batch_size = size.micro_batch_size;
    plan.lane_size = best_.draft.lane_size;
    plan.schedule = best_.draft.schedule;
    add_pipelines(plan);
    add_others(plan);
    plan.survives = survives(size.terms, best_.draft);
    plan.step_ms = best_.step_ms;
    if (plan.step_ms > 0) {
      // Of a step that takes next to nothing: finite, as all JSON.
      plan.samples_per_s =
          std::min(1000.0 * plan.micro_batches * plan.micro_batch_size / plan.step_ms,
                   std::numeric_limits<double>::max());
    }
    plan.optimal = bound_ms_ >= plan.step_ms * (1 - rounding);
    plan.bound_step_ms = plan.optimal ? plan.step_ms : bound_ms_;
    for (const auto& one : sizes_) plan.candidates += one->evaluator.simulated();
    BestPlan best{std::move(plan), {}};
    if (request_.explain) {
      std::vector<SizeFamilies> families;
      for (const auto& one : sizes_) families.push_back({one->micro_batch_size, one->families});
      best.explanation = explanation_of(best.plan, families, size.terms.workers());
    }
    return best;
  }

  void add_pipelines(Plan& plan) {
    SizeSearch& size = *best_size_;
    std::vector<std::int64_t> shadowed;
    for (int worker = 0; worker < size.terms.workers(); ++worker) {
      shadowed.push_back(shadow_bytes(size.terms, best_.draft, worker));
    }
    for (std::size_t i = 0; i < best_.draft.pipelines.size(); ++i) {
      PipelineDraft pipeline = best_.draft.pipelines[i];
      const PipelineTimes* const times =
          ordered_ ? &ordered_->times[i]
                   : size.evaluator.times(plan.schedule, plan.lane_size, shadowed, pipeline);
      PlannedPipeline& planned = plan.pipelines.emplace_back();
      planned.micro_batches = pipeline.micro_batches;
      for (std::size_t at = 0; at < pipeline.stages.size(); ++at) {
        const StageDraft& stage = pipeline.stages[at];
        planned.stages.push_back(
            {{LayerId{stage.first}, LayerId{stage.last}},
             size.terms.worker(stage.worker).id,
             stage.recompute,
             times->peak_bytes[at],
             ordered_ ? actions_text(ordered_->schedules[i], static_cast<int>(at)) : ""});
      }
    }
  }

  void add_others(Plan& plan) const {
    const CostTerms& terms = best_size_->terms;
    const Layout layout = layout_of(plan);
    for (int worker = 0; worker < terms.workers(); ++worker) {
      ShadowAssignment shadow{terms.worker(worker).id, {}};
      for (std::size_t layer = 0; layer < best_.draft.shadows.size(); ++layer) {
        if (std::ranges::binary_search(best_.draft.shadows[layer], worker)) {
          shadow.layers.emplace_back(static_cast<int>(layer));
        }
      }
      const bool idle = shadow.layers.empty() && !place_of(layout, shadow.worker);
      if (idle) plan.idle_workers.push_back(shadow.worker);
      if (!shadow.layers.empty()) plan.shadows.push_back(std::move(shadow));
    }
  }

  /// Every lane size up to this is tried, then powers.
  static constexpr int every_lane_size_to = 8;

  const BestPlanRequest& request_;
  SearchLimits limits_;
  std::vector<std::unique_ptr<SizeSearch>> sizes_;
  SizeSearch* best_size_ = nullptr;
  FoundPlan best_;
  std::optional<OrderedPlan> ordered_;  // where the best plan's schedules are its own
  double bound_ms_ = 0;
  std::int64_t effort_left_;  // of all exact searches together
};

}  // namespace

Result<std::optional<BestPlan>> best_plan_if_any(const BestPlanRequest& request) {
  PLANARIA_TRY_VOID(check_request(request));
  return Planning(request).best();
}

Result<BestPlan> best_plan(const BestPlanRequest& request) {
  PLANARIA_TRY(best, best_plan_if_any(request));
  if (!best) {
    return Fault::infeasible(least_change(request, [](BestPlanRequest other) {
      other.proof_effort_max = std::min(other.proof_effort_max, feasibility_effort_max);
      return Planning(other).fits();
    }));
  }
  const auto& least = request.min_samples_per_s;
  if (least && best->plan.step_ms > 0 && best->plan.samples_per_s < *least) {
    return Fault::infeasible(fmt::format(
        "min_throughput: {} samples a second, the best found has {:.6g} ({:.6g} ms a step; no plan "
        "takes less than {:.6g} ms)",
        *least, best->plan.samples_per_s, best->plan.step_ms, best->plan.bound_step_ms));
  }
  if (request.explain) {
    for (std::string& sentence : what_if(request, best->plan)) {
      best->explanation.push_back(std::move(sentence));
    }
  }
  return *std::move(best);
}

}  // namespace planaria
