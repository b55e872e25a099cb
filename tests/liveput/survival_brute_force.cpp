#include "liveput/survival_brute_force.hpp"

#include <algorithm>
#include <bit>
#include <cmath>
#include <cstdint>
#include <numeric>
#include <set>

#include <fmt/format.h>

namespace planaria::test {
namespace {

bool one_in(Random& random, std::uint64_t count) {
  return random.below(count) == 0;
}

int index_below(Random& random, std::size_t count) {
  return static_cast<int>(random.below(count));
}

std::vector<LayerRange> random_cuts(Random& random, int layers, int stages) {
  std::set<int> firsts{0};
  while (static_cast<int>(firsts.size()) < stages) {
    firsts.insert(static_cast<int>(random.between(1, layers - 1)));
  }
  std::vector<LayerRange> ranges;
  for (auto first = firsts.begin(); first != firsts.end(); ++first) {
    const auto next = std::next(first);
    ranges.push_back({LayerId{*first}, LayerId{(next == firsts.end() ? layers : *next) - 1}});
  }
  return ranges;
}

// Takes workers from the end of `free`; each has one stage, or two as in a loop.
PipelineAssignment random_pipeline(Random& random, int layers, std::vector<WorkerId>& free) {
  PipelineAssignment pipeline{1, {}};
  const int workers_max = std::min(static_cast<int>(free.size()), layers);
  int workers = static_cast<int>(random.between(1, workers_max));
  const int chunks = one_in(random, 4) && 2 * workers <= layers ? 2 : 1;
  const std::size_t begin = free.size() - static_cast<std::size_t>(workers);
  const auto cuts = random_cuts(random, layers, chunks * workers);
  for (std::size_t stage = 0; stage < cuts.size(); ++stage) {
    const std::size_t rank = stage % static_cast<std::size_t>(workers);
    pipeline.stages.push_back({cuts[stage], free[begin + rank]});
  }
  free.resize(begin);
  return pipeline;
}

// Re-routed micro-batches: a pipeline of the workers of two that are cut alike.
void add_shared(Random& random, Layout& layout, std::vector<WorkerId>& free) {
  const PipelineAssignment& one = layout.pipelines.front();
  if (free.size() < one.stages.size()) return;
  PipelineAssignment other = one;
  for (StageAssignment& stage : other.stages) {
    stage.worker = free.back();
    free.pop_back();
  }
  PipelineAssignment mixed = one;
  for (std::size_t i = 0; i < mixed.stages.size(); ++i) {
    if (one_in(random, 2)) mixed.stages[i].worker = other.stages[i].worker;
  }
  layout.pipelines.push_back(other);
  layout.pipelines.push_back(mixed);
}

void add_shadow(Random& random, SurvivalProblem& problem, WorkerId worker) {
  const auto computed = computed_by(problem.layout, worker);
  ShadowAssignment shadow{worker, {}};
  for (LayerId layer{0}; layer.value < problem.layers; layer = layer.next()) {
    const bool is_computed = std::find(computed.begin(), computed.end(), layer) != computed.end();
    if (!is_computed && one_in(random, 3)) shadow.layers.push_back(layer);
  }
  if (!shadow.layers.empty()) problem.layout.shadows.push_back(shadow);
}

bool has_one_worker_per_stage(const PipelineAssignment& pipeline) {
  std::set<WorkerId> workers;
  for (const StageAssignment& stage : pipeline.stages) workers.insert(stage.worker);
  return workers.size() == pipeline.stages.size();
}

// Bit w: worker w.
std::vector<std::uint32_t> holder_masks(const SurvivalProblem& problem) {
  std::vector<std::uint32_t> masks;
  for (LayerId layer{0}; layer.value < problem.layers; layer = layer.next()) {
    std::uint32_t mask = 0;
    for (const WorkerId worker : active_holders(problem.layout, layer)) mask |= 1U << worker.value;
    for (const WorkerId worker : shadows_of(problem.layout, layer)) mask |= 1U << worker.value;
    masks.push_back(mask);
  }
  std::sort(masks.begin(), masks.end());
  masks.erase(std::unique(masks.begin(), masks.end()), masks.end());
  return masks;
}

// For each number of losses: of how many sets of lost workers is the fewest live holders each
// number.
std::vector<std::vector<double>> fewest_counts(const SurvivalProblem& problem,
                                               std::uint32_t zones_gone) {
  const auto masks = holder_masks(problem);
  const auto size = static_cast<std::size_t>(problem.workers) + 1;
  std::vector<std::vector<double>> counts(size, std::vector<double>(size, 0.0));
  for (std::uint32_t lost = 0; lost < 1U << problem.workers; ++lost) {
    int fewest = problem.workers;
    for (const std::uint32_t mask : masks) {
      fewest = std::min(fewest, std::popcount(mask & ~lost & ~zones_gone));
    }
    ++counts[static_cast<std::size_t>(std::popcount(lost))][static_cast<std::size_t>(fewest)];
  }
  return counts;
}

}  // namespace

SurvivalProblem random_problem(Random& random, int workers_max) {
  SurvivalProblem problem;
  problem.layers = static_cast<int>(random.between(1, 8));
  problem.workers = static_cast<int>(random.between(1, workers_max));
  std::vector<WorkerId> free;
  for (int worker = 0; worker < problem.workers; ++worker) free.emplace_back(worker);
  for (std::size_t i = free.size(); i > 1; --i) {
    std::swap(free[i - 1], free[static_cast<std::size_t>(index_below(random, i))]);
  }
  const auto workers = free;
  do {
    problem.layout.pipelines.push_back(random_pipeline(random, problem.layers, free));
  } while (!free.empty() && !one_in(random, 5));
  const bool is_shared = one_in(random, 4);
  if (is_shared && has_one_worker_per_stage(problem.layout.pipelines.front())) {
    add_shared(random, problem.layout, free);
  }
  const std::uint64_t rarely = random.between(1, 8);
  for (const WorkerId worker : workers) {
    if (one_in(random, rarely)) add_shadow(random, problem, worker);
  }
  return problem;
}

std::vector<LossZone> random_zones(Random& random, int workers) {
  std::vector<LossZone> zones;
  int left = workers;
  const auto count = random.between(1, 3);
  for (int i = 0; i < count && left > 0; ++i) {
    const bool is_last = i + 1 == count;
    const int size = is_last ? left : static_cast<int>(random.between(1, left));
    double loss = random.uniform();
    if (one_in(random, 6)) loss = one_in(random, 2) ? 0 : 1;
    zones.push_back({fmt::format("z{}", i), size, loss});
    left -= size;
  }
  return zones;
}

std::string text_of(const SurvivalProblem& problem) {
  std::string text = fmt::format("{} workers, {}", problem.workers, to_json(problem.layout).dump());
  for (const LossZone& zone : problem.zones) {
    text += fmt::format(", {} {} {}", zone.name, zone.workers, zone.loss);
  }
  return text;
}

std::vector<std::vector<double>> brute_force(const SurvivalProblem& problem, int replicas_max) {
  const auto size = static_cast<std::size_t>(problem.workers) + 1;
  std::vector<std::vector<double>> rows(static_cast<std::size_t>(replicas_max),
                                        std::vector<double>(size, 0.0));
  for (std::uint32_t event = 0; event < 1U << problem.zones.size(); ++event) {
    double probability = 1;
    std::uint32_t gone = 0;
    int first = 0;
    for (std::size_t i = 0; i < problem.zones.size(); ++i) {
      const LossZone& zone = problem.zones[i];
      const bool is_gone = (event >> i & 1U) != 0;
      probability *= is_gone ? zone.loss : 1 - zone.loss;
      for (int w = first; w < first + zone.workers && is_gone; ++w) gone |= 1U << w;
      first += zone.workers;
    }
    const auto counts = fewest_counts(problem, gone);
    for (std::size_t row = 0; row < rows.size(); ++row) {
      for (std::size_t lost = 0; lost < size; ++lost) {
        const double all = std::accumulate(counts[lost].begin(), counts[lost].end(), 0.0);
        double good = 0;
        for (std::size_t fewest = row + 1; fewest < size; ++fewest) good += counts[lost][fewest];
        rows[row][lost] += probability * good / all;
      }
    }
  }
  return rows;
}

bool is_close(double found, double expected) {
  constexpr double relative = 1e-12;
  return std::abs(found - expected) <= relative * expected;
}

}  // namespace planaria::test
