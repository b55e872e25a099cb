// What planning costs. Templates for 96 layers and 32 nodes must take less than 1 ms, those of
// every size from 1 to 64 less than 50 ms; time must not grow faster than layers squared, nor than
// sizes.
#include <vector>

#include <benchmark/benchmark.h>

#include <planaria/base/random.hpp>
#include <planaria/planner/templates.hpp>

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

}  // namespace
}  // namespace planaria

BENCHMARK_MAIN();
