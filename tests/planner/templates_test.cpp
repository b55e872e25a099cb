// Pipeline templates against every partition, and against plain greedy packing where those are too
// many.
#include <planaria/planner/chunks.hpp>
#include <planaria/planner/templates.hpp>

#include <algorithm>
#include <cmath>
#include <functional>
#include <limits>
#include <numeric>
#include <tuple>

#include <fmt/format.h>
#include <catch2/catch.hpp>

#include <planaria/base/random.hpp>

namespace planaria {
namespace {

using Times = std::vector<double>;
using Stages = std::vector<LayerRange>;

double sum_of(const Times& layer_ms, int first, int end) {
  return std::accumulate(layer_ms.begin() + first, layer_ms.begin() + end, 0.0);
}

double stage_ms(const Times& layer_ms, const LayerRange& stage) {
  return sum_of(layer_ms, stage.first.value, stage.last.value + 1);
}

std::size_t slowest_of(const Times& layer_ms, const Stages& stages) {
  std::size_t slowest = 0;
  for (std::size_t k = 1; k < stages.size(); ++k) {
    if (stage_ms(layer_ms, stages[k]) > stage_ms(layer_ms, stages[slowest])) slowest = k;
  }
  return slowest;
}

/// The objective as it is written: sums over stages.
double objective(const Times& layer_ms, const Stages& stages) {
  const std::size_t slowest = slowest_of(layer_ms, stages);
  double fill_ms = 0;
  double drain_ms = 0;
  for (std::size_t k = 0; k < stages.size(); ++k) {
    fill_ms += stage_ms(layer_ms, stages[k]);
    if (k >= slowest) drain_ms += stage_ms(layer_ms, stages[k]);
  }
  return fill_ms +
         (static_cast<double>((2 * stages.size()) + slowest + 1) *
          stage_ms(layer_ms, stages[slowest])) +
         drain_ms;
}

/// The template that has these stages, summed as templates.hpp says.
PipelineTemplate template_of(const Times& layer_ms, const Stages& stages) {
  const std::size_t slowest = slowest_of(layer_ms, stages);
  const int layers = static_cast<int>(layer_ms.size());
  PipelineTemplate made;
  made.nodes = static_cast<int>(stages.size());
  made.stages = stages;
  made.slowest = static_cast<int>(slowest);
  made.slowest_ms = stage_ms(layer_ms, stages[slowest]);
  made.t1_ms = sum_of(layer_ms, 0, layers);
  made.t2_ms = (2 * made.nodes + made.slowest + 1) * made.slowest_ms;
  made.t3_ms = sum_of(layer_ms, stages[slowest].first.value, layers);
  made.total_ms = made.t1_ms + made.t2_ms + made.t3_ms;
  return made;
}

double slowest_ms(const Times& layer_ms, const Stages& stages) {
  double most_ms = 0;
  for (const LayerRange& stage : stages) most_ms = std::max(most_ms, stage_ms(layer_ms, stage));
  return most_ms;
}

/// Least for the template that templates.hpp promises.
auto rank(const Times& layer_ms, const PipelineTemplate& of) {
  const auto slowest = of.stages.begin() + of.slowest;
  return std::tuple(of.total_ms, of.slowest_ms, of.slowest, *slowest,
                    slowest_ms(layer_ms, Stages(of.stages.begin(), slowest)),
                    slowest_ms(layer_ms, Stages(slowest + 1, of.stages.end())), of.stages);
}

void every_partition(int layers, int nodes, const std::function<void(const Stages&)>& use) {
  Stages stages;
  const std::function<void(int)> extend = [&](int first) {
    const int left = nodes - static_cast<int>(stages.size());
    if (left == 0) {
      if (first == layers) use(stages);
      return;
    }
    for (int last = first; last + left <= layers; ++last) {
      stages.push_back({LayerId{first}, LayerId{last}});
      extend(last + 1);
      stages.pop_back();
    }
  };
  extend(0);
}

PipelineTemplate best_of_all(const Times& layer_ms, int nodes) {
  PipelineTemplate best;
  every_partition(static_cast<int>(layer_ms.size()), nodes, [&](const Stages& stages) {
    PipelineTemplate made = template_of(layer_ms, stages);
    if (best.stages.empty() || rank(layer_ms, made) < rank(layer_ms, best)) best = std::move(made);
  });
  return best;
}

/// Fewest stages for these layers, each as long as it fits; nothing fits: one more than layers.
int packed(const Times& layer_ms, int first, int end, const std::function<bool(double)>& fits) {
  int stages = 0;
  for (int from = first; from < end; ++stages) {
    int to = from;
    while (to < end && fits(sum_of(layer_ms, from, to + 1))) ++to;
    if (to == from) return static_cast<int>(layer_ms.size()) + 1;
    from = to;
  }
  return stages;
}

/// The least totals by number of nodes, packed anew around every bottleneck.
Times least_totals(const Times& layer_ms) {
  const int layers = static_cast<int>(layer_ms.size());
  Times least(layer_ms.size() + 1, std::numeric_limits<double>::infinity());
  for (int first = 0; first < layers; ++first) {
    for (int end = first + 1; end <= layers; ++end) {
      const double ms = sum_of(layer_ms, first, end);
      const int before = packed(layer_ms, 0, first, [&](double sum) { return sum < ms; });
      const int behind = packed(layer_ms, end, layers, [&](double sum) { return sum <= ms; });
      for (int slowest = before; slowest <= first; ++slowest) {
        for (int after = behind; after <= layers - end; ++after) {
          const int nodes = slowest + 1 + after;
          const double total_ms = sum_of(layer_ms, 0, layers) + ((2 * nodes + slowest + 1) * ms) +
                                  sum_of(layer_ms, first, layers);
          double& best = least[static_cast<std::size_t>(nodes)];
          best = std::min(best, total_ms);
        }
      }
    }
  }
  return least;
}

enum class Draw { whole, few, uneven, skewed };

Times drawn(Random& random, int layers, Draw draw) {
  Times layer_ms;
  for (int i = 0; i < layers; ++i) {
    switch (draw) {
      case Draw::whole:
        layer_ms.push_back(static_cast<double>(random.below(12)));
        break;
      case Draw::few:
        layer_ms.push_back(static_cast<double>(random.below(3)) * 0.1);
        break;
      case Draw::uneven:
        layer_ms.push_back(random.below(5) == 0 ? 0 : random.uniform() * 10);
        break;
      case Draw::skewed:
        layer_ms.push_back(std::ldexp(random.uniform(), static_cast<int>(random.below(20))));
        break;
    }
  }
  return layer_ms;
}

std::string text_of(const Times& layer_ms) {
  return fmt::format("layer_ms {{{}}}", fmt::join(layer_ms, ", "));
}

std::vector<PipelineTemplate> all_sizes(const Times& layer_ms) {
  return pipeline_templates(layer_ms, 1, static_cast<int>(layer_ms.size())).value();
}

/// Like a transformer's: an embedding, equal blocks of two kinds, a slow last layer.
Times model_like(int layers) {
  Times layer_ms;
  for (int i = 0; i < layers; ++i) layer_ms.push_back(i % 2 == 0 ? 3.3 : 5.1);
  layer_ms.front() = 0.7;
  layer_ms.back() = 9.4;
  return layer_ms;
}

std::string refusal(const Times& layer_ms, int nodes_min, int nodes_max) {
  const auto refused = pipeline_templates(layer_ms, nodes_min, nodes_max);
  REQUIRE_FALSE(refused.ok());
  CHECK(refused.fault().kind == FaultKind::invalid_input);
  return refused.fault().sentence;
}

}  // namespace

TEST_CASE("a template reckoned by hand", "[unit]") {
  // 2 | 1 1 2: 6 + 6x4 + 4 = 34. 2 1 | 1 2: 6 + 5x3 + 6 = 27. 2 1 1 | 2: 6 + 5x4 + 6 = 32.
  const auto found = pipeline_templates({2, 1, 1, 2}, 2, 2).value();
  REQUIRE(found.size() == 1);
  CHECK(found[0] == PipelineTemplate{.nodes = 2,
                                     .stages = {{LayerId{0}, LayerId{1}}, {LayerId{2}, LayerId{3}}},
                                     .t1_ms = 6,
                                     .t2_ms = 15,
                                     .t3_ms = 6,
                                     .total_ms = 27,
                                     .slowest = 0,
                                     .slowest_ms = 3});
}

TEST_CASE("equal to the best of every partition, to the last bit and the last cut", "[unit]") {
  for (std::uint64_t seed = 1; seed <= 3000; ++seed) {
    Random random(seed);
    const int layers = static_cast<int>(random.between(1, 9));
    const auto draw = static_cast<Draw>(random.below(4));
    const Times layer_ms = drawn(random, layers, draw);
    INFO("seed " << seed << ": " << text_of(layer_ms));
    const auto found = all_sizes(layer_ms);
    REQUIRE(found.size() == layer_ms.size());
    for (const PipelineTemplate& made : found) {
      INFO("nodes " << made.nodes);
      const PipelineTemplate best = best_of_all(layer_ms, made.nodes);
      CHECK(made.stages == best.stages);
      CHECK(made == best);
      if (draw == Draw::whole) CHECK(made.total_ms == objective(layer_ms, made.stages));
      CHECK(made.total_ms == Approx(objective(layer_ms, made.stages)).epsilon(1e-12).margin(0));
    }
  }
}

TEST_CASE("every list of up to seven times of 0, 1 and 2", "[unit]") {
  for (int layers = 1; layers <= 7; ++layers) {
    const auto lists = static_cast<int>(std::pow(3, layers));
    for (int list = 0; list < lists; ++list) {
      Times layer_ms;
      for (int i = 0, digits = list; i < layers; ++i, digits /= 3) layer_ms.push_back(digits % 3);
      INFO(text_of(layer_ms));
      for (const PipelineTemplate& made : all_sizes(layer_ms)) {
        const PipelineTemplate best = best_of_all(layer_ms, made.nodes);
        if (made != best) FAIL_CHECK("nodes " << made.nodes << ": not the best of all");
        if (made.total_ms != objective(layer_ms, made.stages)) {
          FAIL_CHECK("nodes " << made.nodes << ": not the objective as it is written");
        }
      }
    }
  }
}

TEST_CASE("more layers than partitions can be tried for agree with plain greedy packing",
          "[unit]") {
  for (std::uint64_t seed = 1; seed <= 200; ++seed) {
    Random random(seed);
    const int layers = static_cast<int>(random.between(10, 40));
    const Times layer_ms = drawn(random, layers, static_cast<Draw>(seed % 4));
    INFO("seed " << seed << ": " << text_of(layer_ms));
    const Times least = least_totals(layer_ms);
    for (const PipelineTemplate& made : all_sizes(layer_ms)) {
      INFO("nodes " << made.nodes);
      CHECK(made.total_ms == least[static_cast<std::size_t>(made.nodes)]);
      CHECK(made == template_of(layer_ms, made.stages));
    }
  }
}

TEST_CASE("layers that take no time still make a stage each", "[unit]") {
  for (const PipelineTemplate& made : all_sizes(Times(6, 0.0))) {
    CHECK(made == best_of_all(Times(6, 0.0), made.nodes));
    CHECK(made.stages.size() == static_cast<std::size_t>(made.nodes));
    CHECK(made.slowest == 0);  // a stage of no time is not faster than another
    CHECK(made.total_ms == 0);
  }
  const auto found = all_sizes({0, 0, 4, 0, 0});
  CHECK(found[4].slowest == 2);
  CHECK(found[2].slowest == 0);  // 0 0 4 | 0 | 0 rather than 0 0 | 4 | 0 0
  CHECK(found[2].total_ms == 4 + (7 * 4) + 4);
}

TEST_CASE("an early slowest stage may be worth a slower one, and of equals the faster wins",
          "[unit]") {
  // 4 1.25 | 1 | 5: 11.25 + 7x5.25 + 11.25 = 59.25. 4 | 1.25 1 | 5: 11.25 + 9x5 + 5 = 61.25.
  const PipelineTemplate early = pipeline_templates({4, 1.25, 1, 5}, 3, 3).value()[0];
  CHECK(early.total_ms == 59.25);
  CHECK(early.slowest == 0);
  CHECK(early.slowest_ms == 5.25);
  // With 1.5 in its place both ways come to 61.5.
  const PipelineTemplate faster = pipeline_templates({4, 1.5, 1, 5}, 3, 3).value()[0];
  CHECK(faster.total_ms == 61.5);
  CHECK(faster.slowest == 2);
  CHECK(faster.slowest_ms == 5);
}

TEST_CASE("ninety-six layers in every size are covered, recomputed and not to be bettered",
          "[unit]") {
  const Times layer_ms = model_like(96);
  const Times least = least_totals(layer_ms);
  const auto found = all_sizes(layer_ms);
  REQUIRE(found.size() == 96);
  for (const PipelineTemplate& made : found) {
    INFO("nodes " << made.nodes);
    REQUIRE(made.stages.size() == static_cast<std::size_t>(made.nodes));
    int next = 0;
    for (const LayerRange& stage : made.stages) {
      CHECK(stage.first.value == next);
      CHECK(stage.size() >= 1);
      next = stage.last.value + 1;
    }
    CHECK(next == 96);
    CHECK(made == template_of(layer_ms, made.stages));
    CHECK(made.total_ms == Approx(objective(layer_ms, made.stages)).epsilon(1e-12));
    CHECK(made.total_ms == least[static_cast<std::size_t>(made.nodes)]);
    const Stages balanced = balance(layer_ms, made.nodes);
    CHECK(made.total_ms <= template_of(layer_ms, balanced).total_ms);
    CHECK(made.slowest_ms >= template_of(layer_ms, balanced).slowest_ms);
  }
}

TEST_CASE("a size asked for alone has the same template as among others", "[unit]") {
  const Times layer_ms = model_like(30);
  const auto together = all_sizes(layer_ms);
  for (int nodes = 1; nodes <= 30; ++nodes) {
    const auto alone = pipeline_templates(layer_ms, nodes, nodes).value();
    REQUIRE(alone.size() == 1);
    CHECK(alone[0] == together[static_cast<std::size_t>(nodes - 1)]);
  }
  const auto some = pipeline_templates(layer_ms, 7, 13).value();
  CHECK(some == std::vector(together.begin() + 6, together.begin() + 13));
}

TEST_CASE("what makes no template is told", "[unit]") {
  constexpr double nothing = std::numeric_limits<double>::quiet_NaN();
  constexpr double infinity = std::numeric_limits<double>::infinity();
  CHECK(refusal({}, 1, 1) == "layer_ms: none, must be at least 1");
  CHECK(refusal({1, 1, 1, nothing}, 1, 1) == "layer_ms[3]: nan, must be a finite number from 0");
  CHECK(refusal({infinity}, 1, 1) == "layer_ms[0]: inf, must be a finite number from 0");
  CHECK(refusal({1, -0.5}, 1, 1) == "layer_ms[1]: -0.5, must be a finite number from 0");
  CHECK(refusal({1e300, 1e300}, 1, 1) == "layer_ms: 2e+300 in all, must be at most 1e+300");
  CHECK(refusal(Times(5000, 1.0), 1, 1) == "layer_ms: 5000 layers, must be at most 4096");
  CHECK(refusal({1, 2}, 0, 1) == "nodes_min: 0, must be at least 1");
  CHECK(refusal({1, 2}, 2, 1) == "nodes_max: 1, must be at least 2, nodes_min");
  CHECK(refusal({1, 2}, 1, 3) == "nodes_max: 3, must be at most 2, the number of layers");
  CHECK(pipeline_templates({1e300}, 1, 1).value()[0].total_ms == Approx(5e300));
}

}  // namespace planaria
