// `planaria simulate` on a setting and a record small enough to reckon by hand.
#include <string>
#include <vector>

#include <catch2/catch.hpp>

#include <planaria/base/json.hpp>
#include <planaria/base/text.hpp>

#include "cli/command_story.hpp"
#include "cli/small_setting.hpp"

namespace planaria::test {
namespace {

class Story : public CommandStory {
 public:
  Story() {
    // One machine, a second in the third minute, gone again in the fifth.
    begin({"simulate", "--setting", write("setting.json", small_setting().dump()), "--trace",
           write("record.csv", "0,add,a\n120000,add,b\n240000,remove,b\n")});
  }
};

}  // namespace

TEST_CASE("what reacting at once earns is as reckoned by hand", "[unit]") {
  const Story story;
  const CommandResult ended = story.run({"--policy", "reactive,restart", "--json"});
  INFO(ended.err);
  REQUIRE(ended.status == 0);
  CHECK(ended.err.empty());
  const Json json = parse_json(ended.out, "answer").value();
  CHECK(json["version"] == 1);
  CHECK(json["ideal_samples"] == (3 * 600.0) + (2 * 1080.0));
  // From nothing: a message 1 s, process .5, build 1, group .5, rendezvous 4 = 7 s. To two stages:
  // the old worker misses nothing of the first (1 s for a message), nobody is left for the second,
  // no broadcast, .5 + .5 + 2 + 4. Back to one: the old workers miss half, 1 s, + .5 + 1 + .1.
  const double begin = 600 - (10 * 7.0);
  const double grown = 1080 - (18 * 8.0);
  const double shrunk = 600 - (10 * 2.6);
  const Json& reactive = json["policies"][0];
  CHECK(reactive["policy"] == "reactive");
  CHECK(reactive["samples"].get<double>() ==
        Approx(begin + 600 + grown + 1080 + shrunk).epsilon(1e-12));
  CHECK(reactive["migrations"] == Json{{"intra_stage", 0}, {"inter_stage", 0}, {"pipeline", 2}});
  CHECK(reactive["lost_samples"].get<double>() == Approx(70 + 144 + 26).epsilon(1e-12));
  // To begin anew: 6 s and all state, 2 s (one stage of both layers) or 1 + 1 s; at growth
  // .5 + .5 + 2 + 4, else .5 + 1 + .1. At first no checkpoint.
  const Json& restart = json["policies"][1];
  const double from_nothing = 600 - (10 * (0.5 + 1 + 0.5 + 4 + 2));
  CHECK(
      restart["samples"].get<double>() ==
      Approx(from_nothing + 600 + (1080 - (18 * 15.0)) + 1080 + (600 - (10 * 9.6))).epsilon(1e-12));
  REQUIRE(json["timeline"].size() == 5);
  CHECK(json["timeline"][2]["machines"] == 2);
  CHECK(json["timeline"][2]["joined"] == 1);
  CHECK(json["timeline"][2]["decisions"][0]["depth"] == 2);
  CHECK(json["timeline"][2]["decisions"][0]["standing_ms"].get<double>() == Approx(8000));
}

TEST_CASE("no policy earns more than the perfect future", "[unit]") {
  const Story story;
  const Json json =
      parse_json(story
                     .run({"--policy",
                           "oracle,liveput,reactive,restart,parcae,varuna,bamboo,oobleck,"
                           "hysteresis,spot-hedge",
                           "--json"})
                     .out,
                 "answer")
          .value();
  REQUIRE(json["policies"].size() == 10);
  const double oracle = json["policies"][0]["samples"];
  for (const Json& policy : json["policies"]) {
    CAPTURE(policy["policy"]);
    CHECK(policy["samples"].get<double>() <= oracle * (1 + 1e-12));
  }
}

TEST_CASE("a segment begins with nothing and ends where it is told", "[unit]") {
  const Story story;
  const Json json = parse_json(story
                                   .run({"--policy", "reactive", "--from-s", "120", "--to-s", "190",
                                         "--json", "--seed", "7"})
                                   .out,
                               "answer")
                        .value();
  REQUIRE(json["timeline"].size() == 2);
  CHECK(json["timeline"][0]["at_s"] == 120.0);
  CHECK(json["ideal_samples"] == 2160.0);
}

TEST_CASE("records given one after another are zones, and policies see their sum", "[unit]") {
  const Story story;
  // The second machine is another zone's, whose record goes on for a minute less.
  story.write("record.csv", "0,add,a\n300000,add,c\n");
  story.write("other.csv", "120000,add,b\n240000,remove,b\n");
  const auto json = parse_json(story
                                   .run({"--trace", story.file("other.csv"), "--policy",
                                         "reactive,spot-hedge", "--json"})
                                   .out,
                               "answer")
                        .value();
  REQUIRE(json["timeline"].size() == 5);
  CHECK(json["timeline"][1]["machines"] == 1);
  CHECK(json["timeline"][2]["machines"] == 2);
  CHECK(json["timeline"][2]["joined"] == 1);
  CHECK(json["timeline"][4]["lost"] == 1);
  CHECK(json["policies"][0]["samples"] == json["policies"][1]["samples"]);
  CHECK(json["timeline"][2]["decisions"][1]["why"] == "holds 2 machines, 2 zones active");
}

TEST_CASE("machines cost what the prices say", "[unit]") {
  const Story story;
  story.write("prices.json", R"({"version": 1, "spot_per_hour": 3, "on_demand_per_hour": 9})");
  const Json json =
      parse_json(
          story.run({"--policy", "reactive", "--prices", story.file("prices.json"), "--json"}).out,
          "answer")
          .value();
  CHECK(json["policies"][0]["cost"].get<double>() == Approx(3 * 7 / 60.0));
}

TEST_CASE("simulate says in words what came of it", "[unit]") {
  const Story story;
  const auto lines = lines_of(story.run({"--policy", "reactive,oracle"}).out);
  REQUIRE(lines.size() == 4);
  CHECK(lines[0] == "three layers, 5 intervals of 60 s: at most 3960 samples");
  CHECK(lines[2].starts_with("reactive "));
}

TEST_CASE("simulate refuses in one sentence", "[unit]") {
  const Story story;
  CHECK(story.refused({"--policy", "luck"}) ==
        "planaria: --policy: luck, must be one of restart, reactive, liveput, parcae, varuna, "
        "bamboo, oobleck, hysteresis, spot-hedge, oracle\n");
  CHECK(story.refused({"--policy", "reactive", "--from-s", "300"}) ==
        "planaria: --from-s: 300, must be below 300, where the record ends\n");
  CHECK(story.refused({"--policy", "reactive", "--from-s", "nan"}).find("--from-s") !=
        std::string::npos);
  story.write("record.csv", "0,add,a\n0,add,b\n0,add,c\n");
  CHECK(story.refused({"--policy", "reactive"})
            .find("3 machines in interval 0, must be at most 2, max_workers of ") !=
        std::string::npos);
  story.write("record.csv", "");
  CHECK(story.refused({"--policy", "reactive"}).find("record.csv") != std::string::npos);
}

TEST_CASE("a setting is refused by path, value and what is allowed", "[unit]") {
  const Story story;
  const auto refused = [&](const std::string& patch) {
    Json setting = small_setting();
    setting = setting.patch(Json::parse(patch));
    story.write("setting.json", setting.dump());
    const std::string sentence = story.refused({"--policy", "reactive"});
    return sentence.substr(sentence.find("setting.json"));
  };
  CHECK(refused(R"([{"op": "add", "path": "/extra", "value": 1}])") ==
        "setting.json: extra: unknown key\n");
  CHECK(refused(R"([{"op": "remove", "path": "/transfer"}])").find("transfer: missing") !=
        std::string::npos);
  CHECK(refused(R"([{"op": "replace", "path": "/process_ms", "value": -1}])")
            .find("process_ms: -1") != std::string::npos);
  CHECK(refused(R"([{"op": "replace", "path": "/throughput/1/depth", "value": 1}])") ==
        "setting.json: throughput[1]: width 1, depth 1, must not be there twice\n");
  CHECK(refused(R"([{"op": "replace", "path": "/throughput/1/depth", "value": 4}])") ==
        "setting.json: throughput[1].depth: 4, must be at most 3, as many as there are "
        "layer_parameters\n");
  CHECK(refused(R"([{"op": "replace", "path": "/max_workers", "value": 1}])") ==
        "setting.json: throughput[1]: width 1, depth 2, must be of at most 1 workers, "
        "max_workers\n");
  CHECK(refused(R"([{"op": "replace", "path": "/allowed_widths", "value": [2]}])") ==
        "setting.json: allowed_widths[0]: 2, must occur in throughput\n");
  CHECK(refused(R"([{"op": "replace", "path": "/allowed_depths", "value": [1]}])") ==
        "setting.json: allowed_depths: must name 2, as throughput does\n");
  CHECK(refused(R"([{"op": "remove", "path": "/model_build/1"}])") ==
        "setting.json: model_build: depth 2 is missing, must be there for each of throughput\n");
  CHECK(refused(R"([{"op": "remove", "path": "/regroup/0"}])") ==
        "setting.json: regroup: width 1, depth 1 is missing, must be there for each of "
        "throughput\n");
  CHECK(refused(R"([{"op": "replace", "path": "/transfer/1/bytes", "value": 5}])")
            .find("transfer[1]") != std::string::npos);
}

}  // namespace planaria::test
