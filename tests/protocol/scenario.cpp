#include "protocol/scenario.hpp"

#include <algorithm>

#include <fmt/format.h>

#include <planaria/base/random.hpp>

#include "protocol/toy_worker.hpp"

namespace planaria::protocol {
namespace {

using Kind = ClusterFault::Kind;

RunSpec spec_of(Random& random) {
  RunSpec spec = toy_spec();
  spec.seed = random.next();
  spec.steps = random.between(1, 7);
  spec.lane_size = static_cast<int>(random.between(1, 2));
  spec.micro_batches = static_cast<int>(random.between(1, 12));
  const auto layers = random.between(2, 9);
  spec.layers.clear();
  for (std::int64_t i = 0; i < layers; ++i) {
    spec.layers.push_back({fmt::format("layer{}", i), static_cast<double>(random.between(1, 5)),
                           random.between(1, 9) * 1000, ""});
  }
  return spec;
}

// Mostly few workers, where every one matters; sometimes many.
int workers_of(Random& random, const ScenarioBounds& bounds) {
  const int most = bounds.workers_max;
  if (bounds.workers_min > 1) return static_cast<int>(random.between(bounds.workers_min, most));
  const std::int64_t usual = std::min(most, 6);
  if (random.below(20) == 0) return static_cast<int>(random.between(1, most));
  return static_cast<int>(random.between(1, usual));
}

const char* name_of(Kind kind) {
  switch (kind) {
    case Kind::crash:
      return "crash of";
    case Kind::stop:
      return "stop of";
    case Kind::go_on:
      return "continue of";
    case Kind::join:
      return "another process, not";
    case Kind::cut:
      return "cut at";
    case Kind::duplicate:
      return "duplicate from";
    case Kind::signal:
      return "signal to the coordinator, not";
  }
  return "";
}

}  // namespace

ClusterOptions scenario_of(std::uint64_t seed, const ScenarioBounds& bounds) {
  Random random(mix({seed, 0x7363656eULL}));
  ClusterOptions options;
  options.seed = seed;
  options.spec = spec_of(random);
  auto& coordinator = options.coordinator;
  coordinator.workers = workers_of(random, bounds);
  coordinator.spares = random.below(3) == 0 ? static_cast<int>(random.between(1, 2)) : 0;
  coordinator.commit_domains = static_cast<int>(random.between(1, 3));
  coordinator.silence_max_ms = 600;
  if (random.below(3) == 0) coordinator.schedule = "gpipe";
  const int layers = static_cast<int>(options.spec.layers.size());
  if (random.below(2) == 0) {
    coordinator.depth =
        static_cast<int>(random.between(1, std::min({coordinator.workers, layers})));
  }
  const int processes = coordinator.workers + coordinator.spares;
  const int length = 60 * processes * static_cast<int>(options.spec.steps + 1);
  std::vector<Kind> kinds{Kind::duplicate};
  if (bounds.crashes) kinds.insert(kinds.end(), 5, Kind::crash);
  if (bounds.stops) kinds.insert(kinds.end(), 2, Kind::stop);
  if (bounds.joins) kinds.insert(kinds.end(), 3, Kind::join);
  if (bounds.cuts) kinds.push_back(Kind::cut);
  if (random.below(40) == 0) kinds.assign(1, Kind::signal);
  const auto faults = random.between(0, bounds.faults_max);
  for (std::int64_t i = 0; i < faults; ++i) {
    ClusterFault fault;
    fault.before_delivery = static_cast<int>(random.between(0, length));
    fault.kind = kinds[random.below(kinds.size())];
    fault.process = static_cast<int>(random.between(0, processes + 1));
    fault.other = static_cast<int>(random.between(0, processes + 1));
    options.faults.push_back(fault);
    if (fault.kind != Kind::stop) continue;
    fault.kind = Kind::go_on;  // at last: a stopped process must not be forgotten
    fault.before_delivery += static_cast<int>(random.between(1, 30'000));
    options.faults.push_back(fault);
  }
  std::ranges::stable_sort(options.faults, {}, &ClusterFault::before_delivery);
  if (bounds.throws && random.below(8) == 0) {
    options.throws = ClusterThrow{
        Step{random.between(1, options.spec.steps)},
        MicroBatchId{static_cast<int>(random.between(0, options.spec.micro_batches - 1))},
        LayerId{static_cast<int>(random.between(0, layers - 1))},
        static_cast<int>(random.between(1, 2))};
  }
  // Drawn last, so that seeds keep their stories.
  if (random.below(4) == 0) {
    options.evaluate_every = static_cast<int>(random.between(1, 3));
    options.spec.evaluation_samples = random.between(1, 9);
  }
  return options;
}

std::string text_of(const ClusterOptions& scenario) {
  const auto& coordinator = scenario.coordinator;
  std::string text =
      fmt::format("{} workers, {} spares, {} layers, {} steps of {} micro-batches, k {}",
                  coordinator.workers, coordinator.spares, scenario.spec.layers.size(),
                  scenario.spec.steps, scenario.spec.micro_batches, coordinator.commit_domains);
  if (coordinator.depth) text += fmt::format(", depth {}", *coordinator.depth);
  if (scenario.evaluate_every > 0) {
    text += fmt::format(", evaluated every {}", scenario.evaluate_every);
  }
  for (const ClusterFault& fault : scenario.faults) {
    text += fmt::format("; {} process {} before delivery {}", name_of(fault.kind), fault.process,
                        fault.before_delivery);
    if (fault.kind == Kind::cut) text += fmt::format(", from process {}", fault.other);
  }
  if (scenario.throws) {
    text += fmt::format("; step {}, micro-batch {}, layer {} throws {} times",
                        scenario.throws->step.value, scenario.throws->micro_batch.value,
                        scenario.throws->layer.value, scenario.throws->times);
  }
  return text;
}

}  // namespace planaria::protocol
