// `planaria templates` says what the library finds.
#include <catch2/catch.hpp>

#include <fstream>
#include <set>
#include <string>
#include <vector>

#include <planaria/base/json.hpp>
#include <planaria/base/text.hpp>
#include <planaria/planner/templates.hpp>

#include "support/command.hpp"
#include "support/temporary_folder.hpp"

namespace planaria::test {
namespace {

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

const std::vector<double> times{1, 0.5, 1.5, 0.3, 2.1, 0.7};

/// F, B and W of each layer, for micro-batches of 2.
std::vector<double> layer_ms_of_two() {
  std::vector<double> layer_ms = times;
  for (double& ms : layer_ms) ms = (2 * ms) + (2 * ms) + (3 * ms);
  return layer_ms;
}

Json two_sizes() {
  Json layers = Json::array();
  for (std::size_t i = 0; i < times.size(); ++i) {
    layers.push_back(layer("layer" + std::to_string(i), times[i]));
  }
  return {{"version", 1},
          {"model", "toy"},
          {"device", "cpu x 1 thread"},
          {"micro_batch_sizes", {1, 2}},
          {"layers", std::move(layers)},
          {"transfer", {{{"bytes", 1000}, {"ms", 0.25}}, {{"bytes", 3000}, {"ms", 0.75}}}}};
}

Json one_size() {
  Json profile = two_sizes();
  profile["micro_batch_sizes"] = Json::array({4});
  for (Json& of : profile["layers"]) {
    for (const char* key : {"boundary_bytes", "activation_bytes", "weight_gradient_bytes",
                            "forward_ms", "backward_input_ms", "backward_weight_ms"}) {
      of[key] = Json::array({of[key][1]});
    }
  }
  return profile;
}

/// A profile in a file, and the command run on it.
class Story {
 public:
  explicit Story(const Json& profile) { std::ofstream(file()) << profile.dump(); }
  [[nodiscard]] std::string file(const std::string& name = "profile.json") const {
    return folder_.file(name);
  }
  [[nodiscard]] CommandResult run(const std::vector<std::string>& arguments) const {
    std::vector<std::string> all{program("planaria"), "templates", "--profile", file()};
    all.insert(all.end(), arguments.begin(), arguments.end());
    return run_command(all);
  }
  [[nodiscard]] Json json(std::vector<std::string> arguments) const {
    arguments.emplace_back("--json");
    const CommandResult ended = run(arguments);
    INFO(ended.err);
    REQUIRE(ended.status == 0);
    CHECK(ended.err.empty());
    CHECK(lines_of(ended.out).size() == 1);
    return parse_json(ended.out, "templates").value();
  }
  [[nodiscard]] std::string refused(const std::vector<std::string>& arguments) const {
    const CommandResult ended = run(arguments);
    CHECK(ended.status == 2);
    CHECK(ended.out.empty());
    return ended.err;
  }

 private:
  TemporaryFolder folder_;
};

std::vector<std::string> sizes(const char* nodes_min, const char* nodes_max,
                               const std::vector<std::string>& others = {}) {
  std::vector<std::string> arguments{"--nodes-min", nodes_min, "--nodes-max", nodes_max};
  arguments.insert(arguments.end(), others.begin(), others.end());
  return arguments;
}

void check_same(const Json& json, const std::vector<PipelineTemplate>& found) {
  REQUIRE(json["templates"].size() == found.size());
  for (std::size_t i = 0; i < found.size(); ++i) {
    Json stages = Json::array();
    for (const LayerRange& stage : found[i].stages) {
      stages.push_back({stage.first.value, stage.last.value});
    }
    CHECK(json["templates"][i] == Json{{"nodes", found[i].nodes},
                                       {"stages", stages},
                                       {"t1_ms", found[i].t1_ms},
                                       {"t2_ms", found[i].t2_ms},
                                       {"t3_ms", found[i].t3_ms},
                                       {"total_ms", found[i].total_ms}});
  }
}

}  // namespace

TEST_CASE("the object of templates is what the library finds, digit by digit") {
  const Story story(two_sizes());
  const Json json = story.json(sizes("2", "6", {"--micro-batch-size", "2"}));
  std::set<std::string> keys;
  for (const auto& [key, value] : json.items()) keys.insert(key);
  CHECK(keys == std::set<std::string>{"version", "templates", "ms"});
  CHECK(json["version"] == 1);
  CHECK(json["ms"] >= 0);
  check_same(json, pipeline_templates(layer_ms_of_two(), 2, 6).value());
}

TEST_CASE("a profile's only micro-batch size need not be said") {
  const Story story(one_size());
  const Json json = story.json(sizes("1", "6"));
  CHECK(json["templates"] == story.json(sizes("1", "6", {"--micro-batch-size", "4"}))["templates"]);
  check_same(json, pipeline_templates(layer_ms_of_two(), 1, 6).value());
}

TEST_CASE("what a person reads is a line for each size, the slowest stage marked") {
  Json profile = one_size();
  // 2, 1, 1 and 2 ms.
  profile["layers"].erase(profile["layers"].begin() + 4, profile["layers"].end());
  const std::vector<double> forward_ms{1, 0.5, 0.5, 1};
  for (std::size_t i = 0; i < forward_ms.size(); ++i) {
    profile["layers"][i]["forward_ms"] = Json::array({forward_ms[i]});
    profile["layers"][i]["backward_input_ms"] = Json::array({forward_ms[i]});
    profile["layers"][i]["backward_weight_ms"] = Json::array({0});
  }
  const Story story(profile);
  const CommandResult ended = story.run(sizes("1", "3"));
  INFO(ended.err);
  CHECK(ended.status == 0);
  CHECK(ended.err.empty());
  const auto lines = lines_of(ended.out);
  REQUIRE(lines.size() == 5);
  CHECK_THAT(lines[0], Catch::StartsWith("toy, 4 layers, micro-batches of 4: found in ") &&
                           Catch::EndsWith(" ms"));
  CHECK(lines[1] ==
        "nodes  total ms   fill  steady  drain  slowest  layers of each stage, [the slowest]");
  CHECK(lines[2] == "    1    30.000  6.000  18.000  6.000    6.000  [0-3]");
  CHECK(lines[3] == "    2    27.000  6.000  15.000  6.000    3.000  [0-1] 2-3");
  CHECK(lines[4] == "    3    26.000  6.000  14.000  6.000    2.000  [0] 1-2 3");
}

TEST_CASE("many stages go on below one another, within a hundred columns") {
  Json profile = one_size();
  for (int i = 6; i < 60; ++i) {
    profile["layers"].push_back(profile["layers"][0]);
    profile["layers"].back()["name"] = "layer" + std::to_string(i);
  }
  const Story story(profile);
  const CommandResult ended = story.run(sizes("30", "60"));
  INFO(ended.err);
  CHECK(ended.status == 0);
  const auto lines = lines_of(ended.out);
  REQUIRE(lines.size() > 2 + (2 * 31));
  for (const std::string& line : lines) {
    INFO(line);
    CHECK(line.size() <= 100);
    CHECK_FALSE(line.ends_with(" "));
  }
  CHECK_THAT(lines.back(), Catch::StartsWith(std::string(40, ' ')) && Catch::EndsWith(" 58 59"));
}

TEST_CASE("-o writes the answer to a file") {
  const Story story(one_size());
  const CommandResult ended = story.run(sizes("1", "2", {"--json", "-o", story.file("answer")}));
  REQUIRE(ended.status == 0);
  CHECK(ended.out.empty());
  CHECK(read_json_file(story.file("answer")).value()["templates"].size() == 2);
}

TEST_CASE("sizes that cannot be are refused with the option and what is allowed") {
  const Story story(two_sizes());
  const std::string file = story.file();
  const std::vector<std::string> two{"--micro-batch-size", "2"};
  CHECK(story.refused(sizes("1", "7", two)) ==
        "planaria: --nodes-max: 7, must be at most 6, the layers of " + file + "\n");
  CHECK(story.refused(sizes("4", "3", two)) ==
        "planaria: --nodes-min: 4, must be at most 3, --nodes-max\n");
  CHECK(story.refused(sizes("1", "3", {"--micro-batch-size", "3"})) ==
        "planaria: --micro-batch-size: 3, must be one of 1, 2, as " + file + " has\n");
  CHECK(story.refused(sizes("1", "3")) ==
        "planaria: --micro-batch-size: missing, must be one of 1, 2, as " + file + " has\n");
  CHECK(story.refused(sizes("0", "3", two)) ==
        "planaria: --nodes-min: Value 0 not in range 1 to 4096; see planaria templates --help\n");
  std::ofstream(file) << "{}";
  CHECK(story.refused(sizes("1", "3")) ==
        "planaria: " + file + ": version: missing, must be a whole number from 1 to 1\n");
}

}  // namespace planaria::test
