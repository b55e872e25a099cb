// Oobleck's choice among templates: a bisection over the step's time, and for each time a knapsack
// that says how many micro-batches any so many nodes and pipelines can take until then.
#include <algorithm>
#include <bit>
#include <cmath>
#include <cstdint>
#include <utility>

#include "planner/rival_plans.hpp"

namespace planaria::rivals {
namespace {

// So far below 0 that no capacities bring it there: the innermost loop need not ask.
constexpr int unreachable = -1'000'000'000;

class Knapsack {
 public:
  Knapsack(const std::vector<TemplateEstimate>& templates, const InstantiationLimits& limits)
      : templates_(templates), limits_(limits) {
    int least = templates.front().nodes;
    for (const TemplateEstimate& one : templates) least = std::min(least, one.nodes);
    pipelines_max_ = std::min({limits.nodes / least, limits.micro_batches,
                               limits.pipelines_max.value_or(limits.micro_batches)});
  }

  [[nodiscard]] int pipelines_max() const { return pipelines_max_; }

  /// Fills the table for `pipelines` pipelines that may take until `step_ms`.
  void fill(int pipelines, double step_ms) {
    std::vector<int> capacities;
    for (const TemplateEstimate& one : templates_) {
      capacities.push_back(capacity(one, pipelines, step_ms));
    }
    // Most of a bisection's times differ by less than a micro-batch.
    if (capacities == capacities_ && std::ssize(most_) == pipelines + 1) return;
    capacities_ = std::move(capacities);
    most_.assign(static_cast<std::size_t>(pipelines) + 1, std::vector<int>(width(), unreachable));
    most_[0][0] = 0;
    for (std::size_t count = 1; count < most_.size(); ++count) {
      for (std::size_t t = 0; t < templates_.size(); ++t) add(count, t);
    }
  }

  /// Micro-batches that `pipelines` pipelines of `nodes` nodes in all can take; below 0 where there
  /// are no such. Requires fill() for as many pipelines at least.
  [[nodiscard]] int most(int pipelines, int nodes) const {
    return most_[static_cast<std::size_t>(pipelines)][static_cast<std::size_t>(nodes)];
  }

  /// The pipelines that take so many.
  [[nodiscard]] Instantiation choice(int pipelines, int nodes) const {
    Instantiation chosen;
    auto left = static_cast<std::size_t>(nodes);
    for (auto count = static_cast<std::size_t>(pipelines); count > 0; --count) {
      std::size_t t = templates_.size();
      do --t;
      while (!reaches(count, left, t));
      chosen.templates.push_back(static_cast<int>(t));
      left -= static_cast<std::size_t>(templates_[t].nodes);
    }
    std::sort(chosen.templates.begin(), chosen.templates.end());
    for (const int t : chosen.templates) {
      chosen.micro_batches.push_back(capacities_[static_cast<std::size_t>(t)]);
    }
    return chosen;
  }

 private:
  [[nodiscard]] std::size_t width() const { return static_cast<std::size_t>(limits_.nodes) + 1; }

  /// 0 where not even one micro-batch ends in time.
  [[nodiscard]] int capacity(const TemplateEstimate& one, int pipelines, double step_ms) const {
    int fits = 0;
    int too_many = limits_.micro_batches + 1;
    while (too_many - fits > 1) {
      const int middle = (fits + too_many) / 2;
      (estimated_ms(one, middle, pipelines) <= step_ms ? fits : too_many) = middle;
    }
    return fits;
  }

  void add(std::size_t count, std::size_t t) {
    if (capacities_[t] == 0) return;
    const auto nodes = static_cast<std::size_t>(templates_[t].nodes);
    const std::vector<int>& before = most_[count - 1];
    std::vector<int>& after = most_[count];
    for (std::size_t n = nodes; n < width(); ++n) {
      after[n] = std::max(after[n], before[n - nodes] + capacities_[t]);
    }
  }

  [[nodiscard]] bool reaches(std::size_t count, std::size_t left, std::size_t t) const {
    const auto nodes = static_cast<std::size_t>(templates_[t].nodes);
    if (capacities_[t] == 0 || nodes > left) return false;
    const int before = most_[count - 1][left - nodes];
    return before >= 0 && before + capacities_[t] == most_[count][left];
  }

  const std::vector<TemplateEstimate>& templates_;
  const InstantiationLimits& limits_;
  int pipelines_max_ = 0;
  std::vector<int> capacities_;         // by template
  std::vector<std::vector<int>> most_;  // [pipelines][nodes]
};

/// A time by which any template is through with all micro-batches.
double ample_ms(const std::vector<TemplateEstimate>& templates, const InstantiationLimits& limits,
                int pipelines) {
  double ample = 0;
  for (const TemplateEstimate& one : templates) {
    ample = std::max(ample, estimated_ms(one, limits.micro_batches, pipelines));
  }
  return ample;
}

/// The most nodes that some number of pipelines covers; 0: none.
int coverable(Knapsack& knapsack, const std::vector<TemplateEstimate>& templates,
              const InstantiationLimits& limits) {
  const int most = knapsack.pipelines_max();
  if (most < limits.pipelines_min) return 0;
  knapsack.fill(most, ample_ms(templates, limits, most));
  for (int nodes = limits.nodes; nodes > 0; --nodes) {
    for (int pipelines = limits.pipelines_min; pipelines <= most; ++pipelines) {
      if (knapsack.most(pipelines, nodes) >= 0) return nodes;
    }
  }
  return 0;
}

/// Takes micro-batches that are too many from the pipelines that would end last.
void shed(Instantiation& chosen, const std::vector<TemplateEstimate>& templates,
          int micro_batches) {
  const auto pipelines = static_cast<int>(chosen.templates.size());
  int sum = 0;
  for (const int share : chosen.micro_batches) sum += share;
  for (; sum > micro_batches; --sum) {
    std::size_t last = chosen.templates.size();
    double last_ms = -1;
    for (std::size_t i = 0; i < chosen.templates.size(); ++i) {
      if (chosen.micro_batches[i] == 1) continue;
      const auto& one = templates[static_cast<std::size_t>(chosen.templates[i])];
      const double ms = estimated_ms(one, chosen.micro_batches[i], pipelines);
      if (ms > last_ms) {
        last = i;
        last_ms = ms;
      }
    }
    --chosen.micro_batches[last];
  }
}

}  // namespace

double estimated_ms(const TemplateEstimate& one, int micro_batches, int pipelines) {
  return ((micro_batches + one.nodes - 1) * one.slowest_ms) +
         (2.0 * (pipelines - 1) / pipelines * one.reduction_ms);
}

std::optional<Instantiation> least_instantiation(const std::vector<TemplateEstimate>& templates,
                                                 const InstantiationLimits& limits) {
  if (templates.empty()) return std::nullopt;
  Knapsack knapsack(templates, limits);
  const int nodes = coverable(knapsack, templates, limits);
  if (nodes == 0) return std::nullopt;
  double best_ms = HUGE_VAL;
  int best_pipelines = 0;
  const auto in_time = [&](int pipelines, double step_ms) {
    knapsack.fill(pipelines, step_ms);
    return knapsack.most(pipelines, nodes) >= limits.micro_batches;
  };
  for (int pipelines = limits.pipelines_min; pipelines <= knapsack.pipelines_max(); ++pipelines) {
    const double at_most =
        std::min(ample_ms(templates, limits, pipelines), std::nextafter(best_ms, 0.0));
    if (!in_time(pipelines, at_most)) continue;
    // The bits of numbers from 0 are in the order of the numbers.
    auto too_early = std::bit_cast<std::uint64_t>(0.0);
    auto early_enough = std::bit_cast<std::uint64_t>(at_most);
    while (early_enough - too_early > 1) {
      const std::uint64_t middle = too_early + ((early_enough - too_early) / 2);
      (in_time(pipelines, std::bit_cast<double>(middle)) ? early_enough : too_early) = middle;
    }
    best_ms = std::bit_cast<double>(early_enough);
    best_pipelines = pipelines;
  }
  knapsack.fill(best_pipelines, best_ms);
  Instantiation chosen = knapsack.choice(best_pipelines, nodes);
  chosen.estimate_ms = best_ms;
  shed(chosen, templates, limits.micro_batches);
  return chosen;
}

}  // namespace planaria::rivals
