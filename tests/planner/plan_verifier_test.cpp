// Plans whose cost is worked out by hand, line by line. Layers as plan_cases.hpp has them: F 1, B
// 2, W 3, optimizer 0.5 ms; 10 bytes or fewer 1 ms, more in proportion.
#include "planner/plan_verifier.hpp"

#include <catch2/catch.hpp>

#include "planner/plan_cases.hpp"

namespace planaria {
namespace {

using plan_cases::alike_layers;
using plan_cases::plan_of;
using plan_cases::stage;
using Peaks = std::vector<std::vector<std::int64_t>>;

Cluster workers(int count) {
  return identical_workers(count, 1'000'000);
}

}  // namespace

TEST_CASE("one worker: its actions one after another, then its optimizer", "[unit]") {
  // Two layers: F 2, B 4, W 6, so three micro-batches take 36 and the optimizer 1.
  const Profile profile = alike_layers(2);
  const auto cost = [&](const std::string& kind, double speed) {
    Cluster cluster = workers(1);
    cluster.workers[0].speed = speed;
    return verified_cost(plan_of(kind, {{3, {stage(0, 1, 0)}}}), profile, cluster);
  };
  CHECK(cost("1f1b", 1).step_ms == 37);
  CHECK(cost("zb-h1", 1).step_ms == 37);
  CHECK(cost("gpipe", 2).step_ms == 18.5);
  CHECK(cost("1f1b", 1).survives == 0);
  // Parameters and state 60, gradients 20 x b(3) = 60, activations of one micro-batch 200. No cut.
  CHECK(cost("1f1b", 1).peak_memory_bytes == Peaks{{320}});
  CHECK(cost("zb-h1", 1).peak_memory_bytes == Peaks{{320}});
  CHECK(cost("gpipe", 1).peak_memory_bytes == Peaks{{720}});  // three in flight
}

TEST_CASE("two stages, two micro-batches: sends are waited for, once each way", "[unit]") {
  // 1f1b, sends of 1:            rank 0: F0 0-1, F1 1-2, G0 9-14 (from 8 + 1), G1 15-20
  //                              rank 1: F0 2-3, G0 3-8, F1 8-9, G1 9-14
  const Profile profile = alike_layers(2);
  const std::vector<PlannedPipeline> pipelines{{2, {stage(0, 0, 0), stage(1, 1, 1)}}};
  const VerifiedCost fused = verified_cost(plan_of("1f1b", pipelines), profile, workers(2));
  CHECK(fused.step_ms == 20.5);
  // 30 + gradient 10 x b(2) = 20, one boundary 4, and two or one micro-batches of 100.
  CHECK(fused.peak_memory_bytes == Peaks{{254, 154}});
  // zb-h1: rank 0: F0 0-1, F1 1-2, B0 6-8, W0 8-11, B1 11-13, W1 13-16
  //        rank 1: F0 2-3, B0 3-5, F1 5-6, B1 6-8, W0 8-11, W1 11-14
  const VerifiedCost split = verified_cost(plan_of("zb-h1", pipelines), profile, workers(2));
  CHECK(split.step_ms == 16.5);
  // Rank 1 has W0's 7 beside the second micro-batch.
  CHECK(split.peak_memory_bytes == Peaks{{254, 161}});
}

TEST_CASE("two pipelines: every layer is reduced between them, the last first", "[unit]") {
  // Shares 3 and 1 of F+B+W = 12: compute ends at 36 and 12. Layer 1: 36-37, layer 0: 37-38, and
  // the optimizer 1. A gradient of 10 takes 2 x 1/2 x 1.
  const Profile profile = alike_layers(2);
  const Plan plan = plan_of("1f1b", {{3, {stage(0, 1, 0)}}, {1, {stage(0, 1, 1)}}});
  Cluster cluster = workers(2);
  const VerifiedCost cost = verified_cost(plan, profile, cluster);
  CHECK(cost.step_ms == 39);
  CHECK(cost.survives == 1);
  // b(3) = 3 and b(1) = 1 partial sums of 20.
  CHECK(cost.peak_memory_bytes == Peaks{{320}, {280}});
  // At half its speed worker 1 computes until 24, which nobody waits for, and its optimizer
  // takes 2.
  cluster.workers[1].speed = 0.5;
  CHECK(verified_cost(plan, profile, cluster).step_ms == 40);
}

TEST_CASE("a tied layer is reduced like any other", "[unit]") {
  Profile profile = alike_layers(2);
  const Plan plan = plan_of("1f1b", {{1, {stage(0, 1, 0)}}, {1, {stage(0, 1, 1)}}});
  const double apart_ms = verified_cost(plan, profile, workers(2)).step_ms;
  profile.layers[1].tied_to = "layer0";
  CHECK(verified_cost(plan, profile, workers(2)).step_ms == apart_ms);
}

TEST_CASE("pipelines cut in different places wait for each other layer by layer", "[unit]") {
  // One micro-batch each, sends of 1.
  //   worker 0, layers 0-1: F 0-2, G 10-20     worker 1, layer 2:    F 3-4, G 4-9
  //   worker 2, layer 0:    F 0-1, G 15-20     worker 3, layers 1-2: F 2-4, G 4-14
  // Layer 2 (10 bytes, 1 ms) between 1 and 3: 14-15. Layer 1 (20 bytes, 2 ms) between 0 and 3:
  // 20-22. Layer 0 (30 bytes, 3 ms) between 0 and 2: 22-25. Worker 0's optimizer: 1.
  Profile profile = alike_layers(3);
  profile.layers[1].gradient_bytes = 20;
  profile.layers[0].gradient_bytes = 30;
  const Plan plan = plan_of(
      "gpipe", {{1, {stage(0, 1, 0), stage(2, 2, 1)}}, {1, {stage(0, 0, 2), stage(1, 2, 3)}}});
  CHECK(verified_cost(plan, profile, workers(4)).step_ms == 26);
  // With an optimizer of 10 on layer 2 worker 3 ends last, at 22 + 10.5, not worker 1 at 15 + 10.
  profile.layers[2].optimizer_ms = 10;
  CHECK(verified_cost(plan, profile, workers(4)).step_ms == 32.5);
}

TEST_CASE("a shadow delays its holder and itself, and keeps parameters, state, gradient",
          "[unit]") {
  // Worker 0: F 0-1, G 9-14. Worker 1: F 2-3, G 3-8. Layer 1 (20 bytes, 2 ms) goes to worker 2 at
  // 8-10; layer 0 to worker 1 at 14-15, then to worker 2 at 15-16. Optimizers: 2 for layer 0, 0.5
  // for layer 1. Worker 0: 16 + 2. Worker 1: 15 + 2.5. Worker 2, at 18.5, only shadows: not
  // counted.
  Profile profile = alike_layers(2);
  profile.layers[1].gradient_bytes = 20;
  profile.layers[0].optimizer_ms = 2;
  Plan plan = plan_of("1f1b", {{1, {stage(0, 0, 0), stage(1, 1, 1)}}});
  plan.shadows = {{WorkerId{2}, {LayerId{0}, LayerId{1}}}, {WorkerId{1}, {LayerId{0}}}};
  Cluster cluster = workers(3);
  const VerifiedCost cost = verified_cost(plan, profile, cluster);
  CHECK(cost.step_ms == 18);
  CHECK(cost.survives == 1);
  // Worker 1: 30 + 20 + boundary 4 + 100 of its own, 40 of layer 0.
  CHECK(cost.peak_memory_bytes == Peaks{{144, 154}});
  CHECK(cost.memory_bytes == std::map<WorkerId, std::int64_t>{
                                 {WorkerId{0}, 144}, {WorkerId{1}, 194}, {WorkerId{2}, 90}});
  // At half its speed worker 1 has G at 4-14, so that worker 0 has its own at 15-20, sends until 21
  // and 22; worker 1 then takes 2.5 / 0.5: 26.
  cluster.workers[1].speed = 0.5;
  CHECK(verified_cost(plan, profile, cluster).step_ms == 26);
}

TEST_CASE("sends to shadows run beside the holder's further reductions", "[unit]") {
  // Compute ends at 12 on both. Layer 1 (50 bytes, 5 ms): 12-17, sent to worker 2 at 17-22. Layer
  // 0: 17-18, not later for that send; sent at 22-23. Worker 0: 23 + 1.
  Profile profile = alike_layers(2);
  profile.layers[1].gradient_bytes = 50;
  Plan plan = plan_of("gpipe", {{1, {stage(0, 1, 1)}}, {1, {stage(0, 1, 0)}}});
  plan.shadows = {{WorkerId{2}, {LayerId{1}, LayerId{0}}}};
  CHECK(verified_cost(plan, profile, workers(3)).step_ms == 24);
  // It is worker 0 that sends. At half its speed it computes until 24: layer 1 24-29, sent 29-34,
  // layer 0 29-30, sent 34-35, and its optimizer takes 2.
  Cluster cluster = workers(3);
  cluster.workers[0].speed = 0.5;
  CHECK(verified_cost(plan, profile, cluster).step_ms == 37);
  CHECK(verified_cost(plan, profile, cluster).survives == 2);
}

TEST_CASE("recompute does forward again before B and keeps the stage's input", "[unit]") {
  // One worker, two micro-batches: F 2 and B+W 10 + 2 each, the optimizer 1.
  const Profile profile = alike_layers(2);
  Plan alone = plan_of("gpipe", {{2, {stage(0, 1, 0)}}});
  alone.pipelines[0].stages[0].recompute = true;
  CHECK(verified_cost(alone, profile, workers(1)).step_ms == 29);
  // 60 + 40, no input on the first stage, one full set.
  CHECK(verified_cost(alone, profile, workers(1)).peak_memory_bytes == Peaks{{300}});

  const auto of = [&](const std::string& kind, int micro_batches) {
    Plan plan = plan_of(kind, {{micro_batches, {stage(0, 0, 0), stage(1, 1, 1)}}});
    plan.pipelines[0].stages[1].recompute = true;
    return verified_cost(plan, profile, workers(2));
  };
  // zb-h1: worker 1: F 2-3, B 3-6, W 6-9; worker 0: B 7-9, W 9-12.
  CHECK(of("zb-h1", 1).step_ms == 12.5);
  // 1f1b: worker 1: F 2-3, G 3-9; worker 0: G 10-15.
  CHECK(of("1f1b", 1).step_ms == 15.5);
  // 30 + 20 + boundary 4 + full set 100, and inputs of 4: two in gpipe; in zb-h1 one and W0's 7,
  // then the 7s of W0 and W1.
  CHECK(of("gpipe", 2).peak_memory_bytes[0][1] == 162);
  CHECK(of("zb-h1", 2).peak_memory_bytes[0][1] == 168);
}

TEST_CASE("links: latency even for nothing, and the slowest pair for a reduction", "[unit]") {
  // Workers 0 and 1 in zone a on two hosts, worker 2 in zone b, worker 3 on worker 0's host.
  // 10 bytes: 1 + 1 ms in a zone, 2 + 2 ms across, 0.5 + 0.5 ms on a host.
  Cluster cluster = workers(4);
  cluster.links = Links{{0.5, 2e-5}, {1, 1e-5}, {2, 5e-6}};
  const std::vector<std::pair<const char*, const char*>> places{
      {"a", "h0"}, {"a", "h1"}, {"b", "h0"}, {"a", "h0"}};
  for (std::size_t i = 0; i < 4; ++i) {
    cluster.workers[i].zone = places[i].first;
    cluster.workers[i].host = places[i].second;
  }
  Profile one = alike_layers(1);
  const auto reduced_ms = [&](const std::vector<int>& holders) {
    std::vector<PlannedPipeline> pipelines;
    pipelines.reserve(holders.size());
    for (const int worker : holders) pipelines.push_back({1, {stage(0, 0, worker)}});
    return verified_cost(plan_of("1f1b", pipelines), one, cluster).step_ms - 6 - 0.5;
  };
  CHECK(reduced_ms({0, 1}) == Approx(2));
  CHECK(reduced_ms({0, 3}) == Approx(1));
  CHECK(reduced_ms({0, 2}) == Approx(4));  // hosts of one name in two zones are not one host
  CHECK(reduced_ms({0, 1, 2}) == Approx(2.0 * 2 / 3 * 4));
  CHECK(reduced_ms({0}) == Approx(0).margin(1e-12));
  one.layers[0].gradient_bytes = 0;
  CHECK(reduced_ms({0, 1, 2}) == Approx(2.0 * 2 / 3 * 2));
  // A cut of 0 bytes, 1 ms each way: F 0-1, F 2-3, G 3-8, G 9-14, as with 4 bytes by the table.
  Profile two = alike_layers(2);
  two.layers[0].boundary_bytes = {0};
  const Plan plan = plan_of("1f1b", {{1, {stage(0, 0, 0), stage(1, 1, 1)}}});
  CHECK(verified_cost(plan, two, cluster).step_ms == 14.5);
  cluster.links.reset();
  CHECK(verified_cost(plan, two, cluster).step_ms == 12.5);
}

TEST_CASE("gradients are kept for as many lanes as a share has", "[unit]") {
  // Five micro-batches in lanes of two: 2 lanes and the short one. Beside 30 + 100: b(2) = 2, b(1)
  // = 1 gradients of 10. In lanes of one b(4) = 3.
  const Profile profile = alike_layers(1);
  Plan plan = plan_of("1f1b", {{4, {stage(0, 0, 0)}}, {1, {stage(0, 0, 1)}}});
  plan.lane_size = 2;
  CHECK(verified_cost(plan, profile, workers(2)).peak_memory_bytes == Peaks{{150}, {140}});
  plan.lane_size = 1;
  CHECK(verified_cost(plan, profile, workers(2)).peak_memory_bytes == Peaks{{160}, {140}});
}

TEST_CASE("numbers are those of the plan's micro-batch size", "[unit]") {
  Profile profile = alike_layers(1);
  profile.micro_batch_sizes = {1, 4};
  profile.layers[0].forward_ms.push_back(5);
  profile.layers[0].backward_input_ms.push_back(6);
  profile.layers[0].backward_weight_ms.push_back(7);
  profile.layers[0].activation_bytes.push_back(300);
  profile.layers[0].weight_gradient_bytes.push_back(0);
  profile.layers[0].boundary_bytes.push_back(9);
  Plan plan = plan_of("1f1b", {{1, {stage(0, 0, 0)}}});
  plan.micro_batch_size = 4;
  CHECK(verified_cost(plan, profile, workers(1)).step_ms == 18.5);
  CHECK(verified_cost(plan, profile, workers(1)).peak_memory_bytes == Peaks{{340}});
}

TEST_CASE("with auto the stages' own actions are played", "[unit]") {
  // Worker 0: F0 0-1, F1 1-2; worker 1: F0 2-3, F1 3-4, B1 4-6, B0 6-8, W0 8-11, W1 11-14; worker
  // 0: G1 7-12 (from 6 + 1), B0 12-14, W0 14-17.
  const Profile profile = alike_layers(2);
  Plan plan = plan_of("auto", {{2, {stage(0, 0, 0), stage(1, 1, 1)}}});
  plan.pipelines[0].stages[0].actions = "F0 F1 G1 B0 W0";
  plan.pipelines[0].stages[1].actions = "F0 F1 B1 B0 W0 W1";
  const VerifiedCost cost = verified_cost(plan, profile, workers(2));
  CHECK(cost.step_ms == 17.5);
  // G1 leaves nothing behind: 30 + 20 + 4 + 200.
  CHECK(cost.peak_memory_bytes == Peaks{{254, 254}});
}

}  // namespace planaria
