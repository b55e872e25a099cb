// Plans made ahead for every number of workers.
#include <planaria/planner/plan_table.hpp>

#include <algorithm>
#include <cstdint>
#include <vector>

#include <fmt/format.h>
#include <catch2/catch.hpp>

#include <planaria/base/random.hpp>

#include "planner/gpt_cases.hpp"
#include "planner/held_states.hpp"
#include "planner/plan_verifier.hpp"

namespace planaria {
namespace {

constexpr int micro_batches = 64;
constexpr std::int64_t memory_bytes = 32 * gpt_cases::gibibyte;

BestPlanRequest request_of(const Profile& profile, const Cluster& cluster) {
  return {.profile = &profile,
          .cluster = &cluster,
          .micro_batches = micro_batches,
          .micro_batch_size = gpt_cases::micro_batch_size};
}

std::int64_t lacking_bytes(const Layout& layout, const LayerHolders& before,
                           const std::vector<std::int64_t>& layer_bytes) {
  std::int64_t bytes = 0;
  for (const auto& [layer, holders] : holders_of(layout)) {
    for (const WorkerId holder : holders) {
      const auto had = before.find(layer);
      if (had != before.end() && had->second.contains(holder)) continue;
      bytes += layer_bytes[static_cast<std::size_t>(layer.value)];
    }
  }
  return bytes;
}

void check_kept(const Plan& plan, const Profile& profile, const Cluster& cluster, int survive) {
  const auto faults = faults_of(plan, profile, cluster,
                                {.micro_batches = micro_batches,
                                 .micro_batch_size = gpt_cases::micro_batch_size,
                                 .lane_size = 1,
                                 .survive = survive});
  INFO(fmt::format("{}", fmt::join(faults, "; ")));
  CHECK(faults.empty());
}

}  // namespace

TEST_CASE("a table has a plan for every number of workers that the model fits on", "[unit]") {
  const Profile profile = gpt_cases::gpt(2);
  const Cluster cluster = identical_workers(14, memory_bytes);
  const auto table = PlanTable::of(request_of(profile, cluster));
  REQUIRE(table.ok());
  CHECK(table.value().workers_max() == 14);
  CHECK(table.value().workers_min() == 4);
  const Cluster too_few = identical_workers(3, memory_bytes);
  CHECK_FALSE(best_plan(request_of(profile, too_few)).ok());
  double before_ms = 0;
  for (int workers = 4; workers <= 14; ++workers) {
    INFO(fmt::format("{} workers", workers));
    const Cluster few = identical_workers(workers, memory_bytes);
    const Plan& plan = table.value().plan(workers);
    check_kept(plan, profile, few, 0);
    CHECK(plan.bound_step_ms <= plan.step_ms);
    if (workers > 4) CHECK(plan.step_ms <= before_ms);
    before_ms = plan.step_ms;
    const auto asked_alone = best_plan(request_of(profile, few));
    REQUIRE(asked_alone.ok());
    CHECK(plan.step_ms == Approx(asked_alone.value().plan.step_ms).epsilon(1e-9));
  }
}

TEST_CASE("who is left takes over by the table with the fewest bytes moved", "[unit]") {
  const Profile profile = gpt_cases::gpt(2);
  const Cluster cluster = identical_workers(24, memory_bytes);
  BestPlanRequest request = request_of(profile, cluster);
  request.survive = 1;
  const auto table = PlanTable::of(request);
  REQUIRE(table.ok());
  const auto bytes = state_bytes(profile);
  const std::uint64_t seed = 5;
  INFO("seed " << seed);
  Random random(seed);
  Layout now = layout_of(table.value().plan(24));
  std::vector<WorkerId> left;
  for (const ClusterWorker& worker : cluster.workers) left.push_back(worker.id);
  while (static_cast<int>(left.size()) > table.value().workers_min()) {
    left.erase(left.begin() + static_cast<std::ptrdiff_t>(random.below(left.size())));
    INFO(fmt::format("{} workers left", left.size()));
    const LayerHolders held = holders_of(now);
    const auto reaction = table.value().reaction(left, bytes, held, &now);
    REQUIRE(reaction.ok());
    const Plan& plan = reaction.value().plan;
    Cluster there = cluster;
    std::erase_if(there.workers, [&](const ClusterWorker& worker) {
      return !std::ranges::binary_search(left, worker.id);
    });
    check_kept(plan, profile, there, 1);
    CHECK(plan.step_ms == table.value().plan(static_cast<int>(left.size())).step_ms);
    CHECK(reaction.value().bytes == lacking_bytes(layout_of(plan), held, bytes));
    now = layout_of(plan);
  }
}

TEST_CASE("with nobody lost everybody stays and nothing moves", "[unit]") {
  const Profile profile = gpt_cases::gpt(2);
  const Cluster cluster = identical_workers(12, memory_bytes);
  const auto table = PlanTable::of(request_of(profile, cluster));
  REQUIRE(table.ok());
  const Layout now = layout_of(table.value().plan(12));
  std::vector<WorkerId> all;
  for (const ClusterWorker& worker : cluster.workers) all.push_back(worker.id);
  const auto same =
      table.value().reaction(all, state_bytes(profile), holders_of(now), &now).value();
  CHECK(same.bytes == 0);
  CHECK(same.plan == table.value().plan(12));
  all.emplace_back(77);
  const auto more =
      table.value().reaction(all, state_bytes(profile), holders_of(now), &now).value();
  CHECK(more.bytes == 0);
  CHECK(more.plan.idle_workers.back() == WorkerId{77});
}

TEST_CASE("a table is refused for workers that differ and for none that fit", "[unit]") {
  const Profile profile = gpt_cases::gpt(2);
  const auto sentence = [&](const Cluster& cluster, int survive) {
    BestPlanRequest request = request_of(profile, cluster);
    request.survive = survive;
    const auto table = PlanTable::of(request);
    REQUIRE_FALSE(table.ok());
    return table.fault().sentence;
  };
  CHECK(sentence(gpt_cases::one_slow(7, memory_bytes), 0) ==
        "cluster: workers 0 and 3 differ, must be alike");
  Cluster zones = identical_workers(12, memory_bytes);
  zones.workers[4].zone = "elsewhere";
  CHECK(sentence(zones, 1) == "cluster: workers 0 and 4 differ, must be alike");
  CHECK(PlanTable::of(request_of(profile, zones)).ok());
  CHECK(sentence(identical_workers(2, memory_bytes), 0).starts_with("nothing fits"));
  const Cluster cluster = identical_workers(6, memory_bytes);
  const auto table = PlanTable::of(request_of(profile, cluster)).value();
  const auto reaction = table.reaction({WorkerId{0}}, state_bytes(profile), {});
  REQUIRE_FALSE(reaction.ok());
  CHECK(reaction.fault().sentence == "workers: 1, must be at least 4: nothing fits on fewer");
}

TEST_CASE("a table that may not take longer has the plans for most workers", "[unit]") {
  const Profile profile = gpt_cases::gpt(2);
  const Cluster cluster = identical_workers(12, memory_bytes);
  int asked = 0;
  const auto table = PlanTable::of(request_of(profile, cluster), [&] { return ++asked < 3; });
  REQUIRE(table.ok());
  CHECK(table.value().workers_max() == 12);
  CHECK(table.value().workers_min() == 10);
}

}  // namespace planaria
