// Plans pipelines for workers that need not exist, and proves their schedule free of deadlock.
#include <cstdio>

#include <planaria/model/layout.hpp>
#include <planaria/planner/best_plan.hpp>
#include <planaria/protocol/coordinator.hpp>
#include <planaria/schedule/builders.hpp>
#include <planaria/schedule/validate.hpp>

int main() {
  const planaria::Profile profile = planaria::profile_of_costs({1, 1, 1, 1});
  const planaria::Cluster cluster = planaria::identical_workers(4, planaria::memory_without_limit);
  const auto plan = planaria::best_plan(
      {.profile = &profile, .cluster = &cluster, .micro_batches = 8, .width = 2, .depth = 2});
  if (!plan.ok()) return 1;
  const auto schedule = planaria::build_schedule("1f1b", {.stages = 2, .micro_batches = 4});
  if (!schedule.ok() || !planaria::validate(schedule.value()).ok()) return 1;
  std::printf("%s\n%s", planaria::text_of(planaria::layout_of(plan.value().plan)).c_str(),
              planaria::text_of(schedule.value()).c_str());
  const planaria::protocol::CoordinatorOptions options;
  return options.workers >= 1 ? 0 : 1;
}
