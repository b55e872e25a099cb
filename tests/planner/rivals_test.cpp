// The best plan against what Varuna and Oobleck would choose for a model of 72 layers, and these
// rivals against trying everything.
#include <algorithm>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include <fmt/format.h>
#include <catch2/catch.hpp>

#include <planaria/base/random.hpp>
#include <planaria/planner/best_plan.hpp>

#include "planner/gpt_cases.hpp"
#include "planner/plan_verifier.hpp"
#include "planner/rival_plans.hpp"

namespace planaria {
namespace {

constexpr int micro_batches = 512;
constexpr std::int64_t memory_bytes = 32 * gpt_cases::gibibyte;

struct Against {
  bool oobleck = true;
  int survive = 0;
};
constexpr Against both{};
// Trying all that Oobleck may choose takes seconds for hundreds of workers.
constexpr Against varuna_alone{.oobleck = false};

struct RivalPlans {
  std::optional<Plan> varuna, oobleck;
};

/// What holds for any plan of these 512 micro-batches.
void check_kept(const Plan& plan, const BestPlanRequest& request) {
  const auto faults = faults_of(plan, *request.profile, *request.cluster,
                                {.micro_batches = micro_batches,
                                 .micro_batch_size = gpt_cases::micro_batch_size,
                                 .lane_size = 1,
                                 .schedule = request.schedule,
                                 .survive = request.survive});
  INFO(fmt::format("{}", fmt::join(faults, "; ")));
  CHECK(faults.empty());
}

void check_not_worse(const char* whose, const Plan& ours, const std::optional<Plan>& rival) {
  if (!rival) return;
  INFO(fmt::format("{}: {} ms, ours {} ms", whose, rival->step_ms, ours.step_ms));
  CHECK(ours.step_ms <= rival->step_ms * (1 + 1e-9));
}

/// Ours by 1F1B and by any schedule, theirs by 1F1B. Returns what theirs are.
RivalPlans check_match(const Profile& profile, const Cluster& cluster, const Against& against) {
  const int survive = against.survive;
  const rivals::RivalRequest request{.profile = &profile,
                                     .cluster = &cluster,
                                     .micro_batches = micro_batches,
                                     .micro_batch_size = gpt_cases::micro_batch_size,
                                     .survive = survive};
  RivalPlans plans{rivals::varuna_plan(request), std::nullopt};
  if (against.oobleck) plans.oobleck = rivals::oobleck_plan(request);
  if (plans.varuna && plans.varuna->survives < survive) plans.varuna.reset();
  INFO(fmt::format("{} workers", cluster.workers.size()));
  for (const auto& schedule : {std::optional<std::string>("1f1b"), std::optional<std::string>()}) {
    INFO(schedule.value_or("any schedule"));
    const BestPlanRequest ours{.profile = &profile,
                               .cluster = &cluster,
                               .micro_batches = micro_batches,
                               .micro_batch_size = gpt_cases::micro_batch_size,
                               .schedule = schedule,
                               .survive = survive};
    const auto answer = best_plan(ours);
    REQUIRE(answer.ok());
    check_kept(answer.value().plan, ours);
    check_not_worse("Varuna", answer.value().plan, plans.varuna);
    check_not_worse("Oobleck", answer.value().plan, plans.oobleck);
  }
  return plans;
}

/// Every way to make `nodes` and `micro_batches` of pipelines with non-descending templates.
class Enumeration {
 public:
  Enumeration(const std::vector<rivals::TemplateEstimate>& templates,
              const rivals::InstantiationLimits& limits)
      : templates_(templates), limits_(limits) {}

  /// The least time of the slowest pipeline, of all that cover exactly `nodes`.
  [[nodiscard]] std::optional<double> least_ms(int nodes) {
    least_ms_.reset();
    add_pipelines(0, nodes);
    return least_ms_;
  }

 private:
  void add_pipelines(std::size_t from, int nodes_left) {
    if (nodes_left == 0 && std::ssize(chosen_) >= limits_.pipelines_min) {
      add_shares(0, limits_.micro_batches, 0);
    }
    for (std::size_t t = from; t < templates_.size(); ++t) {
      if (templates_[t].nodes > nodes_left) continue;
      chosen_.push_back(t);
      add_pipelines(t, nodes_left - templates_[t].nodes);
      chosen_.pop_back();
    }
  }

  void add_shares(std::size_t pipeline, int left, double slowest_ms) {
    if (pipeline == chosen_.size()) {
      if (left == 0 && !(least_ms_ && *least_ms_ <= slowest_ms)) least_ms_ = slowest_ms;
      return;
    }
    for (int share = 1; share <= left; ++share) {
      const double ms = rivals::estimated_ms(templates_[chosen_[pipeline]], share,
                                             static_cast<int>(chosen_.size()));
      add_shares(pipeline + 1, left - share, std::max(slowest_ms, ms));
    }
  }

  const std::vector<rivals::TemplateEstimate>& templates_;
  const rivals::InstantiationLimits& limits_;
  std::vector<std::size_t> chosen_;
  std::optional<double> least_ms_;
};

/// Returns whether there was anything to choose.
bool check_instantiation(std::uint64_t seed) {
  INFO("seed " << seed);
  Random random(seed);
  std::vector<rivals::TemplateEstimate> templates;
  const auto least = static_cast<int>(random.between(1, 3));
  for (int nodes = least; nodes < 2 * least; ++nodes) {
    templates.push_back({nodes, (1 + random.uniform()) / nodes, 2 * random.uniform() / nodes});
  }
  const rivals::InstantiationLimits limits{.nodes = static_cast<int>(random.between(1, 9)),
                                           .micro_batches = static_cast<int>(random.between(1, 7)),
                                           .pipelines_min = static_cast<int>(random.between(1, 2))};
  Enumeration enumeration(templates, limits);
  std::optional<double> least_ms;
  int nodes = limits.nodes;
  for (; nodes > 0 && !least_ms; --nodes) least_ms = enumeration.least_ms(nodes);
  const auto chosen = rivals::least_instantiation(templates, limits);
  REQUIRE(chosen.has_value() == least_ms.has_value());
  if (!chosen) return false;
  CHECK(chosen->estimate_ms == *least_ms);
  double slowest_ms = 0;
  int shares = 0;
  int covered = 0;
  for (std::size_t i = 0; i < chosen->templates.size(); ++i) {
    const auto& one = templates[static_cast<std::size_t>(chosen->templates[i])];
    const int share = chosen->micro_batches[i];
    CHECK(share >= 1);
    shares += share;
    covered += one.nodes;
    const auto pipelines = static_cast<int>(chosen->templates.size());
    slowest_ms = std::max(slowest_ms, rivals::estimated_ms(one, share, pipelines));
  }
  CHECK(slowest_ms == *least_ms);
  CHECK(shares == limits.micro_batches);
  CHECK(covered == nodes + 1);
  return true;
}

void check_priced(const Plan& plan, const Profile& profile, const Cluster& cluster) {
  const VerifiedCost cost = verified_cost(plan, profile, cluster);
  CHECK(plan.step_ms == Approx(cost.step_ms).epsilon(1e-9));
  for (const auto& [worker, bytes] : cost.memory_bytes) {
    CHECK(bytes <= cluster.worker(worker)->memory_bytes);
  }
}

}  // namespace

TEST_CASE("Oobleck's pipelines and shares are the fastest that leave fewest nodes idle", "[unit]") {
  int chosen = 0;
  for (std::uint64_t seed = 1; seed <= 400; ++seed) chosen += check_instantiation(seed) ? 1 : 0;
  CHECK(chosen >= 200);
}

TEST_CASE("Varuna's stages have equally many layers and workers left over are idle", "[unit]") {
  const Profile profile = gpt_cases::gpt(2);
  const Cluster cluster = identical_workers(28, memory_bytes);
  const auto plan = rivals::varuna_plan({.profile = &profile,
                                         .cluster = &cluster,
                                         .micro_batches = micro_batches,
                                         .micro_batch_size = gpt_cases::micro_batch_size});
  REQUIRE(plan);
  std::vector<int> shares;
  for (const PlannedPipeline& pipeline : plan->pipelines) {
    shares.push_back(pipeline.micro_batches);
    REQUIRE(pipeline.stages.size() == 9);
    for (const PlannedStage& stage : pipeline.stages) CHECK(stage.layers.size() == 8);
  }
  CHECK(shares == std::vector{171, 171, 170});
  CHECK(plan->idle_workers == std::vector{WorkerId{27}});
  check_priced(*plan, profile, cluster);
}

TEST_CASE("both recompute where nothing else fits", "[unit]") {
  const Profile profile = gpt_cases::gpt(2);
  const Cluster cluster = identical_workers(6, memory_bytes);
  const rivals::RivalRequest request{.profile = &profile,
                                     .cluster = &cluster,
                                     .micro_batches = micro_batches,
                                     .micro_batch_size = gpt_cases::micro_batch_size};
  for (const auto& plan : {rivals::varuna_plan(request), rivals::oobleck_plan(request)}) {
    REQUIRE(plan);
    CHECK(plan->pipelines.front().stages.front().recompute);
    check_priced(*plan, profile, cluster);
  }
}

TEST_CASE("neither plans anything where no worker has the memory", "[unit]") {
  const Profile profile = gpt_cases::gpt(2);
  const Cluster cluster = identical_workers(3, memory_bytes);
  const rivals::RivalRequest request{.profile = &profile,
                                     .cluster = &cluster,
                                     .micro_batches = micro_batches,
                                     .micro_batch_size = gpt_cases::micro_batch_size};
  CHECK_FALSE(rivals::varuna_plan(request));
  CHECK_FALSE(rivals::oobleck_plan(request));
}

TEST_CASE("neither plans a shorter step for few workers of ample memory", "[unit]") {
  const Profile profile = gpt_cases::gpt(2);
  for (const int workers : {1, 2, 3, 5}) {
    const RivalPlans plans =
        check_match(profile, identical_workers(workers, 6 * memory_bytes), both);
    CHECK(plans.varuna);
    CHECK(plans.oobleck);
  }
}

TEST_CASE("neither plans a shorter step for workers alike", "[unit]") {
  const Profile profile = gpt_cases::gpt(2);
  for (const int workers :
       {5, 7, 8, 9, 11, 12, 16, 17, 31, 32, 33, 39, 48, 52, 64, 72, 97, 128, 285}) {
    const Cluster cluster = identical_workers(workers, memory_bytes);
    const RivalPlans plans = check_match(profile, cluster, both);
    CHECK(plans.varuna.has_value() == (workers > 5));
    REQUIRE(plans.oobleck);
    check_priced(*plans.oobleck, profile, cluster);
  }
}

TEST_CASE("Varuna plans no shorter step for hundreds of workers", "[unit]") {
  const Profile profile = gpt_cases::gpt(2);
  for (const int workers : {150, 200, 255, 300}) {
    CHECK(check_match(profile, identical_workers(workers, memory_bytes), varuna_alone).varuna);
  }
}

TEST_CASE("neither plans a shorter step over slow links", "[unit]") {
  const Profile profile = gpt_cases::gpt(1);
  for (const int workers : {8, 17, 31, 33, 36, 48, 64, 72}) {
    CHECK(check_match(profile, identical_workers(workers, memory_bytes), both).oobleck);
  }
}

TEST_CASE("neither plans a shorter step with half the memory", "[unit]") {
  const Profile profile = gpt_cases::gpt(3);
  for (const int workers : {17, 31, 48, 72}) {
    CHECK(check_match(profile, identical_workers(workers, memory_bytes / 2), both).oobleck);
  }
}

// Numbers at which Oobleck's covers by pipelines of several depths were better once.
TEST_CASE("neither plans a shorter step with more memory and faster links", "[unit]") {
  struct Setting {
    double gigabytes_per_s;
    std::int64_t memory_gib;
    std::vector<int> workers;
  };
  for (const Setting& setting : {Setting{16, 48, {15, 31, 59, 85, 101}},
                                 Setting{32, 40, {20, 27, 70, 82}}, Setting{50, 80, {49, 61}}}) {
    INFO(setting.memory_gib << " GiB, " << setting.gigabytes_per_s << " GB/s");
    const Profile profile = gpt_cases::gpt(setting.gigabytes_per_s);
    const std::int64_t bytes = setting.memory_gib * gpt_cases::gibibyte;
    for (const int workers : setting.workers) {
      CHECK(check_match(profile, identical_workers(workers, bytes), both).oobleck);
    }
  }
}

TEST_CASE("neither plans a shorter step that survives any loss", "[unit]") {
  const Profile profile = gpt_cases::gpt(2);
  for (const int workers : {17, 33, 64}) {
    const RivalPlans plans =
        check_match(profile, identical_workers(workers, memory_bytes), {.survive = 1});
    REQUIRE(plans.oobleck);
    CHECK(plans.oobleck->survives >= 1);
  }
}

TEST_CASE("neither plans a shorter step where every third worker is slow", "[unit]") {
  const Profile profile = gpt_cases::gpt(2);
  for (const int workers : {5, 8, 12, 17, 32, 33, 48, 64, 72, 97}) {
    CHECK(check_match(profile, gpt_cases::every_third(workers, memory_bytes, 0.6), both).oobleck);
  }
}

TEST_CASE("neither plans a shorter step where one worker is slow", "[unit]") {
  const Profile profile = gpt_cases::gpt(2);
  for (const int workers : {7, 12, 17, 32, 33, 64, 97}) {
    CHECK(check_match(profile, gpt_cases::one_slow(workers, memory_bytes), both).oobleck);
  }
}

TEST_CASE("neither plans a shorter step where every other worker has half the memory", "[unit]") {
  const Profile profile = gpt_cases::gpt(2);
  for (const int workers : {12, 17, 32, 48, 72, 97}) {
    CHECK(check_match(profile, gpt_cases::two_memories(workers, memory_bytes), both).oobleck);
  }
}

}  // namespace planaria
