// Numbers and lengths at the limits of what is read, and far beyond.
#include <string>
#include <vector>

#include <fmt/format.h>
#include <catch2/catch.hpp>

#include <planaria/base/json.hpp>
#include <planaria/base/text.hpp>
#include <planaria/model/cluster.hpp>
#include <planaria/model/profile.hpp>
#include <planaria/planner/best_plan.hpp>
#include <planaria/planner/plan.hpp>
#include <planaria/schedule/actions.hpp>

#include "fuzz/readers.hpp"
#include "support/temporary_folder.hpp"

namespace planaria::test {
namespace {

Json layer(int index, double ms, std::int64_t bytes) {
  return {{"name", fmt::format("layer{}", index)},
          {"parameter_bytes", bytes},
          {"state_bytes", bytes},
          {"gradient_bytes", bytes},
          {"boundary_bytes", {bytes}},
          {"activation_bytes", {bytes}},
          {"weight_gradient_bytes", {bytes}},
          {"forward_ms", {ms}},
          {"backward_input_ms", {ms}},
          {"backward_weight_ms", {ms}},
          {"optimizer_ms", ms},
          {"tied_to", nullptr}};
}

Json profile_of(int layers, double ms, std::int64_t bytes) {
  Json all = Json::array();
  for (int i = 0; i < layers; ++i) all.push_back(layer(i, ms, bytes));
  return {{"version", 1},
          {"model", "toy"},
          {"device", "none"},
          {"micro_batch_sizes", {1}},
          {"layers", std::move(all)},
          {"transfer", {{{"bytes", 1}, {"ms", ms}}}}};
}

Json cluster_of(int workers) {
  return to_json(identical_workers(workers, 1'000'000'000'000'000));
}

template <class Value>
std::string sentence_of(const Result<Value>& result) {
  return result.ok() ? "read" : result.fault().sentence;
}

std::string cut_off(const Json& json) {
  const std::string text = json.dump();
  return text.substr(0, text.size() / 2);
}

}  // namespace

TEST_CASE("as many layers, sizes, points and workers are read as the planner takes, and no more") {
  Json profile = profile_of(Profile::layers_max, 1, 1);
  CHECK(profile_from_json(profile, "p.json").ok());
  profile["layers"].push_back(layer(Profile::layers_max, 1, 1));
  CHECK(sentence_of(profile_from_json(profile, "p.json")) ==
        "p.json: layers: 4097, must be at most 4096");

  profile = profile_of(1, 1, 1);
  for (int size = 2; size <= Profile::micro_batch_sizes_max + 1; ++size) {
    profile["micro_batch_sizes"].push_back(size);
  }
  CHECK(sentence_of(profile_from_json(profile, "p.json")) ==
        "p.json: micro_batch_sizes: 65, must be at most 64");
  profile = profile_of(1, 1, 1);
  for (int bytes = 2; bytes <= Profile::transfer_points_max; ++bytes) {
    profile["transfer"].push_back({{"bytes", bytes}, {"ms", 1}});
  }
  CHECK(profile_from_json(profile, "p.json").ok());
  profile["transfer"].push_back({{"bytes", 5000}, {"ms", 1}});
  CHECK(sentence_of(profile_from_json(profile, "p.json")) ==
        "p.json: transfer: 4097, must be at most 4096");

  CHECK(cluster_from_json(cluster_of(Cluster::workers_max), "c.json").ok());
  CHECK(sentence_of(cluster_from_json(cluster_of(Cluster::workers_max + 1), "c.json")) ==
        "c.json: workers: 10001, must be at most 10000");
}

TEST_CASE("a million layers are refused where the list becomes too long, the rest unread") {
  const TemporaryFolder folder;
  const std::string path = folder.file("profile.json");
  // What follows the first layers would be refused otherwise: it is no JSON.
  std::string text = R"({"version": 1, "micro_batch_sizes": [1], "layers": [0)";
  for (std::size_t i = 1; i < json_file_limits.list_max; ++i) text += ",0";
  REQUIRE(write_file_atomically(path, text + "]}").ok());
  const auto just = read_json_file(path);
  REQUIRE(just.ok());
  CHECK(sentence_of(profile_from_json(just.value(), path)).starts_with(path + ": model: missing"));
  REQUIRE(write_file_atomically(path, text + ",0 and so on").ok());
  CHECK(sentence_of(read_json_file(path)) ==
        path + ": layers: more than 20000 elements, must be at most that");
}

TEST_CASE("nothing that may be written overflows in sums over layers and micro-batches") {
  // Layers whose bytes together just go, as large as they may be, on the slowest worker there is.
  constexpr int most_layers = Profile::layers_max;
  const auto largest = profile_from_json(profile_of(most_layers, 1e9, 1'000'000'000'000'000), "p");
  REQUIRE(largest.ok());
  Cluster cluster = identical_workers(2, 1'000'000'000'000'000);
  for (ClusterWorker& worker : cluster.workers) worker.speed = 1e-6;
  BestPlanRequest request;
  request.profile = &largest.value();
  request.cluster = &cluster;
  request.micro_batches = 100'000;
  const auto refused = best_plan(request);
  CHECK(sentence_of(refused) ==
        "layers: parameters and state of 8192000000000000000 bytes together, must be at most "
        "100000000000000000");

  const auto slow = profile_from_json(profile_of(4, 1e9, 1'000'000), "p");
  REQUIRE(slow.ok());
  request.profile = &slow.value();
  const auto best = best_plan(request);
  REQUIRE(best.ok());
  CHECK(best.value().plan.step_ms >= 1e9 * 1e6 * 100'000);
  CHECK(plan_from_json(parse_json(to_json(best.value().plan).dump(), "plan").value(), "plan").ok());
}

TEST_CASE("a model that takes next to no time is planned like any other") {
  const Cluster cluster = identical_workers(2, 1'000'000);
  for (const double ms : {0.0, 5e-324, 1e-322, 3e-321, 2e-320, 1e-310, 1e-300}) {
    Json json = profile_of(3, ms, 0);
    json["layers"][0]["forward_ms"][0] = 3 * ms;
    const auto profile = profile_from_json(json, "p");
    REQUIRE(profile.ok());
    for (const char* const schedule : {"any", "auto", "1f1b", "zb-h1", "zb-h2", "gpipe", "zb-v"}) {
      INFO(ms << " ms, " << schedule);
      BestPlanRequest request;
      request.profile = &profile.value();
      request.cluster = &cluster;
      request.micro_batches = 3;
      if (schedule != std::string("any")) request.schedule = schedule;
      int moves = 20;
      request.keep_going = [&](double) { return moves-- > 0; };
      const auto best = best_plan(request);
      REQUIRE(best.ok());
      CHECK(best.value().plan.step_ms >= 3 * 3 * ms);
      CHECK(std::isfinite(best.value().plan.samples_per_s));
    }
  }
}

TEST_CASE("pipelines too large to be simulated are refused, not tried") {
  const auto profile = profile_from_json(profile_of(300, 1, 1), "p");
  REQUIRE(profile.ok());
  const Cluster cluster = identical_workers(300, 1'000'000'000'000'000);
  BestPlanRequest request;
  request.profile = &profile.value();
  request.cluster = &cluster;
  request.micro_batches = 100'000;
  request.depth = 300;
  CHECK(sentence_of(best_plan(request)) ==
        "depth: 300, must be lower: 100000 micro-batches of 300 stages in a pipeline are more than "
        "20000000");

  Plan plan;
  plan.micro_batches = 1'000'000;
  plan.micro_batch_size = 1;
  plan.schedule = "gpipe";
  PlannedPipeline& pipeline = plan.pipelines.emplace_back();
  pipeline.micro_batches = plan.micro_batches;
  for (int i = 0; i < 300; ++i) {
    pipeline.stages.push_back({{LayerId{i}, LayerId{i}}, WorkerId{i}, false, 0, ""});
  }
  CHECK(sentence_of(cost_of(plan, profile.value(), cluster)) ==
        "pipelines[0]: 300 stages of 1000000 micro-batches, must be at most 20000000 in all");
}

TEST_CASE("a short schedule does not name more stages than tables hold") {
  std::string text = "# placement: loop\n0: 999F0\n";
  for (int rank = 1; rank < 1000; ++rank) text += fmt::format("{}:\n", rank);
  CHECK(schedule_from_text(text, "s.txt").ok());
  CHECK(sentence_of(schedule_from_text(text + "1000:\n", "s.txt")) ==
        "s.txt: 1001 ranks of 1000 chunks, must be at most 1000000 stages in all");
}

TEST_CASE("half of any file is refused with its name", "[unit]") {
  for (const Json& json : {profile_of(2, 1, 1), cluster_of(2)}) {
    CHECK(sentence_of(parse_json(cut_off(json), "half.json"))
              .starts_with("half.json: not JSON at byte "));
  }
}

}  // namespace planaria::test
