// `planaria schedule` with files: costs, plans, jitter, pictures, a second schedule.
#include <catch2/catch.hpp>

#include <cmath>

#include <planaria/schedule/builders.hpp>
#include <planaria/schedule/simulate.hpp>

#include "cli/schedule_cases.hpp"

namespace planaria::test {
namespace {

using Story = ScheduleStory;

Json stage(double forward_ms, double backward_input_ms, double backward_weight_ms, double send_ms,
           int activation_bytes) {
  return {{"forward_ms", forward_ms},
          {"backward_input_ms", backward_input_ms},
          {"backward_weight_ms", backward_weight_ms},
          {"send_ms", send_ms},
          {"activation_bytes", activation_bytes},
          {"weight_gradient_bytes", 2}};
}

Json layer(const std::string& name, double ms) {
  return {{"name", name},
          {"parameter_bytes", 400},
          {"state_bytes", 800},
          {"gradient_bytes", 400},
          {"boundary_bytes", {1000, 2000}},
          {"activation_bytes", {100, 200}},
          {"weight_gradient_bytes", {10, 20}},
          {"forward_ms", {ms, 2 * ms}},
          {"backward_input_ms", {ms + 0.25, 2 * ms}},
          {"backward_weight_ms", {ms + 0.5, 3 * ms}},
          {"optimizer_ms", 0.25},
          {"tied_to", nullptr}};
}

Json profile() {
  return {{"version", 1},
          {"model", "toy"},
          {"device", "cpu x 1 thread"},
          {"micro_batch_sizes", {1, 2}},
          {"layers", {layer("a", 1), layer("b", 0.5), layer("c", 1.5)}},
          {"transfer", {{{"bytes", 1000}, {"ms", 0.25}}, {{"bytes", 3000}, {"ms", 0.75}}}}};
}

Json plan() {
  return {{"version", 1},
          {"micro_batches", 10},
          {"micro_batch_size", 2},
          {"schedule", "zb-h1"},
          {"pipelines",
           {{{"micro_batches", 6},
             {"stages",
              {{{"first_layer", 0}, {"last_layer", 1}, {"worker", 4}},
               {{"first_layer", 2}, {"last_layer", 2}, {"worker", 2}}}}},
            {{"micro_batches", 4},
             {"stages",
              {{{"first_layer", 0}, {"last_layer", 2}, {"worker", 3}, {"recompute", true}}}}}}}};
}

Json cluster() {
  const auto worker = [](int id, const char* zone, double speed) {
    return Json{{"id", id},
                {"zone", zone},
                {"host", "h" + std::to_string(id)},
                {"memory_bytes", 1000},
                {"speed", speed}};
  };
  const auto link = [](double latency_ms, double gigabytes_per_s) {
    return Json{{"latency_ms", latency_ms}, {"gigabytes_per_s", gigabytes_per_s}};
  };
  return {
      {"version", 1},
      {"workers", {worker(2, "a", 2), worker(3, "a", 1), worker(4, "b", 0.5)}},
      {"links",
       {{"same_host", link(0, 100)}, {"same_zone", link(1, 100)}, {"cross_zone", link(2, 0.002)}}}};
}

double makespan_of(const std::string& kind, PipelineShape shape,
                   const std::vector<StageCosts>& costs) {
  return simulate(build_schedule(kind, shape).value(), costs).value().makespan_ms;
}

}  // namespace

TEST_CASE("uneven stages come from a costs file, which says how many there are") {
  const Story story;
  Json costs = {{"version", 1}, {"stages", {stage(1, 2, 3, 0.5, 10), stage(2, 1, 1, 0.25, 20)}}};
  const std::string file = story.write_json("costs.json", costs);
  const Json json = Story::json({"--kind", "zb-h1", "--micro-batches", "5", "--costs", file});
  CHECK(json["stages"] == 2);
  CHECK(json["makespan_ms"].get<double>() ==
        makespan_of("zb-h1", {2, 5}, {{1, 2, 3, 0.5}, {2, 1, 1, 0.25}}));
  CHECK(json["ranks"][1]["peak_memory_bytes"] == 22);
  CHECK(Story::refused(shape("zb-h1", 3, 5, {"--costs", file})) ==
        file + ": stages: 2, must be 3: --stages 3 of 1 chunks");
  costs["stages"][1]["memory_limit_bytes"] = 21;
  story.write_json("costs.json", costs);
  CHECK(
      Story::refused({"--kind", "zb-h1", "--micro-batches", "5", "--costs", file}, 1)
          .starts_with("zb-h1, 2 stages, 5 micro-batches: rank 1 holds 22 bytes at its peak, must "
                       "be at most 21: a limit of 22 would do; "));
  CHECK(Story::refused({"--kind", "zb-h1", "--micro-batches", "5", "--costs", file,
                        "--memory-limit-bytes", "99"}) ==
        "--memory-limit-bytes: not with limits in " + file);
  costs["stages"][1] = stage(1, 1, -1, 0, 0);
  story.write_json("costs.json", costs);
  CHECK(Story::refused({"--kind", "gpipe", "--micro-batches", "5", "--costs", file}) ==
        file + ": stages[1].backward_weight_ms: -1.0, must be a number from 0 to 1000000000");
  costs["stages"][1] = {{"forward_ms", 1}, {"speed", 2}};
  story.write_json("costs.json", costs);
  CHECK(Story::refused({"--kind", "gpipe", "--micro-batches", "5", "--costs", file}) ==
        file + ": stages[1].backward_input_ms: missing, must be a number from 0 to 1000000000");
  // Two chunks a rank: four stages are two ranks, three are none.
  costs["stages"] = Json::array({stage(1, 1, 1, 0, 1), stage(1, 1, 1, 0, 1), stage(1, 1, 1, 0, 1)});
  story.write_json("costs.json", costs);
  CHECK(Story::refused({"--kind", "zb-v", "--micro-batches", "5", "--costs", file}) ==
        file + ": stages: 3, must be a multiple of 2, the chunks a rank has");
  costs["stages"].push_back(stage(1, 1, 1, 0, 1));
  story.write_json("costs.json", costs);
  CHECK(Story::json({"--kind", "zb-v", "--micro-batches", "5", "--costs", file})["stages"] == 2);
}

TEST_CASE("a plan's stages cost what the profile's layers sum to") {
  const Story story;
  const std::vector<std::string> files{"--profile", story.write_json("profile.json", profile()),
                                       "--plan", story.write_json("plan.json", plan())};
  // Kind and micro-batches are the plan's. 2000 bytes take 0.5 ms by the profile's transfer.
  const Json json = Story::json(files);
  CHECK(json["kind"] == "zb-h1");
  CHECK(json["micro_batches"] == 6);
  CHECK(json["makespan_ms"].get<double>() ==
        makespan_of("zb-h1", {2, 6}, {{3, 3, 4.5, 0.5}, {3, 3, 4.5, 0.5}}));
  CHECK(json["ranks"][1]["peak_memory_bytes"] == 200 + 20);
  // Speeds divide, and the link between the zones takes 2 ms and a second for 2 MB.
  auto with_cluster = files;
  with_cluster.insert(with_cluster.end(),
                      {"--cluster", story.write_json("cluster.json", cluster())});
  CHECK(Story::json(with_cluster)["makespan_ms"].get<double>() ==
        makespan_of("zb-h1", {2, 6}, {{6, 6, 9, 3}, {1.5, 1.5, 2.25, 3}}));
  auto other_kind = files;
  other_kind.insert(other_kind.end(), {"--kind", "gpipe", "--micro-batches", "3"});
  CHECK(Story::json(other_kind)["makespan_ms"].get<double>() ==
        makespan_of("gpipe", {2, 3}, {{3, 3, 4.5, 0.5}, {3, 3, 4.5, 0.5}}));
}

TEST_CASE("a stage that recomputes runs F again when its gradient is there") {
  const Story story;
  std::vector<std::string> arguments{"--profile",  story.write_json("profile.json", profile()),
                                     "--plan",     story.write_json("plan.json", plan()),
                                     "--kind",     "1f1b",
                                     "--pipeline", "1"};
  Json json = Story::json(arguments);
  CHECK(json["stages"] == 1);
  CHECK(json["micro_batches"] == 4);
  CHECK(json["ranks"][0]["actions"] == "F0 R0 G0 F1 R1 G1 F2 R2 G2 F3 R3 G3");
  CHECK(json["makespan_ms"] == 4 * (6 + 6 + 6 + 9));
  CHECK(json["ranks"][0]["peak_memory_bytes"] == 600);  // the first stage keeps no boundary
  // The second of two stages: its input's boundary, and R after the gradient as a longer B.
  Json deep = plan();
  deep["pipelines"][0]["stages"][0]["recompute"] = true;
  arguments = {"--profile", story.file("profile.json"),
               "--plan",    story.write_json("plan.json", deep),
               "--kind",    "1f1b"};
  json = Story::json(arguments);
  CHECK(json["makespan_ms"].get<double>() ==
        makespan_of("1f1b", {2, 6}, {{3, 3 + 3, 4.5, 0.5}, {3, 3, 4.5, 0.5}}));
  deep["pipelines"][0]["stages"][0]["recompute"] = false;
  deep["pipelines"][0]["stages"][1]["recompute"] = true;
  story.write_json("plan.json", deep);
  CHECK(Story::json(arguments)["ranks"][1]["peak_memory_bytes"] == 2000 + 200);
}

TEST_CASE("what a plan and its files do not agree on is told") {
  const Story story;
  const std::string plan_file = story.file("plan.json");
  const std::string profile_file = story.write_json("profile.json", profile());
  const std::string cluster_file = story.file("cluster.json");
  const auto refuse = [&](const Json& with, const std::vector<std::string>& others = {}) {
    story.write_json("plan.json", with);
    std::vector<std::string> arguments{"--profile", profile_file, "--plan", plan_file};
    arguments.insert(arguments.end(), others.begin(), others.end());
    return Story::refused(arguments);
  };
  CHECK(refuse(plan(), {"--pipeline", "2"}) ==
        "--pipeline: 2, must be below 2, the pipelines of " + plan_file);
  CHECK(refuse(plan(), {"--stages", "3"}) ==
        plan_file + ": stages: 2, must be 3: --stages 3 of 1 chunks");
  Json spoilt = plan();
  spoilt["micro_batch_size"] = 3;
  CHECK(refuse(spoilt) ==
        plan_file + ": micro_batch_size: 3, must be one of 1, 2, as " + profile_file + " has");
  spoilt.erase("micro_batch_size");
  CHECK(refuse(spoilt) == plan_file + ": micro_batch_size: missing, must be one of 1, 2");
  spoilt = plan();
  spoilt["pipelines"][0]["stages"][1]["first_layer"] = 1;
  CHECK(refuse(spoilt) == plan_file +
                              ": pipelines[0].stages[1].first_layer: 1, must be 2, the layer that "
                              "follows");
  spoilt = plan();
  spoilt["pipelines"][0]["stages"][1]["last_layer"] = 3;
  CHECK(refuse(spoilt) == plan_file + ": pipelines[0].stages[1].last_layer: 3, must be 2 to 2");
  spoilt = plan();
  spoilt.erase("schedule");
  CHECK(refuse(spoilt) == plan_file + ": schedule: missing, must be there, or --kind given");
  spoilt["schedule"] = "fast";
  CHECK(refuse(spoilt).starts_with(plan_file + ": schedule: fast, must be one of gpipe, "));
  CHECK(refuse(plan(), {"--kind", "zb-v"}) ==
        plan_file +
            ": pipelines[0].stages[1].worker: 2, must be 4, the worker of stage 0: chunks of one "
            "rank");
  Json few = cluster();
  few["workers"].erase(0);
  story.write_json("cluster.json", few);
  CHECK(refuse(plan(), {"--cluster", cluster_file}) ==
        plan_file + ": pipelines[0].stages[1].worker: 2, must be one of " + cluster_file);
}

TEST_CASE("jitter is drawn from measured factors, the same for the same seed") {
  const Story story;
  const std::string file =
      story.write_json("jitter.json", Json{{"version", 1}, {"compute", {1, 1.5}}, {"send", {1}}});
  const auto makespan = [&](const std::string& seed) {
    const Json json = Story::json(shape("1f1b", 4, 16, {"--jitter", file, "--seed", seed}));
    CHECK(json["bound_ms"].is_null());
    return json["makespan_ms"].get<double>();
  };
  CHECK(makespan("1") == makespan("1"));
  CHECK(makespan("1") != makespan("2"));
  CHECK(makespan("1") > 57);
  CHECK(makespan("1") < 1.5 * 57);
  story.write_json("jitter.json", Json{{"version", 1}, {"compute", {2}}});
  CHECK(makespan("7") == 2 * 57);
  story.write_json("jitter.json", Json{{"version", 1}, {"compute", {1, 0}}});
  CHECK(Story::refused(shape("1f1b", 4, 16, {"--jitter", file})) ==
        file + ": compute[1]: 0, must be a number above 0, at most 1000000");
}

TEST_CASE("pictures are written whole, with a second schedule beside the first") {
  const Story story;
  const auto drawn = [&](const std::vector<std::string>& others) {
    std::vector<std::string> arguments{"--svg", story.file("s.svg"), "--html",
                                       story.file("s.html")};
    arguments.insert(arguments.end(), others.begin(), others.end());
    const CommandResult ended = Story::run(shape("1f1b", 2, 4, arguments));
    INFO(ended.err);
    CHECK(ended.status == 0);
    CHECK(read_file(story.file("s.html")).value().starts_with("<!DOCTYPE html>"));
    return std::pair(read_file(story.file("s.svg")).value(), ended.out);
  };
  auto [svg, out] = drawn({});
  CHECK(svg.starts_with("<?xml"));
  CHECK_THAT(svg, Catch::Contains("1f1b, 2 stages, 4 micro-batches") &&
                      Catch::Contains("rank 1, F3: 10 to 11 ms"));
  // Half the costs in each of zb-v's chunks: the same 12 ms of work a rank.
  std::tie(svg, out) = drawn({"--compare", "zb-v"});
  CHECK_THAT(svg, Catch::Contains("zb-v, 2 stages, 4 micro-batches"));
  CHECK_THAT(out,
             Catch::Contains("# zb-v, 2 stages, 4 micro-batches: makespan 12.5 ms, bubble 0 %, "
                             "bound 12.5 ms (reached)\n"));
  CHECK_THAT(out, Catch::EndsWith("\n1: F0 G0 F1 G1 F2 G2 F3 G3\n"));  // the first's text alone
  const std::string file = story.write("a<b.txt",
                                       "0: F0 F1 F2 F3 G0 G1 G2 G3\n"
                                       "1: F0 F1 F2 F3 G0 G1 G2 G3\n");
  std::tie(svg, out) = drawn({"--compare", file});
  CHECK_THAT(svg, Catch::Contains("a&lt;b.txt, 2 stages") && !Catch::Contains("a<b"));
  CHECK(story.files() == 3);  // nothing half-written is left

  story.write("a<b.txt", "0: F0 G0\n1: F0 G0\n");
  CHECK(Story::refused(shape("1f1b", 2, 4, {"--compare", file})) ==
        file + ": 2 stages and 1 micro-batches, must be 2 and 4 to be compared");
  story.write("a<b.txt", "0: F0 F1 F2 F3 G0 G1 G2 G3\n1: F0 F1 F2 F3 G0 G1 G2\n");
  CHECK(Story::refused(shape("1f1b", 2, 4, {"--compare", file}), 1) == file + ": rank 1 misses G3");
  CHECK(Story::refused(shape("1f1b", 2, 4, {"--compare", "no-such"}))
            .starts_with("--compare: no-such, must be a file or one of gpipe, "));
  CHECK(Story::refused(shape("1f1b", 2, 4, {"--svg", story.file("no/s.svg")})) ==
        story.file("no/s.svg") + ": cannot be written: No such file or directory");
}

TEST_CASE("a schedule that does not fit leaves no pictures") {
  const Story story;
  const CommandResult ended =
      Story::run(shape("gpipe", 2, 4,
                       {"--activation-bytes", "10", "--memory-limit-bytes", "9", "--svg",
                        story.file("s.svg"), "-o", story.file("s.txt")}));
  CHECK(ended.status == 1);
  CHECK(story.files() == 0);
}

}  // namespace planaria::test
