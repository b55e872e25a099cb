// `planaria schedule` builds schedules and proves those of others.
#include <catch2/catch.hpp>

#include <algorithm>
#include <map>
#include <set>

#include <fmt/format.h>

#include <planaria/schedule/builders.hpp>
#include <planaria/schedule/simulate.hpp>

#include "cli/schedule_cases.hpp"

namespace planaria::test {
namespace {

using Story = ScheduleStory;

std::set<std::string> keys_of(const Json& json) {
  std::set<std::string> keys;
  for (const auto& [key, value] : json.items()) keys.insert(key);
  return keys;
}

}  // namespace

TEST_CASE("a schedule's object has the field's figures and every event") {
  const Json json = Story::json(shape("1f1b", 4, 8));
  CHECK(keys_of(json) == std::set<std::string>{"version", "kind", "placement", "chunks", "stages",
                                               "micro_batches", "makespan_ms", "bubble_rate",
                                               "ranks", "events", "deadlock_free", "bound_ms"});
  CHECK(json["version"] == 1);
  CHECK(json["kind"] == "1f1b");
  CHECK(json["placement"] == "single");
  CHECK(json["chunks"] == 1);
  CHECK(json["stages"] == 4);
  CHECK(json["micro_batches"] == 8);
  CHECK(json["makespan_ms"] == 33);
  CHECK(json["bubble_rate"].get<double>() == 1 - (24.0 * 4 / (4 * 33)));
  CHECK(json["deadlock_free"] == true);
  CHECK(json["bound_ms"] <= 33);
  REQUIRE(json["ranks"].size() == 4);
  CHECK(keys_of(json["ranks"][0]) ==
        std::set<std::string>{"actions", "span_ms", "peak_memory_bytes", "peak_in_flight"});
  CHECK(json["ranks"][3]["actions"] == "F0 G0 F1 G1 F2 G2 F3 G3 F4 G4 F5 G5 F6 G6 F7 G7");
  CHECK(json["ranks"][3]["span_ms"] == 24);
  CHECK(json["ranks"][0]["peak_in_flight"] == 4);
  REQUIRE(json["events"].size() == 64);
  CHECK(json["events"][0] ==
        Json{{"rank", 0}, {"action", "F0"}, {"start_ms", 0.0}, {"end_ms", 1.0}});
  CHECK(json["events"][63] ==
        Json{{"rank", 3}, {"action", "G7"}, {"start_ms", 25.0}, {"end_ms", 27.0}});
}

TEST_CASE("every kind's object is what the library builds and simulates, digit by digit") {
  const StageCosts costs{1.3, 1.1, 0.7, 0.3};
  const std::vector<std::string> options{
      "--forward-ms", "1.3", "--backward-input-ms", "1.1", "--backward-weight-ms", "0.7",
      "--send-ms",    "0.3", "--activation-bytes",  "7",   "--sends-in-flight",    "1"};
  for (const std::string& kind : schedule_kinds()) {
    INFO(kind);
    const Json json = Story::json(shape(kind, 4, 12, options));
    const int stages = 4 * chunks_of(kind);
    const std::vector<StageCosts> all(static_cast<std::size_t>(stages), costs);
    const Schedule schedule =
        build_schedule(kind, {4, 12}, {.costs = all, .sends_in_flight = 1}).value();
    const SimulatedSchedule times =
        simulate(schedule, all,
                 {.sends_in_flight = 1, .recompute_after_gradient = kind == "varuna"})
            .value();
    CHECK(json["makespan_ms"].get<double>() == times.makespan_ms);
    CHECK(json["bubble_rate"].get<double>() == times.bubble_rate);
    CHECK(json["placement"] == name_of(schedule.placement));
    CHECK(json["chunks"] == schedule.chunks);
    CHECK((json["bound_ms"].is_null() || json["bound_ms"] <= json["makespan_ms"]));
    std::size_t event = 0;
    for (std::size_t rank = 0; rank < 4; ++rank) {
      CHECK(json["ranks"][rank]["actions"] == actions_text(schedule, static_cast<int>(rank)));
      CHECK(json["ranks"][rank]["span_ms"].get<double>() == times.ranks[rank].span_ms);
      CHECK(json["ranks"][rank]["peak_in_flight"] == times.ranks[rank].peak_in_flight);
      const auto& actions = schedule.ranks[rank];
      for (std::size_t at = 0; at < actions.size(); at += parts_at(actions, at)) {
        const Json& one = json["events"][event++];
        CHECK(one["rank"] == rank);
        CHECK(one["action"] == text_of(schedule, static_cast<int>(rank), at));
        CHECK(one["start_ms"].get<double>() == times.ranks[rank].actions[at].start_ms);
        CHECK(one["end_ms"].get<double>() == times.ranks[rank].actions[at].end_ms);
      }
    }
    CHECK(json["events"].size() == event);
  }
}

TEST_CASE("no kind ends before its bound, and good ones reach it") {
  const std::vector<std::vector<std::string>> costs = {
      {},
      {"--send-ms", "2"},
      {"--forward-ms", "3", "--backward-input-ms", "0.1", "--backward-weight-ms", "0.1"},
      {"--forward-ms", "0.1", "--backward-input-ms", "0.3", "--backward-weight-ms", "5",
       "--send-ms", "0.7"}};
  for (const auto& options : costs) {
    for (const std::string& kind : schedule_kinds()) {
      for (const int stages : {1, 2, 3}) {
        const Json json = Story::json(shape(kind, stages, 6, options));
        INFO(kind << " of " << stages << ": " << join(options, " "));
        CHECK(json["bound_ms"] <= json["makespan_ms"]);
        if (stages == 1 && kind == "gpipe") CHECK(json["bound_ms"] == json["makespan_ms"]);
      }
    }
  }
  CHECK(Story::json(shape("zb-v", 3, 6))["bound_ms"] == 6 * 6 + 2);
}

TEST_CASE("what a person reads is a picture, and a text that --check proves") {
  const Story story;
  const CommandResult ended = Story::run(shape("zb-v", 2, 3, {"--activation-bytes", "1024"}));
  CHECK(ended.status == 0);
  CHECK(ended.err.empty());
  CHECK(
      ended.out ==
      "# zb-v, 2 stages, 3 micro-batches: makespan 19 ms, bubble 0 %, peak memory 4.0 KiB on rank "
      "0, bound 19 ms (reached)\n"
      "# 0 FFFfbwfbwBWfbwBWBW.\n"
      "# 1 .FfFfbwFBWfbwBbBWwW\n"
      "#   |0        |10\n"
      "# one cell is 1 ms; lower case: chunks other than 0\n"
      "# placement: v\n"
      "0: 0F0 0F1 0F2 1F0 1B0 1W0 1F1 1B1 1W1 0B0 0W0 1F2 1B2 1W2 0B1 0W1 0B2 0W2\n"
      "1: 0F0 1F0 0F1 1F1 1B0 1W0 0F2 0B0 0W0 1F2 1B1 1W1 0B1 1B2 0B2 0W1 1W2 0W2\n");
  // Every kind's own words are proven, and -o writes what stdout would have shown.
  for (const std::string& kind : schedule_kinds()) {
    INFO(kind);
    const std::string file = story.file(kind + ".txt");
    const CommandResult kept = Story::run(shape(kind, 3, 6, {"-o", file}));
    CHECK(kept.status == 0);
    CHECK(kept.out.empty());
    CHECK(read_file(file).value() == Story::run(shape(kind, 3, 6)).out);
    const CommandResult checked = Story::run({"--check", file});
    CHECK(checked.status == 0);
    CHECK_THAT(checked.out,
               Catch::Contains("# proven: every action is there, in order, and can run\n"));
  }
  const Json json = Story::json({"--check", story.file("zb-v.txt"), "--forward-ms", "2"});
  CHECK(json["kind"] == "file");
  CHECK(json["placement"] == "v");
  CHECK(json["stages"] == 3);
  CHECK(json["micro_batches"] == 6);
  CHECK(json["makespan_ms"] ==
        Story::json(shape("zb-v", 3, 6, {"--forward-ms", "2"}))["makespan_ms"]);
  CHECK(json["bound_ms"].is_null());
}

TEST_CASE("a schedule that cannot run is refuted by the smallest reason") {
  const Story story;
  const std::map<std::string, std::string> cases = {
      {"0: F0 F1 G0 G1\n1: F0 G0 F1\n", "rank 1 misses G1"},
      {"0: F0 G0\n1: G0 F0\n", "rank 1 runs G0 before F0"},
      {"0: F0 G0 F1 G1\n1: F1 F0 G0 G1\n",
       "rank 1 waits for F1 of rank 0, rank 0 waits for G0 of rank 1"}};
  for (const auto& [text, why] : cases) {
    const std::string file = story.write("s.txt", text);
    const std::string sentence = fmt::format("{}: {}", file, why);
    CHECK(Story::refused({"--check", file}, 1) == sentence);
    const CommandResult ended = Story::run({"--check", file, "--json"});
    CHECK(ended.status == 1);
    CHECK(ended.err == fmt::format("planaria: {}\n", sentence));
    const Json json = parse_json(ended.out, "refuted").value();
    CHECK(json["deadlock_free"] == false);
    CHECK(json["counterexample"] == why);
  }
  const std::string file = story.write("s.txt", "0: F0 Q1\n");
  CHECK(Story::refused({"--check", file}).starts_with(file + ": line 1, column 7: Q1: must be "));
  CHECK(Story::refused({"--check", story.write("s.txt", "")}) ==
        file + ": no ranks, must be at least 1");
  CHECK(Story::refused({"--check", story.file("none")}) ==
        story.file("none") + ": cannot be read: No such file or directory");
  CHECK(Story::refused({"--check", story.write("s.txt", "0: F999999 G999999\n1: F1\n2: F0\n")}) ==
        file + ": 3 stages of 1000000 micro-batches, must be at most 2000000 in all");
}

TEST_CASE("several pipelines run one schedule side by side") {
  const Json json = Story::json(shape("1f1b", 2, 3, {"--width", "2", "--staggered"}));
  CHECK(json["width"] == 2);
  CHECK(json["lost"] == Json{0, 0});
  CHECK(json["stages"] == 2);
  CHECK(json["micro_batches"] == 3);
  CHECK(json["makespan_ms"] == 12);
  CHECK(json["period_ms"] == 12);
  REQUIRE(json["ranks"].size() == 4);
  CHECK(json["ranks"][3]["actions"] == "F3 G3 F4 G4 F5 G5");
  const Story story;
  const std::string file = story.file("wide.txt");
  const CommandResult kept = Story::run(shape("1f1b", 2, 3, {"--width", "2", "-o", file}));
  CHECK(kept.status == 0);
  CHECK_THAT(read_file(file).value(), Catch::Contains("# to be checked with --width 2\n"));
  CHECK(Story::json({"--check", file, "--width", "2"})["width"] == 2);
  CHECK(Story::refused({"--check", file, "--width", "3"}) ==
        file + ": 4 ranks, must be a multiple of the width, 3");
  // As one pipeline of four ranks it is no whole step.
  CHECK(Story::refused({"--check", file}, 1) == file + ": rank 0 misses F3");
  const auto refuse = [](const std::vector<std::string>& others) {
    return Story::refused(shape("1f1b", 2, 3, others));
  };
  CHECK(refuse({"--width", "2", "--lost", "2"}) == "--lost: 2, must be of stage 0 to 1");
  CHECK(refuse({"--width", "2", "--lost", "1:2"}) ==
        "--lost: 1:2, must be 1 to 1 workers: one of the stage's 2 must live");
  CHECK(refuse({"--width", "3", "--lost", "1,1"}) ==
        "--lost: 1, must be of a stage that is not there twice");
  CHECK(refuse({"--width", "3", "--lost", "1:x"}) ==
        "--lost: 1:x, must be a stage, or a stage and how many, as 2:1");
  CHECK(refuse({"--width", "3", "--lost", ""}) ==
        "--lost: empty, must be a stage, or a stage and how many, as 2:1");
}

TEST_CASE("a limit that a kind does not keep is told with what would keep it") {
  CHECK(
      Story::refused(shape("zb-h2", 4, 8,
                           {"--activation-bytes", "10", "--weight-gradient-bytes", "5",
                            "--boundary-bytes", "9", "--memory-limit-bytes", "50"}),
                     1) ==
      "zb-h2, 4 stages, 8 micro-batches: rank 0 holds 70 bytes at its peak, must be at most 50: a "
      "limit of 70 would do; so do 1f1b, zb-h1");
  CHECK(Story::refused(shape("1f1b", 4, 8,
                             {"--activation-bytes", "10", "--memory-limit-bytes", "9",
                              "--boundary-bytes", "9"}),
                       1) ==
        "1f1b, 4 stages, 8 micro-batches: rank 0 holds 40 bytes at its peak, must be at most 9: a "
        "limit of 40 would do; no other kind does");
  const Json json = Story::json(shape(
      "zb-h2", 4, 8,
      {"--activation-bytes", "10", "--weight-gradient-bytes", "5", "--memory-limit-bytes", "70"}));
  CHECK(json["ranks"][0]["peak_memory_bytes"] == 70);
}

TEST_CASE("bad numbers and names get one sentence that tells what is allowed") {
  const std::string help = "; see planaria schedule --help";
  for (const char* number : {"nan", "inf", "-1", "1e400", "1e10", "abc", ""}) {
    for (const char* option : {"--forward-ms", "--backward-input-ms", "--backward-weight-ms",
                               "--send-ms", "--overlapped-ms"}) {
      CHECK(Story::refused(shape("1f1b", 2, 2, {option, number})) ==
            std::string(option) + ": Value " + number + " not in range 0 to 1000000000" + help);
    }
  }
  CHECK(Story::refused(shape("1f1b", 0, 2)) == "--stages: Value 0 not in range 1 to 4096" + help);
  CHECK(Story::refused(shape("1f1b", 2, 0)) ==
        "--micro-batches: Value 0 not in range 1 to 1000000" + help);
  CHECK(Story::refused(shape("1f1b", 2, 2, {"--activation-bytes", "-1"})) ==
        "--activation-bytes: Value -1 not in range 0 to 1000000000000" + help);
  CHECK(Story::refused(shape("1f1b", 2, 2, {"--seed", "-1"})) ==
        "--seed: Value -1 not in range 0 to 18446744073709551615" + help);
  CHECK(Story::refused(shape("1f2b", 2, 2)) ==
        "--kind: 1f2b, must be one of gpipe, 1f1b, interleaved, zb-h1, zb-h2, zb-v, v-half, v-min, "
        "dualpipe-v, varuna, varuna-jit, auto");
  CHECK(Story::refused(shape("zb-h2", 4, 6)) ==
        "micro_batches: 6, must be at least 7 for zb-h2 of 4 stages");
  CHECK(Story::refused(shape("interleaved", 4, 6)) ==
        "micro_batches: 6, must be a multiple of the stages, 4, for interleaved");
  CHECK(Story::refused(shape("1f1b", 2, 2, {"--chunks", "2"})) ==
        "--chunks: 2, must be left out or 1 for 1f1b");
  CHECK(Story::refused(shape("gpipe", 4096, 1000)) ==
        "--stages, --micro-batches: 4096000 of them in all, must be at most 2000000");
  CHECK(Story::refused(shape("dualpipe-v", 2, 4, {"--overlapped-ms", "1"})) ==
        "overlapped_ms: 1, must be at least 2, the longer part of 0F3&1G1");
  CHECK(Story::refused({"--stages", "2", "--micro-batches", "2"})
            .starts_with("--kind: missing, must be one of gpipe, "));
  CHECK(Story::refused({"--kind", "1f1b", "--micro-batches", "2"}) ==
        "--stages: missing, must be 1 to 4096, or --costs or --plan given");
  CHECK(Story::refused({"--kind", "1f1b", "--stages", "2"}) ==
        "--micro-batches: missing, must be 1 to 1000000");
}

TEST_CASE("options that contradict each other are refused before a file is looked at") {
  using Words = std::vector<std::string>;
  const std::vector<std::pair<Words, std::string>> cases = {
      {{"--costs", "c", "--forward-ms", "1"},
       "--forward-ms: not with --costs, whose file says that"},
      {{"--costs", "c", "--boundary-bytes", "1"},
       "--boundary-bytes: not with --costs, whose file says that"},
      {{"--costs", "c", "--profile", "p", "--plan", "q"},
       "--profile: not with --costs, which has costs of its own"},
      {{"--profile", "p", "--plan", "q", "--send-ms", "1"},
       "--send-ms: not with --plan, whose stages say that"},
      {{"--profile", "p"}, "--profile: only with --plan, must be given too or left out"},
      {{"--plan", "p"}, "--plan: only with --profile, must be given too or left out"},
      {{"--cluster", "c"}, "--cluster: only with --plan, must be given too or left out"},
      {{"--pipeline", "1"}, "--pipeline: only with --plan, must be given too or left out"},
      {{"--lost", "1"}, "--lost: only with --width, must be given too or left out"},
      {{"--in-flight-limit", "1"},
       "--in-flight-limit: only with --width, must be given too or left out"},
      {{"--staggered"}, "--staggered: only with --width, must be given too or left out"},
      {{"--check", "f"}, "--kind: not with --check, whose file says that"}};
  for (const auto& [others, sentence] : cases) {
    CHECK(Story::refused(shape("1f1b", 2, 2, others)) == sentence);
  }
  CHECK(Story::refused({"--check", "f", "--micro-batches", "2"}) ==
        "--micro-batches: not with --check, whose file says that");
}

}  // namespace planaria::test
