// The brute force is itself held against a problem worked out by hand, against a search that shares
// only the verifier with it, and against itself without its shortcuts.
#include "planner/plan_brute_force.hpp"

#include <algorithm>
#include <functional>
#include <numeric>

#include <catch2/catch.hpp>

#include <planaria/base/text.hpp>

#include "planner/pipeline_rules.hpp"
#include "planner/plan_cases.hpp"
#include "planner/plan_verifier.hpp"
#include "planner/random_problems.hpp"

namespace planaria {
namespace {

using plan_cases::alike_layers;

std::vector<std::string> faults_in(const BruteForceAnswer& answer, const Problem& problem) {
  return faults_of(answer.plan, problem.profile, problem.cluster, promises_of(problem));
}

// Tries every plan by writing it down whole and asking the verifier: every order of the workers,
// cut into pipelines anywhere, the rest idle; every partition, share, recompute and schedule.
class WrittenOut {
 public:
  explicit WrittenOut(const Problem& problem) : problem_(problem) {
    plan_.micro_batches = problem.micro_batches;
    plan_.micro_batch_size = problem.micro_batch_size;
    plan_.lane_size = problem.lane_size;
  }

  std::optional<double> least_ms() {
    std::vector<WorkerId> order;
    for (const ClusterWorker& worker : problem_.cluster.workers) order.push_back(worker.id);
    std::sort(order.begin(), order.end());
    do {
      order_ = order;
      for (const std::string& kind : problem_.schedules) {
        plan_.schedule = kind;
        add_pipeline(0, problem_.micro_batches);
      }
    } while (std::next_permutation(order.begin(), order.end()));
    return least_ms_;
  }

 private:
  void add_pipeline(std::size_t used, int left) {
    if (left == 0) ask();
    for (int share = 1; share <= left; ++share) {
      plan_.pipelines.push_back({share, {}});
      add_stage(0, used, left - share);
      plan_.pipelines.pop_back();
    }
  }

  void add_stage(int layer, std::size_t used, int left) {
    const auto layers = static_cast<int>(problem_.profile.layers.size());
    if (layer == layers) {
      add_pipeline(used, left);
      return;
    }
    if (used == order_.size()) return;
    for (int last = layer; last < layers; ++last) {
      for (const bool recompute : {false, true}) {
        // By its place: deeper down the list of pipelines may move.
        const std::size_t pipeline = plan_.pipelines.size() - 1;
        plan_.pipelines[pipeline].stages.push_back(
            {{LayerId{layer}, LayerId{last}}, order_[used], recompute, 0, ""});
        add_stage(last + 1, used + 1, left);
        plan_.pipelines[pipeline].stages.pop_back();
      }
    }
  }

  void ask() {
    for (const PlannedPipeline& pipeline : plan_.pipelines) {
      const auto depth = static_cast<int>(pipeline.stages.size());
      if (!pipeline_rules::orders_of(plan_.schedule, {depth, pipeline.micro_batches})) return;
    }
    const Plan whole = plan_cases::filled(plan_, problem_.profile, problem_.cluster);
    // Needless recompute is no fault here: that it never helps is what is to be seen.
    const Promises promises = promises_of(problem_);
    for (const std::string& fault :
         faults_of(whole, problem_.profile, problem_.cluster, promises)) {
      if (fault.find("has room without it") == std::string::npos) return;
    }
    least_ms_ = std::min(least_ms_.value_or(whole.step_ms), whole.step_ms);
  }

  const Problem& problem_;
  std::vector<WorkerId> order_;
  Plan plan_;
  std::optional<double> least_ms_;
};

Problem by_hand() {
  Problem problem;
  problem.profile = alike_layers(2);
  problem.cluster = identical_workers(2, 10'000);
  problem.micro_batches = 2;
  problem.schedules = pipeline_rules::fixed_kinds();
  problem.origin = "by hand";
  return problem;
}

}  // namespace

TEST_CASE("two workers, two layers: the best plan is the one found by hand", "[unit]") {
  // One worker: 2 x 12 + 1 = 25. Two pipelines: 12, two reductions of 1, the optimizer 1: 15. Two
  // stages: 1f1b 20.5 and zb-h1 16.5, as plan_verifier_test.cpp has them.
  Problem problem = by_hand();
  const auto best = brute_force(problem).value();
  CHECK(best.step_ms == 15);
  CHECK(best.plan.pipelines.size() == 2);
  CHECK(best.plan.survives == 1);
  CHECK(best.plan.idle_workers.empty());
  CHECK(join(faults_in(best, problem), "\n").empty());

  // Reductions of 20 each put one pipeline of two stages before two pipelines of one.
  problem.profile.transfer = {{9, 1.0}, {10, 20.0}};
  CHECK(brute_force(problem)->step_ms == 16.5);
  CHECK(brute_force(problem)->plan.schedule == "zb-h1");
  problem.schedules = {"1f1b"};
  CHECK(brute_force(problem)->step_ms == 20.5);
  // But not where the loss of one must be survived: 12 + 40 + 1.
  problem.survive = 1;
  CHECK(brute_force(problem)->step_ms == 53);
  problem.survive = 2;
  CHECK_FALSE(brute_force(problem).has_value());
}

TEST_CASE("memory decides: deeper, then recompute, then nothing", "[unit]") {
  // 1f1b with reductions that cost too much. Alone a worker needs 60 + 40 + 200 = 300; of two
  // stages the first 254, with recompute 30 + 20 + 4 + 100 = 154, the second 154.
  Problem problem = by_hand();
  problem.schedules = {"1f1b"};
  const auto with_memory = [&](std::int64_t bytes) {
    for (ClusterWorker& worker : problem.cluster.workers) worker.memory_bytes = bytes;
    return brute_force(problem);
  };
  CHECK(with_memory(280)->step_ms == 15);  // two pipelines with a share of 1 each: b(1) = 1
  CHECK(with_memory(279)->step_ms == 20.5);
  CHECK(with_memory(254)->step_ms == 20.5);
  // The first stage recomputes: its last backward takes 6, from 15 to 21.
  CHECK(with_memory(253)->step_ms == 21.5);
  CHECK(with_memory(253)->plan.pipelines[0].stages[0].recompute);
  CHECK(with_memory(154)->step_ms == 21.5);
  CHECK_FALSE(with_memory(153).has_value());
  problem.recompute = Recompute::never;
  CHECK_FALSE(with_memory(253).has_value());
  CHECK(with_memory(254)->step_ms == 20.5);
  // Always: two pipelines of 14 + 2 + 1, each with 60 + 20 + 200.
  problem.recompute = Recompute::always;
  CHECK(with_memory(280)->step_ms == 17);
}

TEST_CASE("the short lane stands where it is worth most", "[unit]") {
  // Three micro-batches in lanes of two on workers of speeds 1 and 0.4: 24 and 30 where the slow
  // one has the short lane, then reductions 2 and its optimizer 2.5.
  Problem problem = by_hand();
  problem.micro_batches = 3;
  problem.lane_size = 2;
  problem.cluster.workers[0].speed = 0.4;
  const auto best = brute_force(problem).value();
  CHECK(join(faults_in(best, problem), "\n").empty());
  CHECK(best.step_ms == Approx(34.5));
  REQUIRE(best.plan.pipelines.size() == 2);
  CHECK(best.plan.pipelines[1].micro_batches == 1);
  CHECK(best.plan.pipelines[1].stages[0].worker == WorkerId{0});
}

TEST_CASE("the brute force finds what writing every plan out finds", "[unit]") {
  int answered = 0;
  for (std::uint64_t seed = 0; seed < 60; ++seed) {
    const Problem problem = random_problem(seed, {3, 3, 3});
    INFO(text_of(problem));
    const auto best = brute_force(problem);
    const auto least_ms = WrittenOut(problem).least_ms();
    REQUIRE(best.has_value() == least_ms.has_value());
    if (!best) continue;
    ++answered;
    REQUIRE(best->step_ms == Approx(*least_ms).epsilon(1e-12));
  }
  CHECK(answered > 20);
}

TEST_CASE("what the brute force answers is what it promises", "[unit]") {
  for (std::uint64_t seed = 0; seed < 300; ++seed) {
    const Problem problem = random_problem(seed, {6, 4, 6});
    const auto best = brute_force(problem);
    if (!best) continue;
    INFO(text_of(problem));
    REQUIRE(join(faults_in(*best, problem), "\n").empty());
  }
}

TEST_CASE("alike workers may stand for each other, and least recompute is enough", "[unit]") {
  bool fewer = false;
  bool more = false;
  for (std::uint64_t seed = 0; seed < 120; ++seed) {
    const Problem problem = random_problem(seed, {5, 4, 4});
    INFO(text_of(problem));
    const auto best = brute_force(problem);
    const auto each = brute_force(problem, {.alike_as_one = false, .every_recompute = false});
    const auto every = brute_force(problem, {.alike_as_one = true, .every_recompute = true});
    REQUIRE(best.has_value() == each.has_value());
    REQUIRE(best.has_value() == every.has_value());
    if (!best) continue;
    REQUIRE(best->step_ms == each->step_ms);
    REQUIRE(best->step_ms == every->step_ms);
    REQUIRE(join(faults_in(*each, problem), "\n").empty());
    fewer = fewer || best->plans < each->plans;
    more = more || best->plans < every->plans;
  }
  CHECK(fewer);
  CHECK(more);
}

TEST_CASE("random problems are of every sort", "[unit]") {
  int none = 0;
  int recomputing = 0;
  int deep = 0;
  int wide = 0;
  int both = 0;
  int idle = 0;
  int short_lane = 0;
  std::map<std::string, int> schedules;
  constexpr int count = 300;
  for (std::uint64_t seed = 0; seed < count; ++seed) {
    const Problem problem = random_problem(seed, {6, 4, 6});
    REQUIRE(text_of(problem) == text_of(random_problem(seed, {6, 4, 6})));
    const auto best = brute_force(problem);
    if (!best) {
      ++none;
      continue;
    }
    const Plan& plan = best->plan;
    bool recomputes = false;
    bool stages = false;
    for (const PlannedPipeline& pipeline : plan.pipelines) {
      stages = stages || pipeline.stages.size() > 1;
      for (const PlannedStage& stage : pipeline.stages) recomputes = recomputes || stage.recompute;
    }
    recomputing += problem.recompute == Recompute::any && recomputes ? 1 : 0;
    deep += stages ? 1 : 0;
    wide += plan.pipelines.size() > 1 ? 1 : 0;
    both += stages && plan.pipelines.size() > 1 ? 1 : 0;
    idle += plan.idle_workers.empty() ? 0 : 1;
    short_lane += plan.micro_batches % plan.lane_size != 0 && plan.pipelines.size() > 1 ? 1 : 0;
    ++schedules[plan.schedule];
  }
  CAPTURE(none, recomputing, deep, wide, both, idle, short_lane, schedules.size());
  CHECK(none >= count / 20);
  CHECK(none <= count / 2);
  CHECK(recomputing >= count / 30);
  CHECK(deep >= count / 10);
  CHECK(wide >= count / 10);
  CHECK(both >= count / 30);
  CHECK(idle >= count / 20);
  CHECK(short_lane >= count / 100);
  CHECK(schedules.size() == 4);
}

}  // namespace planaria
