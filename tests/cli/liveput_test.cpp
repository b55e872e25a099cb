// `planaria liveput` on a setting small enough to reckon by hand.
#include <string>
#include <vector>

#include <catch2/catch.hpp>

#include <planaria/base/json.hpp>
#include <planaria/base/text.hpp>

#include "cli/command_story.hpp"
#include "cli/small_setting.hpp"

namespace planaria::test {
namespace {

using Words = std::vector<std::string>;

class Story : public CommandStory {
 public:
  Story() {
    write("forecast.json", R"({"version": 1, "interval_s": 60, "intervals": [
      {"lost": [[0, 0.5], [1, 0.5]], "joined": [[0, 1]]}]})");
    begin({"liveput", "--setting", write("setting.json", small_setting().dump())});
  }
  [[nodiscard]] Json answer(Words more) const {
    more.emplace_back("--json");
    const CommandResult ended = run(more);
    INFO(ended.err);
    REQUIRE(ended.status == 0);
    return Json::parse(ended.out);
  }
};

}  // namespace

TEST_CASE("who knows of a loss sees what each layout trains around it", "[integration]") {
  const Story story;
  const Json said =
      story.answer({"--workers", "2", "--layout", "1,2", "--lose", "1", "--look-ahead", "1"});
  CHECK(said["version"] == 1);
  // 18 x 60, then one worker alone: 1000 ms for the layers it lacks, 1600 to begin anew.
  CHECK(said["choice"] == Json{{"width", 1}, {"depth", 2}});
  CHECK(said["expected_samples"].get<double>() == Approx(1080 + 574));
  REQUIRE(said["table"].size() == 2);
  CHECK(said["table"][0]["expected_samples"] == said["expected_samples"]);
  CHECK(said["table"][0]["change_ms"] == 0);
  // Whoever is lost takes a stage along.
  CHECK(said["table"][0]["at_least"] == Json{{{"replicas", 1}, {"probability", 0.0}}});
  // One alone from now on, the other one idle: 2600 ms to change. Then 600 if the idle one is lost,
  // else 2000 for all layers and 6000 to begin anew.
  const Json& alone = said["table"][1];
  CHECK(alone["width"] == 1);
  CHECK(alone["depth"] == 1);
  CHECK(alone["change_ms"].get<double>() == Approx(2600));
  CHECK(alone["expected_samples"].get<double>() == Approx(574 + (10 * (60 - 4.3))));
  CHECK(alone["at_least"][0]["probability"].get<double>() == Approx(0.5));
}

TEST_CASE("a forecast weighs what may be lost", "[integration]") {
  const Story story;
  const Json said = story.answer(
      {"--workers", "2", "--layout", "1,2", "--forecast", story.file("forecast.json")});
  CHECK(said["choice"] == Json{{"width", 1}, {"depth", 2}});
  CHECK(said["expected_samples"].get<double>() == Approx(1080 + (0.5 * 1080) + (0.5 * 574)));
  CHECK(said["table"][0]["at_least"][0]["probability"].get<double>() == Approx(0.5));
}

TEST_CASE("where nothing happens the fastest layout trains on", "[integration]") {
  const Story story;
  const Json said = story.answer({"--workers", "2", "--layout", "1,2", "--lose", "0"});
  CHECK(said["expected_samples"].get<double>() == Approx(18 * 60 * 13));
  const CommandResult text = story.run({"--workers", "2", "--lose", "0"});
  CHECK(text.status == 0);
  CHECK(lines_of(text.out).front() ==
        "three layers, 2 workers, 13 intervals of 60 s: 1 x 2 is expected to train most");
  CHECK(lines_of(text.out).size() == 4);
}

TEST_CASE("what is asked wrongly of liveput is said in a sentence", "[integration]") {
  const Story story;
  CHECK(story.refused({"--workers", "2"}) ==
        "planaria: --forecast: missing, must say what goes and comes: --forecast FILE, or --lose "
        "K\n");
  CHECK(story.refused({"--workers", "2", "--lose", "3"}) ==
        "planaria: --lose: 3, must be at most 2, --workers\n");
  CHECK(story.refused({"--workers", "3", "--lose", "0"}) ==
        "planaria: --workers: 3, must be at most 2, max_workers of " + story.file("setting.json") +
            "\n");
  CHECK(story.refused({"--workers", "2", "--lose", "0", "--layout", "2,2"}) ==
        "planaria: --layout: 2,2, must be a layout that " + story.file("setting.json") + " has\n");
  CHECK(story.refused({"--workers", "1", "--lose", "0", "--layout", "1,2"}) ==
        "planaria: --layout: 1,2, must be of at most 1 workers, --workers\n");
  CHECK(
      story.refused({"--workers", "2", "--lose", "0", "--layout", "1"}) ==
      "planaria: --layout: 1 numbers, must be two: a width and a depth; or shadows behind them\n");
  CHECK(story.refused({"--workers", "2", "--lose", "0", "--workers-max", "2"}) ==
        "planaria: --workers-max: must not be there with --setting: either says what layouts "
        "earn\n");
  story.write("nan.json",
              R"({"version": 1, "interval_s": 60, "intervals": [{"lost": [[0, nan]]}]})");
  const std::string nan = story.refused({"--workers", "2", "--forecast", story.file("nan.json")});
  CHECK(nan.find("nan.json") != std::string::npos);
  CHECK(nan.find("line 1") != std::string::npos);
}

}  // namespace planaria::test
