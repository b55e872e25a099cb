// `planaria trace`: describes, converts and draws records, and refuses what is none.
#include <filesystem>
#include <string>
#include <vector>

#include <catch2/catch.hpp>

#include <planaria/availability/trace_text.hpp>
#include <planaria/base/json.hpp>
#include <planaria/base/text.hpp>

#include "support/command.hpp"
#include "support/temporary_folder.hpp"

namespace planaria::test {
namespace {

using Arguments = std::vector<std::string>;

/// A folder with a record in it.
class Story {
 public:
  explicit Story(const std::string& text, const std::string& name = "t.csv")
      : path_(folder_.file(name)) {
    REQUIRE(write_file_atomically(path_, text).ok());
  }
  [[nodiscard]] const std::string& path() const { return path_; }
  [[nodiscard]] std::string file(const std::string& name) const { return folder_.file(name); }
  /// planaria trace WHAT FILE, and what else stands behind.
  [[nodiscard]] CommandResult run(const std::string& what, const Arguments& more = {}) const {
    Arguments argv{program("planaria"), "trace", what, path_};
    argv.insert(argv.end(), more.begin(), more.end());
    return run_command(argv);
  }
  /// The sentence of a refusal, which leaves nothing behind.
  [[nodiscard]] std::string refused(const std::string& what, const Arguments& more = {}) const {
    const int before = folder_.size();
    const CommandResult ended = run(what, more);
    CHECK(ended.status == 2);
    CHECK(ended.out.empty());
    CHECK(lines_of(ended.err).size() == 1);
    CHECK(folder_.size() == before);
    return ended.err;
  }

 private:
  TemporaryFolder folder_;
  std::string path_;
};

const std::string three_nodes =
    "0,add,a\n0,add,b\n60000,remove,a\n120000,add,c\n120000,remove,b\n180000,remove,c\n";

}  // namespace

TEST_CASE("a record is described in words, and as one object") {
  const Story story(three_nodes);
  const CommandResult words = story.run("describe");
  CHECK(words.status == 0);
  CHECK(words.err.empty());
  CHECK(words.out ==
        "t.csv: events, 3 min 0 s\n"
        "  machines   1.33 on average, 0 to 2, 2 at first\n"
        "  of the time 33.3 % at 2, 0 % at 0\n"
        "  lost       3 in 3 moments, at most 1 at once; 45 per machine-hour\n"
        "  joined     1 in 1 moment, at most 1 at once\n"
        "  lifetime   median 1 min, mean 1.3 min of 3 that ended; median 1 min by Kaplan-Meier, "
        "with 0 still there\n"
        "  odd        nothing\n");
  const CommandResult object = story.run("describe", {"--json"});
  const Json json = parse_json(object.out, "stdout").value();
  CHECK(json["kind"] == "events");
  CHECK(json["duration_s"] == 180);
  CHECK(json["preemptions"]["machines"] == 3);
  CHECK(json["lifetime_min"]["median"] == 1);
  CHECK(story.run("describe", {"--json", "-o", story.file("d.json")}).out.empty());
  CHECK(read_json_file(story.file("d.json")).value() == json);
}

TEST_CASE("what is odd is told with its first line, and refused with --strict") {
  const Story story("0,add,a\n120000,add,b\n60000,remove,c\n");
  const Json json = parse_json(story.run("describe", {"--json"}).out, "stdout").value();
  CHECK(json["oddities"] == Json::parse(R"([{"kind": "backward_time", "count": 1, "first_line": 3},
                        {"kind": "unknown_remove", "count": 1, "first_line": 3}])"));
  CHECK(story.refused("describe", {"--strict"}) ==
        "planaria: " + story.path() +
            ":3:1: backward_time: 1 in all, must be none with --strict\n");
}

TEST_CASE("a form, a unit, a sense and a zone can be told") {
  const Story staircase("0,1\n1,1\n1,2\n");
  const auto seconds = [&](const Arguments& more) {
    Arguments arguments{"--json"};
    arguments.insert(arguments.end(), more.begin(), more.end());
    return parse_json(staircase.run("describe", arguments).out, "stdout").value()["duration_s"];
  };
  CHECK(seconds({}) == 1);
  CHECK(seconds({"--time-unit", "h"}) == 3600);
  CHECK(seconds({"--trace-kind", "count-events"}) == 0.001);
  const Story sense(R"({"metadata": {"gap_seconds": 60}, "data": [0, 0, 1]})");
  CHECK(sense.run("convert", {"--inverted", "--to", "counts"}).out ==
        "{\"metadata\": {\"gap_seconds\": 60}, \"data\": [1, 1, 0]}\n");
}

TEST_CASE("a folder of rounds is one record, of a zone or of all") {
  const Story story(R"({"scheduled_at": "2031-01-02T03:00:00Z", "interval_sec": 60,
    "zone_results": {"x": {"instances_created": 3}, "y": {"instances_created": 2}}})",
                    "round-0.json");
  REQUIRE(write_file_atomically(story.file("round-1.json"),
                                R"({"scheduled_at": "2031-01-02T03:01:00Z", "interval_sec": 60,
    "zone_results": {"x": {"instances_created": 1}, "y": {"instances_created": 2}}})")
              .ok());
  const std::string folder = std::filesystem::path(story.path()).parent_path().string();
  const auto converted = [&](const std::string& zone) {
    return run_command(
        {program("planaria"), "trace", "convert", folder, "--zone", zone, "--to", "counts"});
  };
  CHECK(converted("x").out == "{\"metadata\": {\"gap_seconds\": 60}, \"data\": [3, 1]}\n");
  CHECK(converted("all").out == "{\"metadata\": {\"gap_seconds\": 60}, \"data\": [5, 3]}\n");
  CHECK(converted("z").status == 2);
  CHECK(converted("z").err == "planaria: " + folder + ": zone: z, must be one of all, x, y\n");
}

TEST_CASE("a record is written in another form and back with the same counts") {
  const Story story(three_nodes);
  const std::string counts = story.file("counts.json");
  const std::string events = story.file("events.csv");
  const CommandResult there = story.run("convert", {"--to", "counts", "-o", counts, "--json"});
  CHECK(there.status == 0);
  CHECK(parse_json(there.out, "stdout").value()["kind"] == "counts");
  CHECK(there.err == "note: 3 min 0 s becomes 4 min 0 s, as the last tick has it\n");
  const CommandResult back = run_command(
      {program("planaria"), "trace", "convert", counts, "--to", "events", "-o", events});
  CHECK(back.status == 0);
  CHECK(back.out.empty());
  const Trace first = read_trace(story.path(), {}).value();
  const Trace last = read_trace(events, {}).value();
  CHECK(counts_on_grid(last, 60'000) == counts_on_grid(first, 60'000));
}

TEST_CASE("a record is drawn with its title, its axes and what came and went") {
  const Story story(three_nodes);
  const std::string svg = story.file("t.svg");
  const CommandResult drawn = story.run("plot", {"-o", svg, "--title", "A < B"});
  CHECK(drawn.status == 0);
  CHECK(drawn.out.empty());
  const std::string picture = read_file(svg).value();
  for (const char* const part :
       {"<svg xmlns=", "A &lt; B</text>", ">machines</text>", "minutes since the record began",
        "1.33 machines on average, 0 to 2 over 3 min 0 s: 3 lost in 3 moments, 1 joined in 1",
        "class=\"joined\"", "class=\"lost\"", "class=\"down\"", "class=\"line\""}) {
    INFO(part);
    CHECK(picture.find(part) != std::string::npos);
  }
  CHECK(picture.ends_with("</svg>\n"));
  CHECK(picture.find("class=\"band\"") == std::string::npos);
}

TEST_CASE("more changes than pixels are drawn as a band") {
  std::string data = "0";
  for (int i = 0; i < 5000; ++i) data += i % 3 == 0 ? ",7" : ",2";
  const Story story(R"({"metadata": {"gap_seconds": 60}, "data": [)" + data + "]}");
  const std::string svg = story.file("t.svg");
  REQUIRE(story.run("plot", {"-o", svg}).status == 0);
  const std::string picture = read_file(svg).value();
  CHECK(picture.find("class=\"band\"") != std::string::npos);
  CHECK(picture.find("days since the record began") != std::string::npos);
  CHECK(picture.size() < 200'000);
}

TEST_CASE("a malformed record is refused by every command, and nothing is written") {
  const std::vector<std::pair<std::string, std::string>> cases{
      {"", ":1:1: records: none"},
      {"hello", ":1:1: row: hello"},
      {std::string("\x00\xff\x01", 3), ":1:1: row: \\x00\\xff\\x01"},
      {"0,add,a\n-1,add,b\n", ":2:1: milliseconds: -1"},
      {"0,add,a\nNaN,remove,a\n", ":2:1: milliseconds: NaN"},
      {"0,1\n60,99999\n", ":2:4: count: 99999"},
      {"0,0\n99999999,0\n99999999,1\n", ":2:1: seconds: 99999999"},
      {"2031-02-30, 00:00:00, 4\n", ":1:1: row: 2031-02-30, 00:00:00, 4"},
      {"date,availability\n2031-02-28 00:00:00,x\n", ":2:21: availability: x"},
      {"{\"data\": [1]}", ":1:1: metadata: null"},
      {"[0, \"add\", 3]", ":1:1: [2]: 3"}};
  for (const auto& [text, place] : cases) {
    INFO(place);
    const Story story(text);
    const std::string begins = "planaria: " + story.path() + place;
    CHECK_THAT(story.refused("describe"), Catch::StartsWith(begins));
    CHECK_THAT(story.refused("describe", {"-o", story.file("out")}), Catch::StartsWith(begins));
    CHECK_THAT(story.refused("convert", {"--to", "events", "-o", story.file("out")}),
               Catch::StartsWith(begins));
    CHECK_THAT(story.refused("plot", {"-o", story.file("out")}), Catch::StartsWith(begins));
  }
}

TEST_CASE("options that cannot be are refused with what is allowed") {
  const Story story(three_nodes);
  CHECK(story.refused("describe", {"--trace-kind", "csv"}) ==
        "planaria: --trace-kind: csv, must be one of events, replay, count-events, staircase, "
        "counts, availability, count-log, probes\n");
  CHECK(story.refused("describe", {"--time-unit", "ms"}) ==
        "planaria: --time-unit: ms, must be s or h\n");
  CHECK(story.refused("describe", {"--zone", "a"}) ==
        "planaria: " + story.path() + ": zone: told for events, must be probes\n");
  CHECK(story.refused("convert", {"--to", "svg"}) ==
        "planaria: --to: svg, must be events or counts\n");
  CHECK(story.refused("convert", {"--to", "events", "--tick-s", "3"}) ==
        "planaria: --tick-s: told for events, must be for counts\n");
  CHECK(story.refused("convert", {"--to", "counts", "--tick-s", "0"}) ==
        "planaria: --tick-s: Value 0 not in range 0.001 to 86400000; see planaria trace convert "
        "--help\n");
  CHECK(story.refused("convert", {"--to", "counts", "--json"}) ==
        "planaria: --json requires -o; see planaria trace convert --help\n");
  CHECK(story.refused("plot", {"-o", "/nowhere/t.svg"}) ==
        "planaria: /nowhere/t.svg: cannot be written: No such file or directory\n");
  const Story none(R"({"metadata": {"gap_seconds": 60}, "data": [0]})");
  CHECK(none.refused("convert", {"--to", "events"}) ==
        "planaria: --to: events, must be counts where no machine is ever there\n");
}

}  // namespace planaria::test
