// What planning costs. Templates for 96 layers and 32 nodes must take less than 1 ms, those of
// every size from 1 to 64 less than 50 ms; time must not grow faster than layers squared, nor than
// sizes. A whole plan for 72 layers and 300 workers must take less than 50 ms, the reaction to a
// loss there less than 1 ms.
#include <string>
#include <vector>

#include <benchmark/benchmark.h>

#include <planaria/base/random.hpp>
#include <planaria/planner/best_plan.hpp>
#include <planaria/planner/plan_table.hpp>
#include <planaria/planner/replan.hpp>
#include <planaria/planner/templates.hpp>

#include "planner/gpt_cases.hpp"
#include "planner/held_states.hpp"

namespace planaria {
namespace {

/// Like a transformer's blocks as measured: nearly equal, no two the same.
std::vector<double> measured_layers(std::int64_t layers) {
  Random random(7);
  std::vector<double> layer_ms;
  for (std::int64_t i = 0; i < layers; ++i) layer_ms.push_back(5.8 + (0.4 * random.uniform()));
  return layer_ms;
}

void templates_of_one_size(benchmark::State& state) {
  const auto layer_ms = measured_layers(state.range(0));
  const auto nodes = static_cast<int>(state.range(1));
  for (auto _ : state) benchmark::DoNotOptimize(pipeline_templates(layer_ms, nodes, nodes));
}
BENCHMARK(templates_of_one_size)
    ->ArgNames({"layers", "nodes"})
    ->Args({24, 16})
    ->Args({48, 16})
    ->Args({96, 8})
    ->Args({96, 32})
    ->Args({96, 64})
    ->Args({192, 32})
    ->Args({384, 32})
    ->Args({768, 32})
    ->Unit(benchmark::kMicrosecond);

void templates_up_to(benchmark::State& state) {
  const auto layer_ms = measured_layers(state.range(0));
  const auto nodes_max = static_cast<int>(state.range(1));
  for (auto _ : state) benchmark::DoNotOptimize(pipeline_templates(layer_ms, 1, nodes_max));
}
BENCHMARK(templates_up_to)
    ->ArgNames({"layers", "nodes_max"})
    ->Args({96, 16})
    ->Args({96, 32})
    ->Args({96, 64})
    ->Args({192, 64})
    ->Args({384, 64})
    ->Args({768, 64})
    ->Unit(benchmark::kMicrosecond);

Profile profile_of(std::int64_t layers) {
  Profile profile = gpt_cases::gpt(2);
  const LayerProfile block = profile.layers[1];
  const auto at = profile.layers.begin() + 1;
  profile.layers.erase(at, profile.layers.end() - 1);
  profile.layers.insert(profile.layers.begin() + 1, static_cast<std::size_t>(layers - 2), block);
  for (std::size_t i = 1; i + 1 < profile.layers.size(); ++i) {
    profile.layers[i].name = "block" + std::to_string(i);
  }
  return profile;
}

BestPlanRequest request_of(const Profile& profile, const Cluster& cluster) {
  return {.profile = &profile,
          .cluster = &cluster,
          .micro_batches = 512,
          .micro_batch_size = gpt_cases::micro_batch_size};
}

/// All named schedules and recompute, workers of 32 GiB alike.
void best_plan_of(benchmark::State& state) {
  const Profile profile = profile_of(state.range(0));
  const Cluster cluster =
      identical_workers(static_cast<int>(state.range(1)), 32 * gpt_cases::gibibyte);
  for (auto _ : state) benchmark::DoNotOptimize(best_plan(request_of(profile, cluster)));
}
BENCHMARK(best_plan_of)
    ->ArgNames({"layers", "workers"})
    ->Args({72, 16})
    ->Args({72, 32})
    ->Args({72, 64})
    ->Args({72, 128})
    ->Args({72, 300})
    ->Args({72, 600})
    ->Args({72, 1000})
    ->Args({24, 300})
    ->Args({48, 300})
    ->Args({96, 300})
    ->Args({144, 300})
    ->Args({288, 300})
    ->Unit(benchmark::kMillisecond);

/// One of so many workers is lost, each in turn; the rest take the plan of the table.
void reaction_to_a_loss(benchmark::State& state) {
  const auto workers = static_cast<int>(state.range(1));
  const Profile profile = profile_of(state.range(0));
  const Cluster cluster = identical_workers(workers, 32 * gpt_cases::gibibyte);
  int planned = 0;
  const auto table =
      PlanTable::of(request_of(profile, cluster), [&] { return ++planned < 2; }).value();
  const Layout before = layout_of(table.plan(workers));
  const std::vector<std::int64_t> bytes = state_bytes(profile);
  const LayerHolders holders = holders_of(before);
  int lost = 0;
  for (auto _ : state) {
    std::vector<WorkerId> left;
    for (int id = 0; id < workers; ++id) {
      if (id != lost) left.emplace_back(id);
    }
    lost = (lost + 1) % workers;
    benchmark::DoNotOptimize(table.reaction(left, bytes, holders, &before));
  }
}
BENCHMARK(reaction_to_a_loss)
    ->ArgNames({"layers", "workers"})
    ->Args({72, 32})
    ->Args({72, 100})
    ->Args({72, 300})
    ->Args({72, 1000})
    ->Args({288, 300})
    ->Unit(benchmark::kMicrosecond);

/// The same with repairs weighed against plans made anew, in 1F1B without recompute: for the fewest
/// bytes (everybody waits), or the shortest step (nobody does). The plan anew is known ahead.
void replan_after_a_loss(benchmark::State& state) {
  const auto workers = static_cast<int>(state.range(1));
  const Profile profile = profile_of(state.range(0));
  const Cluster cluster = identical_workers(workers, 80 * gpt_cases::gibibyte);
  ReplanRequest request{.profile = &profile,
                        .layer_bytes = state_bytes(profile),
                        .micro_batches = 512,
                        .micro_batch_size = gpt_cases::micro_batch_size,
                        .copies = 2};
  request.cluster = &cluster;
  const Plan plan = planned_anew(request).value().value();
  Layout before = layout_of(plan);
  std::vector<WorkerId> all;
  for (int id = 0; id < workers; ++id) all.emplace_back(id);
  before.shadows = place_shadows(before, request.layer_bytes, all, {}, request.copies);
  request.holders = holders_of(before);
  request.before = Layout{before.pipelines, {}};
  const Cluster fewer = identical_workers(workers - 1, 80 * gpt_cases::gibibyte);
  request.cluster = &fewer;
  const Plan ahead = planned_anew(request).value().value();
  request.best = &ahead;
  const bool waits = state.range(2) == 1;
  request.ms_per_byte = waits ? 1e-6 : 0;
  request.horizon_steps = waits ? 0 : 1;
  int lost = 0;
  for (auto _ : state) {
    Cluster left = cluster;
    left.workers.erase(left.workers.begin() + lost);
    request.cluster = &left;
    lost = (lost + 1) % workers;
    benchmark::DoNotOptimize(replan(request));
  }
}
BENCHMARK(replan_after_a_loss)
    ->ArgNames({"layers", "workers", "waits"})
    ->Args({72, 8, 1})
    ->Args({72, 8, 0})
    ->Args({72, 64, 1})
    ->Args({72, 64, 0})
    ->Args({72, 300, 1})
    ->Args({72, 300, 0})
    ->Unit(benchmark::kMillisecond);

/// A table of every number of workers.
void plan_table_of(benchmark::State& state) {
  const Profile profile = profile_of(state.range(0));
  const Cluster cluster =
      identical_workers(static_cast<int>(state.range(1)), 32 * gpt_cases::gibibyte);
  for (auto _ : state) benchmark::DoNotOptimize(PlanTable::of(request_of(profile, cluster)));
}
BENCHMARK(plan_table_of)
    ->ArgNames({"layers", "workers"})
    ->Args({72, 32})
    ->Args({72, 300})
    ->Iterations(1)
    ->Unit(benchmark::kMillisecond);

}  // namespace
}  // namespace planaria

BENCHMARK_MAIN();
