// `planaria plan` says what the library chooses, and refuses what cannot be read or asked.
#include <catch2/catch.hpp>

#include <cstdint>
#include <fstream>
#include <map>
#include <string>
#include <utility>
#include <vector>

#include <fmt/format.h>

#include <planaria/base/json.hpp>
#include <planaria/base/text.hpp>
#include <planaria/planner/best_plan.hpp>

#include "support/command.hpp"
#include "support/temporary_folder.hpp"

namespace planaria::test {
namespace {

constexpr double gibibyte = 1024.0 * 1024 * 1024;

Json layer(int index, double ms) {
  return {{"name", fmt::format("layer{}", index)},
          {"parameter_bytes", 40'000'000},
          {"state_bytes", 80'000'000},
          {"gradient_bytes", 40'000'000},
          {"boundary_bytes", {1'000'000, 2'000'000}},
          {"activation_bytes", {30'000'000, 60'000'000}},
          {"weight_gradient_bytes", {10'000'000, 20'000'000}},
          {"forward_ms", {ms, 1.8 * ms}},
          {"backward_input_ms", {1.1 * ms, 2 * ms}},
          {"backward_weight_ms", {ms, 1.7 * ms}},
          {"optimizer_ms", 0.5},
          {"tied_to", nullptr}};
}

Json profile_of(int layers) {
  Json all = Json::array();
  for (int i = 0; i < layers; ++i) all.push_back(layer(i, i == 0 ? 1 : 5));
  return {{"version", 1},
          {"model", "toy"},
          {"device", "cpu x 1 thread"},
          {"micro_batch_sizes", {1, 2}},
          {"layers", std::move(all)},
          {"transfer", {{{"bytes", 1000}, {"ms", 0.1}}, {{"bytes", 100'000'000}, {"ms", 60.0}}}}};
}

struct Story {
  TemporaryFolder folder;
  std::string write(const std::string& name, const std::string& text) const {
    const std::string path = (folder.path() / name).string();
    std::ofstream(path) << text;
    return path;
  }
  std::string write(const std::string& name, const Json& json) const {
    return write(name, json.dump());
  }
};

CommandResult planaria_ends(std::vector<std::string> arguments) {
  arguments.insert(arguments.begin(), program("planaria"));
  return run_command(arguments);
}

CommandResult plan_ends(const std::string& profile, std::vector<std::string> arguments) {
  std::vector<std::string> all{"plan", "--profile", profile};
  all.insert(all.end(), arguments.begin(), arguments.end());
  return planaria_ends(all);
}

const std::vector<std::string> four_workers{"--workers",       "4", "--memory-gib", "4",
                                            "--micro-batches", "8"};

std::vector<std::string> with(std::vector<std::string> arguments,
                              const std::vector<std::string>& more) {
  arguments.insert(arguments.end(), more.begin(), more.end());
  return arguments;
}

}  // namespace

TEST_CASE("the plan printed is the library's, and what the file holds") {
  const Story story;
  const Json profile_json = profile_of(8);
  const std::string path = story.write("profile.json", profile_json);
  const std::string output = (story.folder.path() / "plan.json").string();
  const CommandResult ended =
      plan_ends(path, with(four_workers, {"--survive", "1", "--schedule", "1f1b", "--json"}));
  REQUIRE(ended.status == 0);
  CHECK(ended.err.empty());
  const Json printed = Json::parse(ended.out);
  CHECK(printed.at("search").at("ms").get<double>() >= 0);

  const Profile profile = profile_from_json(profile_json, "profile.json").value();
  const Cluster cluster = identical_workers(4, static_cast<std::int64_t>(4 * gibibyte));
  BestPlanRequest request;
  request.profile = &profile;
  request.cluster = &cluster;
  request.micro_batches = 8;
  request.survive = 1;
  request.schedule = "1f1b";
  const Plan plan = best_plan(request).value().plan;
  Json expected = to_json(plan);
  expected["search"] = printed.at("search");
  CHECK(printed == expected);
  CHECK(printed.at("search").at("candidates") == plan.candidates);

  const CommandResult written = plan_ends(
      path, with(four_workers, {"--survive", "1", "--schedule", "1f1b", "--json", "-o", output}));
  CHECK(written.status == 0);
  CHECK(written.out.empty());
  Json file = Json::parse(read_file(output).value());
  file["search"] = printed.at("search");
  CHECK(file == printed);
}

TEST_CASE("a plan is read by planaria schedule, and its own actions are proven") {
  const Story story;
  const std::string profile = story.write("profile.json", profile_of(8));
  const std::string output = (story.folder.path() / "plan.json").string();
  REQUIRE(plan_ends(profile, with(four_workers, {"--schedule", "zb-h1", "--width", "1", "--depth",
                                                 "4", "--json", "-o", output}))
              .status == 0);
  const CommandResult schedule =
      planaria_ends({"schedule", "--profile", profile, "--plan", output, "--json"});
  REQUIRE(schedule.status == 0);
  CHECK(Json::parse(schedule.out).at("kind") == "zb-h1");

  const CommandResult automatic =
      plan_ends(profile, with(four_workers, {"--schedule", "auto", "--search-ms", "5", "--json"}));
  REQUIRE(automatic.status == 0);
  const Json plan = Json::parse(automatic.out);
  std::string text;
  int rank = 0;
  for (const Json& stage : plan.at("pipelines").at(0).at("stages")) {
    text += fmt::format("{}: {}\n", rank++, stage.at("actions").get<std::string>());
  }
  CHECK(planaria_ends({"schedule", "--check", story.write("actions.txt", text)}).status == 0);
}

TEST_CASE("the answer comes first, then pipelines, shadows and the rest") {
  const Story story;
  const std::string profile = story.write("profile.json", profile_of(8));
  const CommandResult ended =
      plan_ends(profile, with(four_workers, {"--micro-batch-size", "1", "--width", "1", "--depth",
                                             "3", "--survive", "1", "--explain"}));
  REQUIRE(ended.status == 0);
  INFO(ended.out);
  CHECK(ended.out.starts_with("1 pipeline x 3 stages by "));
  CHECK(ended.out.find("survives any 1 loss") != std::string::npos);
  CHECK(ended.out.find("\n  layers  ") != std::string::npos);
  CHECK(ended.out.find("\n  workers ") != std::string::npos);
  CHECK(ended.out.find(" shadows ") != std::string::npos);
}

TEST_CASE("a cluster's speeds, zones and memories are heeded") {
  const Story story;
  const std::string profile = story.write("profile.json", profile_of(8));
  Json workers = Json::array();
  for (int id = 0; id < 4; ++id) {
    workers.push_back({{"id", 10 + id},
                       {"zone", id < 2 ? "a" : "b"},
                       {"host", fmt::format("h{}", id)},
                       {"memory_bytes", id == 3 ? 1000 : 4'000'000'000},
                       {"speed", id == 0 ? 1.0 : 2.0}});
  }
  const Json link = {{"latency_ms", 0.1}, {"gigabytes_per_s", 1.0}};
  const Json cluster = {
      {"version", 1},
      {"workers", workers},
      {"links", {{"same_host", link}, {"same_zone", link}, {"cross_zone", link}}}};
  const CommandResult ended = plan_ends(profile, {"--cluster", story.write("cluster.json", cluster),
                                                  "--micro-batches", "8", "--json"});
  REQUIRE(ended.status == 0);
  const Json plan = Json::parse(ended.out);
  CHECK(plan.at("idle_workers") == Json::array({13}));
}

TEST_CASE("nothing that fits ends with status 1 and what would be enough") {
  const Story story;
  const std::string profile = story.write("profile.json", profile_of(8));
  const CommandResult ended = plan_ends(
      profile, {"--workers", "2", "--memory-gib", "0.5", "--micro-batches", "8", "--json"});
  CHECK(ended.status == 1);
  CHECK(ended.out.empty());
  INFO(ended.err);
  CHECK(
      ended.err.starts_with("planaria: nothing fits: 8 layers in micro-batches of any size on 2 "
                            "workers; enough would be "));
  CHECK(ended.err.find(" workers like those there are, in place of 2\n") != std::string::npos);
  const CommandResult slow =
      plan_ends(profile, with(four_workers, {"--min-throughput", "1000000"}));
  CHECK(slow.status == 1);
  CHECK(slow.err.starts_with("planaria: --min-throughput: 1000000 samples a second, the best "));
}

TEST_CASE("bad input of a plan gets one sentence and status 2") {
  const Story story;
  const std::string good = story.write("profile.json", profile_of(3));
  const auto refused = [&](const std::string& profile, const std::vector<std::string>& arguments) {
    const CommandResult ended = plan_ends(profile, arguments);
    CHECK(ended.status == 2);
    CHECK(ended.out.empty());
    CHECK(std::count(ended.err.begin(), ended.err.end(), '\n') == 1);
    return ended.err.substr(0, ended.err.size() - 1);
  };
  CHECK(refused(good, {"--micro-batches", "8"}) ==
        "planaria: --cluster: missing, must say which workers there are: --cluster FILE, or "
        "--workers N and --memory-gib G");
  CHECK(refused(good, {"--micro-batches", "8", "--workers", "2"}) ==
        "planaria: --memory-gib: missing, must say which workers there are: --cluster FILE, or "
        "--workers N and --memory-gib G");
  CHECK(refused(good, with(four_workers, {"--lane-size", "some"})) ==
        "planaria: --lane-size: some, must be any or a whole number from 1 to 100000");
  CHECK(refused(good, with(four_workers, {"--micro-batch-size", "3"})) ==
        "planaria: --micro-batch-size: 3, must be one of 1, 2");
  CHECK(refused(good, with(four_workers, {"--schedule", "fast"}))
            .starts_with("planaria: --schedule: fast, must be any or one of gpipe, 1f1b, "));
  CHECK(refused(good, with(four_workers, {"--depth", "4"})) ==
        "planaria: --depth: 4, must be at most 3, the number of layers");
  for (const auto& [option, value] :
       std::vector<std::pair<std::string, std::string>>{{"--workers", "0"},
                                                        {"--workers", "10001"},
                                                        {"--memory-gib", "nan"},
                                                        {"--memory-gib", "1e308"},
                                                        {"--micro-batches", "100001"},
                                                        {"--micro-batches", "99999999999999999999"},
                                                        {"--lane-size", "-1"},
                                                        {"--survive", "-1"},
                                                        {"--min-throughput", "inf"},
                                                        {"--width", "0"}}) {
    std::map<std::string, std::string> asked{
        {"--workers", "2"}, {"--memory-gib", "4"}, {"--micro-batches", "8"}};
    asked[option] = value;
    std::vector<std::string> arguments;
    for (const auto& [name, given] : asked) arguments.insert(arguments.end(), {name, given});
    CHECK(refused(good, arguments).starts_with("planaria: " + option + ": "));
  }
  CHECK(refused("/nowhere.json", four_workers).starts_with("planaria: /nowhere.json: "));

  const auto changed = [&](const auto& change) {
    Json profile = profile_of(3);
    change(profile);
    const std::string path = story.write("bad.json", profile);
    return refused(path, four_workers).substr(("planaria: " + path + ": ").size());
  };
  CHECK(changed([](Json& json) { json["layers"][1]["forward_ms"][0] = -1; }) ==
        "layers[1].forward_ms[0]: -1, must be a number from 0 to 1000000000");
  CHECK(changed([](Json& json) { json["layers"][2]["activation_bytes"] = {1}; }) ==
        "layers[2].activation_bytes: 1 numbers, must be 2, one for each of micro_batch_sizes");
  CHECK(changed([](Json& json) { json["layers"][2]["tied_to"] = "nobody"; }) ==
        "layers[2].tied_to: nobody, must be the name of a layer before it");
  CHECK(changed([](Json& json) { json["version"] = 2; }).starts_with("version: 2, must be "));
  CHECK(changed([](Json& json) { json["layers"] = Json::array(); }) ==
        "layers: none, must be at least 1");
  CHECK(changed([](Json& json) { json["extra"] = 1; }) == "extra: unknown key");
  CHECK(changed([](Json& json) { json["layers"] = Json(5000, 0); }) ==
        "layers: 5000, must be at most 4096");
  CHECK(changed([](Json& json) { json["layers"] = Json(1'000'000, 0); }) ==
        "layers: more than 20000 elements, must be at most that");
  CHECK(
      changed([](Json& json) { json["layers"][0]["parameter_bytes"] = std::uint64_t{1} << 63; }) ==
      "layers[0].parameter_bytes: 9223372036854775808, must be a whole number from 0 to "
      "1000000000000000");
  const auto written = [&](std::string text, const std::string& number, const std::string& other) {
    text.replace(text.find(number), number.size(), other);
    const std::string path = story.write("bad.json", text);
    return refused(path, four_workers).substr(("planaria: " + path + ": ").size());
  };
  const std::string text = profile_of(3).dump();
  CHECK(written(text, "\"optimizer_ms\":0.5", "\"optimizer_ms\":NaN")
            .find(", near layers[0].optimizer_ms: ") != std::string::npos);
  CHECK(written(text, "\"optimizer_ms\":0.5", "\"optimizer_ms\":1e308") ==
        "layers[0].optimizer_ms: 1e+308, must be a number from 0 to 1000000000");
  CHECK(written(text, "\"optimizer_ms\":0.5", "\"optimizer_ms\":1e400")
            .starts_with("layers[0].optimizer_ms: "));
  CHECK(written(text, "\"optimizer_ms\":0.5", "\"optimizer_ms\":0.5,\"optimizer_ms\":1") ==
        "layers[0].optimizer_ms: must not be there twice");
  CHECK(written(text, "\"optimizer_ms\":0.5", "\"optimizer_ms\":" + std::string(100'000, '['))
            .ends_with(": nested deeper than 64 levels"));
  const std::string cut = story.write("cut.json", text.substr(0, 200));
  CHECK(
      refused(cut, four_workers).starts_with("planaria: " + cut + ": not JSON at byte 201, near "));
  const std::string empty =
      story.write("none.json", Json{{"version", 1}, {"workers", Json::array()}});
  CHECK(refused(good, {"--cluster", empty, "--micro-batches", "8"}) ==
        "planaria: " + empty + ": workers: none, must be at least 1");
}

}  // namespace planaria::test
