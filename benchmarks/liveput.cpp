// What liveput costs. Aims: a decision from nothing (no price known) for 32 machines in less than
// 1 ms, for 1,000 in less than 100 ms; the 683 intervals of the published P3 trace in less than 1 s.
// What is reached today is in docs/liveput.md.
#include <string>
#include <vector>

#include <benchmark/benchmark.h>
#include <fmt/format.h>

#include <planaria/availability/trace.hpp>
#include <planaria/liveput/optimizer.hpp>
#include <planaria/liveput/policies.hpp>
#include <planaria/liveput/prices.hpp>
#include <planaria/liveput/simulation.hpp>

#include "liveput/shared_data.hpp"

namespace planaria {
namespace {

/// A model of 48 equal layers and a last one, in pipelines of 6 to 24 stages: deep ones have
/// shorter steps and longer bubbles, wide ones more to reduce.
Setting made_up_setting(int workers) {
  Setting setting;
  setting.model = "made-up";
  setting.samples_per_step = 512;
  setting.max_workers = workers;
  setting.layer_parameters.assign(49, 3e7);
  setting.state_bytes_per_parameter = 16;
  setting.transfer = {{0, 1}, {1'000'000'000, 1000}};
  setting.rendezvous_ms = 5000;
  setting.growth_extra_ms = 3000;
  setting.process_ms = 1000;
  setting.checkpoint_ms = 60'000;
  for (int depth = 6; depth <= 24; depth += 3) {
    setting.model_build.push_back({depth, 20'000.0 / depth});
    for (int width = 1; width * depth <= workers; ++width) {
      const double fill = 64.0 / (64 + depth);
      const double samples = 2.0 * width * depth * fill / (1 + (0.002 * width) + (3.0 / depth));
      setting.throughput.push_back({{width, depth}, 512 / samples * 1000, samples});
      setting.regroup.push_back({{width, depth}, 3000, 1000});
    }
  }
  return setting;
}

/// As many machines as there can be for most of the time; some go now and then and come back.
std::vector<IntervalCounts> quiet_hours(int workers) {
  std::vector<IntervalCounts> intervals{{workers - 2, 0, workers - 2}};
  for (int i = 1; i < 240; ++i) {
    IntervalCounts next{0, 0, intervals.back().count};
    if (i % 10 == 3) next = {0, 2, next.count - 2};
    if (i % 10 == 8) next = {2, 0, next.count + 2};
    intervals.push_back(next);
  }
  return intervals;
}

OutlookCounter counter_of(const std::vector<IntervalCounts>& intervals) {
  OutlookCounter counter;
  for (const IntervalCounts& interval : intervals) counter.observe(interval);
  return counter;
}

void decide(benchmark::State& state, bool from_nothing) {
  const auto workers = static_cast<int>(state.range(0));
  const SettingPrices prices(made_up_setting(workers));
  const auto intervals = quiet_hours(workers);
  const OptimizerOptions options;
  const Outlook outlook = counter_of(intervals).outlook(options.look_ahead);
  const GridLayout layout = best_layout(prices, workers - 2);
  const Situation situation{layout, 0, false, intervals, {}};
  LiveputOptimizer warm(prices, options);
  benchmark::DoNotOptimize(warm.choices(situation, outlook));
  for (auto _ : state) {
    if (from_nothing) {
      LiveputOptimizer cold(prices, options);
      benchmark::DoNotOptimize(cold.choices(situation, outlook));
    } else {
      benchmark::DoNotOptimize(warm.choices(situation, outlook));
    }
  }
}

void numbers_of_machines(benchmark::internal::Benchmark* one) {
  one->ArgName("machines")->Arg(16)->Arg(32)->Arg(64)->Arg(1000)->Unit(benchmark::kMillisecond);
}
BENCHMARK_CAPTURE(decide, from_nothing, true)->Apply(numbers_of_machines);
BENCHMARK_CAPTURE(decide, with_known_prices, false)->Apply(numbers_of_machines);

/// All 11 hours of the published trace, with the published prices of a model.
void simulate_p3(benchmark::State& state, const std::string& model) {
  const auto data = test::published_data();
  if (!data) {
    state.SkipWithError("the published data is not there");
    return;
  }
  const SettingPrices& prices = data->prices.at(model);
  SimulationRequest request;
  request.prices = &prices;
  request.intervals = data->p3;
  request.end = data->p3.size();
  double samples = 0;
  for (auto _ : state) {
    const auto policy = liveput_policy(prices, {});
    samples = simulate(request, *policy).samples;
  }
  state.SetLabel(fmt::format("{:.0f} samples", samples));
}
BENCHMARK_CAPTURE(simulate_p3, gpt2, std::string("gpt2-1.5b"))->Unit(benchmark::kMillisecond);
BENCHMARK_CAPTURE(simulate_p3, vgg19, std::string("vgg19"))->Unit(benchmark::kMillisecond);

}  // namespace
}  // namespace planaria

BENCHMARK_MAIN();
