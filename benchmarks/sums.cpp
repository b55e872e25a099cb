// What does a sum that depends on no order cost? Adding gradients in fp32 along the lane tree, as
// planaria does, against int64 fixed point, whose additions commute but whose sums are twice as
// long on the wire. 3.2 M elements: a transformer block of width 512.
//
//   build/release/bin/bench_sums
#include <cmath>
#include <cstdint>
#include <vector>

#include <benchmark/benchmark.h>

#include <planaria/base/random.hpp>

namespace {

constexpr std::size_t elements = 3'200'000;
constexpr double scale = 1099511627776.0;  // 2^40: range of +-2^23, steps of 1e-12

std::vector<float> gradients(std::uint64_t seed) {
  planaria::Random random(seed);
  std::vector<float> values(elements);
  for (float& value : values) value = static_cast<float>(random.uniform() - 0.5) * 0.01F;
  return values;
}

void add_fp32(benchmark::State& state) {
  std::vector<float> sum = gradients(1);
  const std::vector<float> next = gradients(2);
  for (auto _ : state) {
    for (std::size_t i = 0; i < elements; ++i) sum[i] += next[i];
    benchmark::DoNotOptimize(sum.data());
    benchmark::ClobberMemory();
  }
  state.SetBytesProcessed(static_cast<std::int64_t>(state.iterations() * elements * 4));
}
BENCHMARK(add_fp32)->Unit(benchmark::kMillisecond);

void add_fixed_point(benchmark::State& state) {
  std::vector<std::int64_t> sum(elements, 0);
  const std::vector<float> next = gradients(2);
  for (auto _ : state) {
    for (std::size_t i = 0; i < elements; ++i) {
      sum[i] += static_cast<std::int64_t>(static_cast<double>(next[i]) * scale);
    }
    benchmark::DoNotOptimize(sum.data());
    benchmark::ClobberMemory();
  }
  state.SetBytesProcessed(static_cast<std::int64_t>(state.iterations() * elements * 8));
}
BENCHMARK(add_fixed_point)->Unit(benchmark::kMillisecond);

}  // namespace

BENCHMARK_MAIN();
