#include "planner/automatic_orders.hpp"

#include <algorithm>
#include <utility>

#include <planaria/base/check.hpp>
#include <planaria/schedule/automatic.hpp>
#include <planaria/schedule/validate.hpp>

namespace planaria {
namespace {

class Ordering {
 public:
  Ordering(const SearchTools& tools, const FoundPlan& plan) : tools_(tools), plan_(plan) {
    for (int worker = 0; worker < tools.terms.workers(); ++worker) {
      shadowed_.push_back(shadow_bytes(tools.terms, plan.draft, worker));
    }
    ordered_.plan = plan;
    ordered_.plan.draft.schedule = "auto";
    for (PipelineDraft pipeline : plan.draft.pipelines) {
      ordered_.times.push_back(
          *tools.evaluator.times(plan.draft.schedule, plan.draft.lane_size, shadowed_, pipeline));
      ordered_.schedules.push_back(*tools.evaluator.shelf().schedule(
          plan.draft.schedule, static_cast<int>(pipeline.stages.size()), pipeline.micro_batches));
    }
  }

  [[nodiscard]] OrderedPlan search(const std::function<bool(double)>& keep_going) {
    const std::vector<std::vector<std::size_t>> groups = alike();
    for (std::size_t i = 0; i < groups.size(); ++i) {
      const double part = static_cast<double>(i + 1) / static_cast<double>(groups.size());
      order(groups[i], [&] { return keep_going(part); });
    }
    return std::move(ordered_);
  }

 private:
  /// Pipelines of the same costs, those together that one schedule is for.
  [[nodiscard]] std::vector<std::vector<std::size_t>> alike() const {
    std::vector<std::vector<std::size_t>> groups;
    for (std::size_t i = 0; i < ordered_.schedules.size(); ++i) {
      const auto group = std::ranges::find_if(
          groups, [&](const std::vector<std::size_t>& one) { return same(one.front(), i); });
      if (group == groups.end()) {
        groups.push_back({i});
      } else {
        group->push_back(i);
      }
    }
    return groups;
  }

  [[nodiscard]] bool same(std::size_t one, std::size_t other) const {
    const auto& pipelines = plan_.draft.pipelines;
    if (pipelines[one].micro_batches != pipelines[other].micro_batches) return false;
    const PipelineProblem a = problem(one);
    const PipelineProblem b = problem(other);
    return a.costs == b.costs && a.memory == b.memory && limits(one, a) == limits(other, b);
  }

  [[nodiscard]] PipelineProblem problem(std::size_t index) const {
    const PipelineDraft& pipeline = plan_.draft.pipelines[index];
    return problem_of(tools_.terms, pipeline.stages,
                      lanes_in(pipeline.micro_batches, plan_.draft.lane_size));
  }

  /// What is left for what is held from F to W.
  [[nodiscard]] std::vector<std::int64_t> limits(std::size_t index,
                                                 const PipelineProblem& of) const {
    std::vector<std::int64_t> limits;
    const auto& stages = plan_.draft.pipelines[index].stages;
    for (std::size_t stage = 0; stage < stages.size(); ++stage) {
      const int worker = stages[stage].worker;
      limits.push_back(tools_.terms.worker(worker).memory_bytes - of.standing_bytes[stage] -
                       shadowed_[static_cast<std::size_t>(worker)]);
    }
    return limits;
  }

  void order(const std::vector<std::size_t>& group, const std::function<bool()>& keep_going) {
    const std::size_t first = group.front();
    const PipelineProblem of = problem(first);
    const PipelineDraft& pipeline = plan_.draft.pipelines[first];
    AutomaticRequest request{.micro_batches = pipeline.micro_batches};
    request.costs = of.costs;
    request.memory = of.memory;
    request.limit_bytes = limits(first, of);
    auto found = automatic(request, keep_going);
    if (!found) return;
    const Schedule& schedule = found.value().schedule;
    if (!validate(schedule, {.lane_size = plan_.draft.lane_size})) return;
    auto end_ms = end_ms_of(of, schedule);
    if (!end_ms) return;
    const PipelineTimes times{std::move(end_ms).value(), peak_bytes_of(of, schedule)};
    OrderedPlan other = ordered_;
    for (const std::size_t index : group) {
      other.schedules[index] = schedule;
      other.times[index] = times;
    }
    std::vector<const PipelineTimes*> all;
    for (const PipelineTimes& one : other.times) all.push_back(&one);
    other.plan.step_ms = step_ms_of(tools_.terms, other.plan.draft, all);
    if (other.plan.step_ms <= ordered_.plan.step_ms) ordered_ = std::move(other);
  }

  const SearchTools& tools_;
  const FoundPlan& plan_;
  std::vector<std::int64_t> shadowed_;  // [worker], bytes
  OrderedPlan ordered_;
};

}  // namespace

OrderedPlan automatic_orders(const SearchTools& tools, const FoundPlan& plan,
                             const std::function<bool(double)>& keep_going) {
  return Ordering(tools, plan).search(keep_going);
}

}  // namespace planaria
