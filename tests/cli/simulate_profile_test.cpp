// `planaria simulate --profile`: layouts earn what `planaria plan` says, and changes that nobody
// waits for stop nobody.
#include <string>
#include <vector>

#include <fmt/format.h>
#include <catch2/catch.hpp>

#include <planaria/base/json.hpp>
#include <planaria/base/text.hpp>

#include "cli/command_story.hpp"

namespace planaria::test {
namespace {

Json small_profile() {
  Json layers = Json::array();
  for (int i = 0; i < 4; ++i) {
    layers.push_back({{"name", fmt::format("layer{}", i)},
                      {"parameter_bytes", 40'000'000},
                      {"state_bytes", 80'000'000},
                      {"gradient_bytes", 40'000'000},
                      {"boundary_bytes", {1'000'000, 2'000'000}},
                      {"activation_bytes", {30'000'000, 60'000'000}},
                      {"weight_gradient_bytes", {0, 0}},
                      {"forward_ms", {4 + i, 7 + i}},
                      {"backward_input_ms", {5, 9}},
                      {"backward_weight_ms", {4, 7}},
                      {"optimizer_ms", 0.5},
                      {"tied_to", nullptr}});
  }
  return {{"version", 1},
          {"model", "four layers"},
          {"device", "made up"},
          {"micro_batch_sizes", {1, 2}},
          {"layers", std::move(layers)},
          {"transfer", {{{"bytes", 1000}, {"ms", 0.1}}, {{"bytes", 100'000'000}, {"ms", 60.0}}}}};
}

class Story : public CommandStory {
 public:
  Story() {
    write("profile.json", small_profile().dump());
    // Two machines, a third in the second minute, which goes in the fourth.
    begin({"simulate", "--trace",
           write("record.csv", "0,add,a\n0,add,b\n60000,add,c\n180000,remove,c\n")});
  }
  [[nodiscard]] Json answer(const std::vector<std::string>& more) const {
    std::vector<std::string> all{"--profile", file("profile.json"), "--micro-batches", "12",
                                 "--json"};
    all.insert(all.end(), more.begin(), more.end());
    const CommandResult ended = run(all);
    INFO(ended.err);
    REQUIRE(ended.status == 0);
    return parse_json(ended.out, "answer").value();
  }
  [[nodiscard]] double planned_samples_per_s(const std::vector<std::string>& more) const {
    std::vector<std::string> all{program("planaria"), "plan", "--profile", file("profile.json"),
                                 "--micro-batches",   "12",   "--json"};
    all.insert(all.end(), more.begin(), more.end());
    const CommandResult ended = run_command(all);
    REQUIRE(ended.status == 0);
    return parse_json(ended.out, "plan").value()["samples_per_s"];
  }
  /// Of whatever policy.
  [[nodiscard]] std::string refused(const std::vector<std::string>& more) const {
    std::vector<std::string> all{"--policy", "reactive"};
    all.insert(all.end(), more.begin(), more.end());
    return CommandStory::refused(all);
  }
};

}  // namespace

TEST_CASE("layouts earn what planaria plan says of them", "[unit]") {
  const Story story;
  const std::string schedule = GENERATE("1f1b", "any");
  const Json json = story.answer({"--workers", "3", "--memory-gib", "2", "--micro-batch-size", "1",
                                  "--schedule", schedule, "--policy", "reactive"});
  double ideal = 0;
  for (const Json& moment : json["timeline"]) {
    const Json& decision = moment["decisions"][0];
    const int width = decision["width"];
    const int depth = decision["depth"];
    ideal += 60 * story.planned_samples_per_s(
                      {"--memory-gib", "2", "--micro-batch-size", "1", "--schedule", schedule,
                       "--width", std::to_string(width), "--depth", std::to_string(depth),
                       "--workers", std::to_string(width * depth)});
  }
  CHECK(json["timeline"].size() == 4);
  CHECK(json["ideal_samples"].get<double>() == Approx(ideal).epsilon(1e-12));
}

TEST_CASE("a third worker stops nobody, its loss all", "[unit]") {
  const Story story;
  const std::string costs = story.write(
      "costs.json", R"({"version": 1, "cut_over_ms": 3, "detect_ms": 50, "view_ms": 5})");
  const Json beside = story.answer(
      {"--workers", "3", "--migrations", costs, "--policy", "reactive,oracle,liveput"});
  const Json& timeline = beside["timeline"];
  REQUIRE(timeline.size() == 4);
  CHECK(timeline[1]["decisions"][0]["standing_ms"] == 3.0);
  CHECK(timeline[2]["decisions"][0]["standing_ms"] == 0.0);
  CHECK(timeline[3]["decisions"][0]["standing_ms"].get<double>() > 55);
  for (const Json& policy : beside["policies"]) {
    CHECK(policy["samples"].get<double>() <=
          beside["policies"][1]["samples"].get<double>() * (1 + 1e-12));
  }
  const std::string stop = story.write("stop.json", R"({"version": 1, "growth": "stop"})");
  const Json stopped =
      story.answer({"--workers", "3", "--migrations", stop, "--policy", "reactive"});
  CHECK(stopped["timeline"][1]["decisions"][0]["standing_ms"].get<double>() > 2000);
}

TEST_CASE("a change that takes two intervals is counted once", "[unit]") {
  const Story story;
  const std::string costs = story.write("costs.json", R"({"version": 1, "start_ms": 70000})");
  story.write("record.csv", "0,add,a\n0,add,b\n180000,add,c\n360000,remove,c\n");
  const Json json = story.answer({"--workers", "3", "--migrations", costs, "--policy", "reactive"});
  CHECK(json["timeline"][3]["decisions"][0]["standing_ms"] == 0.0);
  CHECK(json["timeline"][4]["decisions"][0]["standing_ms"] == 0.1);
  int changes = 0;
  for (const Json& count : json["policies"][0]["migrations"]) changes += count.get<int>();
  CHECK(changes == 2);
}

TEST_CASE("who knows of a loss has its layers shadowed before", "[unit]") {
  const Story story;
  story.write("record.csv", "0,add,a\n0,add,b\n0,add,c\n180000,remove,c\n240000,add,d\n");
  const std::string costs = story.write("costs.json", R"({"version": 1, "rolled_back_ms": 55000})");
  std::vector<std::string> asked{"--workers", "3",      "--memory-gib", "1.1",
                                 "--policy",  "oracle", "--migrations", costs};
  const auto shadowed = [](const Json& json) {
    std::vector<bool> each;
    for (const Json& moment : json["timeline"]) {
      each.push_back(moment["decisions"][0].contains("shadows"));
    }
    return each;
  };
  CHECK(shadowed(story.answer(asked)) == std::vector<bool>(5, false));
  asked.insert(asked.end(), {"--shadows", "any"});
  CHECK(shadowed(story.answer(asked))[2]);
  // Nor do policies of the field know of any.
  for (const char* policy : {"reactive", "parcae", "varuna", "bamboo", "oobleck"}) {
    auto field = asked;
    field[5] = policy;
    INFO(policy);
    CHECK(shadowed(story.answer(field)) == std::vector<bool>(5, false));
  }
  // `planaria liveput` says the same of what runs.
  std::vector<std::string> words{program("planaria"),        "liveput",         "--profile",
                                 story.file("profile.json"), "--micro-batches", "12"};
  words.insert(words.end(), {"--migrations", costs, "--memory-gib", "1.1", "--workers", "3"});
  words.insert(words.end(), {"--shadows", "any"});
  words.insert(words.end(), {"--layout", "1,3,1", "--lose", "1", "--look-ahead", "1", "--json"});
  const CommandResult said = run_command(words);
  INFO(said.err);
  REQUIRE(said.status == 0);
  CHECK(parse_json(said.out, "answer").value()["choice"] ==
        Json{{"width", 1}, {"depth", 3}, {"shadows", 1}});
}

TEST_CASE("a cluster says who there is, and which links", "[unit]") {
  const Story story;
  Json workers = Json::array();
  for (int id = 0; id < 3; ++id) {
    workers.push_back({{"id", 10 + id},
                       {"zone", "a"},
                       {"host", fmt::format("h{}", id)},
                       {"memory_bytes", 4'000'000'000},
                       {"speed", 1.0}});
  }
  const Json link{{"latency_ms", 0.1}, {"gigabytes_per_s", 1.0}};
  Json cluster{{"version", 1},
               {"workers", workers},
               {"links", {{"same_host", link}, {"same_zone", link}, {"cross_zone", link}}}};
  const std::string path = story.write("cluster.json", cluster.dump());
  const Json fast = story.answer({"--cluster", path, "--policy", "reactive"});
  cluster["links"]["same_zone"]["gigabytes_per_s"] = 0.01;
  story.write("cluster.json", cluster.dump());
  const Json slow = story.answer({"--cluster", path, "--policy", "reactive"});
  CHECK(slow["ideal_samples"] < fast["ideal_samples"]);
  cluster["workers"][2]["host"] = "h1";
  story.write("cluster.json", cluster.dump());
  CHECK(story.refused({"--profile", story.file("profile.json"), "--cluster", path}) ==
        "planaria: " + path + ": workers 10 and 12 differ, must be alike\n");
}

TEST_CASE("simulate refuses in one sentence what says twice or nothing what layouts earn",
          "[unit]") {
  const Story story;
  const std::string profile = story.file("profile.json");
  CHECK(story.refused({}) ==
        "planaria: --setting: missing, must say what layouts earn: --setting FILE, or --profile "
        "FILE and --workers N\n");
  CHECK(story.refused({"--workers", "3"}).starts_with("planaria: --profile: missing, must say "));
  CHECK(story.refused({"--setting", "s.json", "--profile", profile}) ==
        "planaria: --profile: must not be there with --setting: either says what layouts earn\n");
  CHECK(story.refused({"--setting", "s.json", "--schedule", "1f1b"})
            .starts_with("planaria: --schedule: must not be there with --setting"));
  CHECK(story.refused({"--profile", profile}) ==
        "planaria: --workers: missing, must say how many there may be: --workers N, or --cluster "
        "FILE\n");
  CHECK(story.refused({"--profile", profile, "--workers", "3", "--cluster", "c.json"}) ==
        "planaria: --cluster: says which workers there are, must not be there with --workers or "
        "--memory-gib\n");
  CHECK(story.refused({"--profile", profile, "--workers", "3", "--micro-batch-size", "3"}) ==
        "planaria: --micro-batch-size: 3, must be one of 1, 2\n");
  CHECK(story.refused({"--profile", profile, "--workers", "3", "--schedule", "fast"})
            .starts_with("planaria: --schedule: fast, must be any or one of gpipe, "));
  CHECK(story.refused({"--profile", profile, "--workers", "2"})
            .find(": 3 machines in interval 1, must be at most 2, --workers\n") !=
        std::string::npos);
  const std::string costs = story.write("costs.json", R"({"version": 1, "view": 5})");
  CHECK(story.refused({"--profile", profile, "--workers", "3", "--migrations", costs}) ==
        "planaria: " + costs + ": view: unknown key\n");
  const CommandResult small = story.run(
      {"--profile", profile, "--workers", "3", "--memory-gib", "0.01", "--policy", "reactive"});
  CHECK(small.status == 1);
  CHECK(small.err.starts_with("planaria: nothing fits: 4 layers in "));
}

}  // namespace planaria::test
