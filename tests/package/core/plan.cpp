// Plans pipelines for workers that need not exist, and proves their schedule free of deadlock.
#include <cstdio>

#include <planaria/model/layout.hpp>
#include <planaria/planner/planner.hpp>
#include <planaria/protocol/coordinator.hpp>
#include <planaria/schedule/builders.hpp>
#include <planaria/schedule/validate.hpp>

int main() {
  const auto plan = planaria::plan(
      {.layer_costs = {1, 1, 1, 1}, .micro_batches = 8, .workers = 4, .width = 2, .depth = 2});
  if (!plan.ok()) return 1;
  const auto schedule = planaria::build_schedule("1f1b", {.stages = 2, .micro_batches = 4});
  if (!schedule.ok() || !planaria::validate(schedule.value()).ok()) return 1;
  std::printf("%s\n%s", planaria::text_of(plan.value().layout).c_str(),
              planaria::text_of(schedule.value()).c_str());
  const planaria::protocol::CoordinatorOptions options;
  return options.workers >= 1 ? 0 : 1;
}
