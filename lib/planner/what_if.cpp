#include "planner/what_if.hpp"

#include <algorithm>
#include <optional>
#include <utility>

#include <fmt/format.h>

#include <planaria/base/text.hpp>

namespace planaria {
namespace {

/// Less of the step is not worth a word.
constexpr double worth_saying = 1e-3;

/// The best plan of the same run where things are otherwise, if it is better.
class Otherwise {
 public:
  Otherwise(const BestPlanRequest& request, const Plan& plan)
      : request_(request), plan_(plan), profile_(*request.profile), cluster_(*request.cluster) {}

  void without_memory_limit() {
    for (ClusterWorker& worker : cluster_.workers) worker.memory_bytes = memory_without_limit;
  }

  void with_transfers(double times) {
    for (TransferPoint& point : profile_.transfer) point.ms *= times;
    if (!cluster_.links) return;
    for (Link* link :
         {&cluster_.links->same_host, &cluster_.links->same_zone, &cluster_.links->cross_zone}) {
      link->latency_ms *= times;
      link->gigabytes_per_s /= std::max(times, 1e-12);
    }
  }

  [[nodiscard]] std::optional<Plan> better() const {
    BestPlanRequest other = request_;
    other.profile = &profile_;
    other.cluster = &cluster_;
    other.explain = false;
    other.proof_effort_max = request_.proof_effort_max / 10;
    other.keep_going = {};
    other.min_samples_per_s = {};
    auto best = best_plan_if_any(other);
    if (!best || !best.value()) return std::nullopt;
    Plan plan = std::move(best.value()->plan);
    if (ms_per_sample(plan) >= ms_per_sample(plan_) * (1 - worth_saying)) return std::nullopt;
    return plan;
  }

  [[nodiscard]] std::string gain(const Plan& other) const {
    const double shorter = 100 * (1 - (ms_per_sample(other) / ms_per_sample(plan_)));
    return fmt::format(
        "{} by {}, micro-batches of {}: {:.6g} ms a step, {:.3g} % shorter for the "
        "same samples",
        text_of(layout_of(other)), other.schedule, other.micro_batch_size, other.step_ms, shorter);
  }

 private:
  static double ms_per_sample(const Plan& plan) { return plan.step_ms / plan.micro_batch_size; }

  const BestPlanRequest& request_;
  const Plan& plan_;
  Profile profile_;
  Cluster cluster_;
};

std::int64_t peak_bytes(const Plan& plan) {
  std::int64_t most = 0;
  for (const PlannedPipeline& pipeline : plan.pipelines) {
    for (const PlannedStage& stage : pipeline.stages) {
      most = std::max(most, stage.peak_memory_bytes);
    }
  }
  return most;
}

std::string about_memory(const BestPlanRequest& request, const Plan& plan) {
  Otherwise otherwise(request, plan);
  otherwise.without_memory_limit();
  const auto better = otherwise.better();
  if (!better) return "more memory would not make the step shorter";
  const std::int64_t bytes = peak_bytes(*better);
  return fmt::format("with enough memory, {} ({} bytes) where most is computed: {}",
                     text_of_bytes(static_cast<std::uint64_t>(bytes)), bytes,
                     otherwise.gain(*better));
}

std::string about_transfers(const BestPlanRequest& request, const Plan& plan, double times) {
  Otherwise otherwise(request, plan);
  otherwise.with_transfers(times);
  const auto better = otherwise.better();
  const char* const condition =
      times > 0 ? "with transfers in half the time" : "with transfers in no time";
  if (!better) return fmt::format("{} the step would not be shorter", condition);
  return fmt::format("{}: {}", condition, otherwise.gain(*better));
}

}  // namespace

std::vector<std::string> what_if(const BestPlanRequest& request, const Plan& plan) {
  return {about_memory(request, plan), about_transfers(request, plan, 0.5),
          about_transfers(request, plan, 0)};
}

}  // namespace planaria
