// The period that rounds give a pipeline, against the simulation of its schedule.
#include <algorithm>
#include <cstdint>
#include <string>
#include <vector>

#include <catch2/catch.hpp>

#include <planaria/base/random.hpp>
#include <planaria/schedule/builders.hpp>
#include <planaria/schedule/simulate.hpp>

#include "planner/rounds.hpp"

namespace planaria {
namespace {

std::vector<RoundStage> round_stages(const RoundRule& rule, const std::vector<StageCosts>& costs) {
  std::vector<RoundStage> stages;
  for (std::size_t i = 0; i < costs.size(); ++i) {
    RoundStage& stage = stages.emplace_back();
    stage.on_way_ms = costs[i].forward_ms + costs[i].backward_input_ms;
    (rule.fused ? stage.on_way_ms : stage.beside_ms) += costs[i].backward_weight_ms;
    if (i + 1 < costs.size()) {
      stage.link_ms = costs[i].send_ms + costs[i + 1].send_back_ms.value();
    }
  }
  return stages;
}

double makespan_ms(const std::string& kind, const std::vector<StageCosts>& costs,
                   int micro_batches) {
  const auto schedule = build_schedule(
      kind, {.stages = static_cast<int>(costs.size()), .micro_batches = micro_batches});
  REQUIRE(schedule.ok());
  const auto simulated = simulate(schedule.value(), costs);
  REQUIRE(simulated.ok());
  double end_ms = 0;
  for (const auto& rank : simulated.value().ranks) {
    end_ms = std::max(end_ms, rank.actions.back().end_ms);
  }
  return end_ms;
}

// Over so many micro-batches that each round over up to 6 stages has come round.
double simulated_period_ms(const std::string& kind, const std::vector<StageCosts>& costs) {
  constexpr int settled = 5000;  // two rounds nearly as long take long to part
  const int more = round_rule(kind).per_stage == 1 ? 60 : 4 * 9 * 5 * 7 * 11;
  return (makespan_ms(kind, costs, settled + more) - makespan_ms(kind, costs, settled)) / more;
}

std::vector<StageCosts> random_costs(std::uint64_t seed, double send_most) {
  Random random(seed);
  std::vector<StageCosts> costs(static_cast<std::size_t>(random.between(1, 6)));
  for (StageCosts& stage : costs) {
    stage = {.forward_ms = 1 + random.uniform(),
             .backward_input_ms = 1 + random.uniform(),
             .backward_weight_ms = 1 + random.uniform(),
             .send_ms = send_most * random.uniform(),
             .send_back_ms = send_most * random.uniform()};
  }
  return costs;
}

/// The least period of a round over [first, last], by its definition.
double period_of(const RoundRule& rule, const std::vector<RoundStage>& stages, std::size_t first,
                 std::size_t last) {
  double ms = stages[first].beside_ms;
  for (std::size_t i = first; i <= last; ++i) {
    ms += stages[i].on_way_ms + (i < last ? stages[i].link_ms : 0);
  }
  return ms / rule.micro_batches(last - first + 1);
}

}  // namespace

TEST_CASE("the longest round is the longest of all that there are", "[unit]") {
  for (std::uint64_t seed = 1; seed <= 500; ++seed) {
    INFO("seed " << seed);
    const auto costs = random_costs(seed, seed % 2 == 0 ? 0.3 : 3);
    for (const char* const kind : {"1f1b", "zb-h1", "zb-h2"}) {
      const RoundRule rule = round_rule(kind);
      REQUIRE(rule.bind);
      const auto stages = round_stages(rule, costs);
      double most_ms = 0;
      for (std::size_t first = 0; first < stages.size(); ++first) {
        for (std::size_t last = first; last < stages.size(); ++last) {
          most_ms = std::max(most_ms, period_of(rule, stages, first, last));
        }
      }
      const Round longest = longest_round(rule, stages);
      CHECK(longest.period_ms == Approx(most_ms).epsilon(1e-9));
      CHECK(period_of(rule, stages, longest.first, longest.first + longest.stages - 1) ==
            Approx(most_ms).epsilon(1e-9));
    }
  }
}

TEST_CASE("one stage by itself is the longest round where no other counts", "[unit]") {
  const auto costs = random_costs(11, 30);
  const RoundRule rule = round_rule("gpipe");
  const auto stages = round_stages(rule, costs);
  REQUIRE(stages.size() > 1);
  double most_ms = 0;
  for (const RoundStage& stage : stages) {
    most_ms = std::max(most_ms, stage.on_way_ms + stage.beside_ms);
  }
  CHECK(longest_round(rule, stages).period_ms == most_ms);
}

TEST_CASE("in the long run micro-batches follow each other as the longest round says", "[unit]") {
  int over_several = 0;
  for (std::uint64_t seed = 1; seed <= 60; ++seed) {
    INFO("seed " << seed);
    const auto costs = random_costs(seed, seed % 2 == 0 ? 0.3 : 3);
    for (const std::string kind : {"1f1b", "zb-h1", "zb-h2"}) {
      INFO(kind);
      const RoundRule rule = round_rule(kind);
      const Round longest = longest_round(rule, round_stages(rule, costs));
      CHECK(simulated_period_ms(kind, costs) == Approx(longest.period_ms).epsilon(1e-6));
      over_several += longest.stages > 1 ? 1 : 0;
    }
  }
  CHECK(over_several >= 40);
}

TEST_CASE("rounds of times next to nothing are found too", "[unit]") {
  // A half of the least number there is would be the next step towards the period.
  constexpr double least = 5e-324;
  const Round round = longest_round(round_rule("1f1b"), {{least, 0, least}, {least, 0, 0}});
  CHECK(round.period_ms == least);
  CHECK(longest_round(round_rule("1f1b"), {{0, 0, 0}, {0, 0, 0}}).period_ms == 0);
}

}  // namespace planaria
