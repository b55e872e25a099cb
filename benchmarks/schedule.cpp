// What schedules cost to build, prove and simulate. Actions are the unit: a simulation's time per
// action must not grow with their number. `--benchmark_filter=simulate/64/512` is the size whose
// whole process takes Varuna's simulator 55.9 ms (compiled -O2), which this must beat 25 times.
#include <sys/resource.h>

#include <benchmark/benchmark.h>

#include <planaria/schedule/builders.hpp>
#include <planaria/schedule/memory.hpp>
#include <planaria/schedule/simulate.hpp>
#include <planaria/schedule/validate.hpp>

namespace planaria {
namespace {

PipelineShape shape_of(const benchmark::State& state) {
  return {static_cast<int>(state.range(0)), static_cast<int>(state.range(1))};
}

std::vector<StageCosts> costs_of(const Schedule& schedule) {
  return std::vector<StageCosts>(static_cast<std::size_t>(schedule.stages()),
                                 {18.522, 18.086, 9.337, 0.601});
}

void count(benchmark::State& state, const Schedule& schedule) {
  std::int64_t actions = 0;
  for (const auto& rank : schedule.ranks) actions += static_cast<std::int64_t>(rank.size());
  state.counters["actions"] = static_cast<double>(actions);
  state.counters["per_action"] = benchmark::Counter(
      static_cast<double>(actions),
      benchmark::Counter::kIsIterationInvariantRate | benchmark::Counter::kInvert);
  rusage usage{};
  getrusage(RUSAGE_SELF, &usage);
  state.counters["peak_mib"] = static_cast<double>(usage.ru_maxrss) / 1024;
}

void simulate_1f1b(benchmark::State& state) {
  const Schedule schedule = one_forward_one_backward(shape_of(state));
  const auto costs = costs_of(schedule);
  for (auto _ : state) benchmark::DoNotOptimize(simulate(schedule, costs));
  count(state, schedule);
}
BENCHMARK(simulate_1f1b)
    ->Name("simulate")
    ->ArgNames({"p", "m"})
    ->Args({16, 64})
    ->Args({64, 512})
    ->Args({128, 1024})
    ->Args({1024, 8192})
    ->Unit(benchmark::kMillisecond);

void simulate_with_limit(benchmark::State& state) {
  const Schedule schedule = one_forward_one_backward(shape_of(state));
  const auto costs = costs_of(schedule);
  for (auto _ : state) benchmark::DoNotOptimize(simulate(schedule, costs, {.sends_in_flight = 4}));
  count(state, schedule);
}
BENCHMARK(simulate_with_limit)
    ->ArgNames({"p", "m"})
    ->Args({64, 512})
    ->Unit(benchmark::kMillisecond);

// Building and simulating, all that a planner does for one candidate.
void build_and_simulate(benchmark::State& state) {
  for (auto _ : state) {
    const Schedule schedule = one_forward_one_backward(shape_of(state));
    benchmark::DoNotOptimize(simulate(schedule, costs_of(schedule)));
  }
  count(state, one_forward_one_backward(shape_of(state)));
}
BENCHMARK(build_and_simulate)->ArgNames({"p", "m"})->Args({64, 512})->Unit(benchmark::kMillisecond);

void prove_1f1b(benchmark::State& state) {
  const Schedule schedule = one_forward_one_backward(shape_of(state));
  for (auto _ : state) benchmark::DoNotOptimize(validate(schedule));
  count(state, schedule);
}
BENCHMARK(prove_1f1b)
    ->Name("validate")
    ->ArgNames({"p", "m"})
    ->Args({8, 32})
    ->Args({64, 512})
    ->Unit(benchmark::kMillisecond);

void build(benchmark::State& state, const char* kind) {
  for (auto _ : state) benchmark::DoNotOptimize(build_schedule(kind, shape_of(state)));
}
BENCHMARK_CAPTURE(build, zb_h2, "zb-h2")->Args({32, 256})->Unit(benchmark::kMillisecond);
BENCHMARK_CAPTURE(build, v_half, "v-half")->Args({32, 256})->Unit(benchmark::kMillisecond);
BENCHMARK_CAPTURE(build, varuna, "varuna")->Args({32, 256})->Unit(benchmark::kMillisecond);

void memory(benchmark::State& state) {
  const Schedule schedule = one_forward_one_backward(shape_of(state));
  const std::vector<StageMemory> bytes(static_cast<std::size_t>(schedule.stages()), {3, 1, 0});
  for (auto _ : state) benchmark::DoNotOptimize(memory_of(schedule, bytes));
  count(state, schedule);
}
BENCHMARK(memory)->ArgNames({"p", "m"})->Args({64, 512})->Unit(benchmark::kMillisecond);

}  // namespace
}  // namespace planaria

BENCHMARK_MAIN();
