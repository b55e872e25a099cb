// `planaria profile` as a person runs it: programs that train, programs that do not, bad input.
#include <algorithm>
#include <filesystem>

#include <catch2/catch.hpp>

#include <planaria/base/text.hpp>
#include <planaria/model/profile.hpp>

#include "examples/gpt_command.hpp"

namespace planaria::test {
namespace {

// Sockets and secrets lie there while it runs.
CommandResult profile(const TemporaryFolder& folder, const std::vector<std::string>& options,
                      const std::vector<std::string>& command) {
  std::filesystem::create_directories(folder.file("tmp"));
  return run_command(std::vector<std::string>{program("planaria"), "profile"} + options +
                         std::vector<std::string>{"--"} + command,
                     {{"TMPDIR", folder.file("tmp")}});
}

bool left_nothing(const TemporaryFolder& folder) {
  return std::filesystem::is_empty(folder.file("tmp"));
}

}  // namespace

TEST_CASE("a program that trains is measured, and leaves a profile that is read back", "[unit]") {
  TemporaryFolder folder;
  const std::string text = write_text(folder, 40000);
  const std::string file = folder.file("profile.json");
  const CommandResult result =
      profile(folder, {"--micro-batch-sizes", "1,2", "--repeats", "1", "--json", "-o", file},
              small_gpt(text, 3));
  INFO(result.err);
  REQUIRE(result.status == 0);
  REQUIRE(lines_of(result.out).size() == 1);
  const Json printed = parse_json(result.out, "stdout").value();
  CHECK(printed == read_json_file(file).value());
  const Profile found = profile_from_json(printed, "stdout").value();
  CHECK(found.model == "train_gpt");
  CHECK(found.device == "cpu x 1 thread");
  CHECK(found.micro_batch_sizes == std::vector<int>{1, 2});
  REQUIRE(found.layers.size() == 6);
  CHECK(found.layers.front().name == "embedding");
  CHECK(found.layers.back().tied_to == "embedding");
  // Blocks are alike, and what a micro-batch holds grows with it.
  for (std::size_t i = 1; i < 5; ++i) {
    INFO(found.layers[i].name);
    CHECK(found.layers[i].activation_bytes == found.layers[1].activation_bytes);
    CHECK(found.layers[i].activation_bytes[1] == 2 * found.layers[i].activation_bytes[0]);
    CHECK(found.layers[i].boundary_bytes ==
          std::vector<std::int64_t>{16 * 32 * 4, 2 * 16 * 32 * 4});
    CHECK(found.layers[i].weight_gradient_bytes[0] > 0);
  }
  CHECK(found.transfer.back().bytes > found.layers[1].gradient_bytes);
  CHECK_THAT(result.err, Catch::Contains("repeats differ by"));
  CHECK(left_nothing(folder));
}

TEST_CASE("a program with a loop of its own is measured as it is", "[unit]") {
  TemporaryFolder folder;
  const std::string file = folder.file("profile.json");
  const CommandResult result =
      profile(folder, {"--repeats", "1", "-o", file}, {program("own_loop")});
  INFO(result.err);
  REQUIRE(result.status == 0);
  CHECK_THAT(result.out, Catch::Contains("own_loop on cpu x 1 thread"));
  CHECK(profile_from_json(read_json_file(file).value(), file).ok());
}

TEST_CASE("a plan's stages are simulated with a measured profile", "[unit]") {
  TemporaryFolder folder;
  const std::string text = write_text(folder, 40000);
  const std::string file = folder.file("profile.json");
  REQUIRE(profile(folder, {"--repeats", "1", "-o", file}, small_gpt(text, 3)).status == 0);
  std::ofstream(folder.file("plan.json")) << R"({"version": 1, "micro_batches": 8,
    "micro_batch_size": 2, "lane_size": 1, "schedule": "1f1b", "pipelines": [{"micro_batches": 8,
    "stages": [{"first_layer": 0, "last_layer": 2, "worker": 0},
               {"first_layer": 3, "last_layer": 5, "worker": 1}]}]})";
  const CommandResult result = run_command({program("planaria"), "schedule", "--profile", file,
                                            "--plan", folder.file("plan.json"), "--json"});
  INFO(result.err);
  REQUIRE(result.status == 0);
  const Json schedule = parse_json(result.out, "stdout").value();
  CHECK(schedule.at("makespan_ms") > 0);
  CHECK(schedule.at("ranks").at(0).at("peak_memory_bytes") > 0);
}

TEST_CASE("a program that does not train is told so", "[unit]") {
  TemporaryFolder folder;
  const CommandResult idle = profile(folder, {}, {"true"});
  CHECK(idle.status == 1);
  CHECK(idle.err ==
        "planaria: true ended without being measured: it has trained with neither "
        "planaria::Trainer nor planaria::Session\n");
  const CommandResult failing = profile(folder, {}, {"sh", "-c", "echo last words >&2; exit 3"});
  CHECK(failing.status == 1);
  CHECK(failing.err == "last words\nplanaria: sh exited with status 3 before it was measured\n");
  CHECK(failing.out.empty());
  const CommandResult killed = profile(folder, {}, {"sh", "-c", "kill -9 $$"});
  CHECK(killed.status == 1);
  CHECK_THAT(killed.err, Catch::Contains("was killed by signal 9"));
  CHECK(left_nothing(folder));
}

TEST_CASE("whoever fails as the other worker ends the measurement", "[unit]") {
  TemporaryFolder folder;
  const std::string text = write_text(folder, 40000);
  const std::string script = R"(case "$PLANARIA_PROFILE" in *'"other":""'*) exec "$0" "$@";; esac
    echo no second one >&2; exit 4)";
  const CommandResult result =
      profile(folder, {"--repeats", "1"},
              std::vector<std::string>{"sh", "-c", script} + small_gpt(text, 3));
  INFO(result.err);
  CHECK(result.status == 1);
  CHECK_THAT(result.err, Catch::Contains("no second one\n"));
  CHECK_THAT(result.err, Catch::Contains("planaria: sh as the other worker exited with status 4"));
  CHECK(left_nothing(folder));
}

TEST_CASE("a program that is measured and then misses its model was measured", "[unit]") {
  TemporaryFolder folder;
  const std::string text = write_text(folder, 40000);
  const CommandResult result =
      profile(folder, {"--repeats", "1", "--json"},
              std::vector<std::string>{"sh", "-c", R"("$0" "$@"; exit 5)"} + small_gpt(text, 3));
  INFO(result.err);
  CHECK(result.status == 0);
  CHECK(profile_from_json(parse_json(result.out, "stdout").value(), "stdout").ok());
  CHECK_THAT(result.err, Catch::Contains("sh was measured, and then exited with status 5"));
}

TEST_CASE("bad input of a profile is one sentence, the program's own too", "[unit]") {
  TemporaryFolder folder;
  const std::string text = write_text(folder, 40000);
  const std::vector<std::string> gpt = small_gpt(text, 3);
  const std::string missing = folder.file("no/such/profile.json");
  struct Case {
    std::vector<std::string> options, command;
    std::string what;
  };
  const std::vector<Case> cases = {
      {{}, {}, "no program: write it behind two dashes"},
      {{}, {"no-such-program"}, "program no-such-program: no such executable file in PATH"},
      {{"--repeats", "4"}, gpt, "--repeats: 4, must be odd"},
      {{"--repeats", "1001"}, gpt, "not in range 1 to 999"},
      {{"--micro-batch-sizes", "1,x"}, gpt, "--micro-batch-sizes: 1,x, must be whole numbers"},
      {{"--micro-batch-sizes", "0"}, gpt, "--micro-batch-sizes: 0, must be whole numbers"},
      {{"--micro-batch-sizes", "4,2"}, gpt, "--micro-batch-sizes: 4,2, must ascend"},
      {{"-o", missing}, gpt, "-o: " + missing + ", must lie in a folder that exists"},
      {{"--micro-batch-sizes", "1,100000"},
       gpt,
       "micro_batch_sizes: 100000, must be at most 1187, half of the data set"},
      {{}, gpt + std::vector<std::string>{"--threads", "0"}, "threads: 0, must be at least 1"},
  };
  for (const Case& each : cases) {
    const CommandResult result = profile(folder, each.options, each.command);
    INFO("stdout: " << result.out << "\nstderr: " << result.err);
    CHECK(result.status == 2);
    CHECK(result.out.empty());
    CHECK(lines_of(result.err).size() == 1);
    CHECK_THAT(result.err, Catch::Contains(each.what));
  }
  CHECK(left_nothing(folder));
}

TEST_CASE("others may compute beside while it is measured, and nothing of them stays", "[unit]") {
  TemporaryFolder folder;
  const std::string text = write_text(folder, 40000);
  const std::string file = folder.file("profile.json");
  const CommandResult result =
      profile(folder, {"--repeats", "3", "--beside", "2", "-o", file}, small_gpt(text, 3));
  INFO(result.err);
  REQUIRE(result.status == 0);
  CHECK(profile_from_json(read_json_file(file).value(), file).ok());
  CHECK(left_nothing(folder));
  CHECK(profile(folder, {"--beside", "-1"}, small_gpt(text, 3)).status == 2);
}

TEST_CASE("a run by a profile that it measures first ends with the same bits", "[unit]") {
  TemporaryFolder folder;
  const std::string text = write_text(folder, 40000);
  const auto run = [&](const std::string& name, const std::vector<std::string>& options) {
    return run_command(std::vector<std::string>{program("planaria"), "run", "--json", "--run-dir",
                                                folder.file(name)} +
                       options + std::vector<std::string>{"--"} + small_gpt(text, 3));
  };
  REQUIRE(run("alone", {"--workers", "1"}).status == 0);
  const CommandResult result = run("measured", {"--workers", "3", "--profile", "measure"});
  INFO(result.err);
  REQUIRE(result.status == 0);
  CHECK(lines_of(result.out).size() == 1);
  CHECK_THAT(result.err, Catch::Contains("repeats differ by"));
  CHECK_THAT(read_file(folder.file("measured/events.jsonl")).value(),
             Catch::Contains("predicted by the profile"));
  const auto compared =
      run_command({program("planaria"), "compare", folder.file("alone"), folder.file("measured")});
  INFO(compared.out);
  CHECK(compared.status == 0);

  // The same profile again, now from a file.
  const Json asked = read_json_file(folder.file("measured/run.json")).value();
  const std::string file = folder.file("profile.json");
  std::ofstream(file) << asked.at("profile");
  REQUIRE(run("read", {"--workers", "3", "--profile", file, "--memory-gib", "1"}).status == 0);
  const Json again = read_json_file(folder.file("read/run.json")).value();
  CHECK(again.at("profile") == asked.at("profile"));
  CHECK(again.at("memory_bytes") == 1 << 30);
}

TEST_CASE("a run whose memory is short recomputes, and ends with the same bits", "[unit]") {
  TemporaryFolder folder;
  const std::string text = write_text(folder, 40000);
  const std::string file = folder.file("profile.json");
  const auto gpt = small_gpt(text, 4);
  REQUIRE(profile(folder, {"--repeats", "1", "-o", file}, gpt).status == 0);
  const auto plan = [&](const std::string& recompute, double gib) {
    return run_command({program("planaria"), "plan", "--profile", file, "--workers", "2",
                        "--memory-gib", fmt::format("{:.9f}", gib), "--micro-batches", "8",
                        "--width", "1", "--depth", "2", "--schedule", "gpipe", "--recompute",
                        recompute, "--json"});
  };
  const auto peak = [&](const std::string& recompute) {
    const CommandResult planned = plan(recompute, 900);
    INFO(planned.err);
    REQUIRE(planned.status == 0);
    double most = 0;
    const Json stages = Json::parse(planned.out).at("pipelines").at(0).at("stages");
    for (const Json& stage : stages) {
      most = std::max(most, stage.at("peak_memory_bytes").get<double>());
    }
    return most / (1 << 30);
  };
  // Between what two stages hold with and without all activations; the times measured decide the
  // cut, and another cut than the fastest may hold less.
  const double always = peak("always");
  const double never = peak("never");
  double gib = never;
  for (double share = 0.5; share > 0.01 && plan("never", gib).status == 0; share *= 0.7) {
    gib = always + (share * (never - always));
  }
  REQUIRE(gib < never);
  const auto run = [&](const std::string& name, const std::vector<std::string>& options) {
    return run_command(std::vector<std::string>{program("planaria"), "run", "--run-dir",
                                                folder.file(name), "--commit-domains", "1"} +
                       options + std::vector<std::string>{"--"} + gpt);
  };
  const std::vector<std::string> pipeline{
      "--workers",  "2",     "--width",   "1",  "--depth",      "2",
      "--schedule", "gpipe", "--profile", file, "--memory-gib", fmt::format("{:.9f}", gib)};
  REQUIRE(run("alone", {"--workers", "1"}).status == 0);
  const CommandResult refused =
      run("never", pipeline + std::vector<std::string>{"--recompute", "never"});
  CHECK(refused.status == 2);
  CHECK_THAT(refused.err, Catch::Contains("nothing fits"));
  const CommandResult result = run("short", pipeline);
  INFO(result.err);
  REQUIRE(result.status == 0);
  const std::string events = read_file(folder.file("short/events.jsonl")).value();
  CHECK_THAT(events, Catch::Contains(" recompute"));
  CHECK_THAT(events, Catch::Contains("\"kind\":\"R\""));
  const auto compared =
      run_command({program("planaria"), "compare", folder.file("alone"), folder.file("short")});
  INFO(compared.out);
  CHECK(compared.status == 0);
  CHECK(read_json_file(folder.file("short/run.json")).value().at("recompute") == "any");

  // The schedule too may be the plan's.
  const CommandResult any = run("any", {"--workers", "2", "--width", "1", "--depth", "2",
                                        "--schedule", "any", "--profile", file});
  INFO(any.err);
  REQUIRE(any.status == 0);
  CHECK_THAT(read_file(folder.file("any/events.jsonl")).value(), Catch::Contains(", by "));
  CHECK(run_command({program("planaria"), "compare", folder.file("alone"), folder.file("any")})
            .status == 0);
  CHECK(run("none", {"--schedule", "any"}).status == 2);
  CHECK(run("none", {"--recompute", "any"}).status == 2);
  CHECK_FALSE(std::filesystem::exists(folder.file("none")));
}

TEST_CASE("a run refuses a profile of another model, and one that cannot be measured", "[unit]") {
  TemporaryFolder folder;
  const std::string text = write_text(folder, 40000);
  const std::string file = folder.file("profile.json");
  REQUIRE(profile(folder, {"--repeats", "1", "-o", file}, {program("own_loop")}).status == 0);
  const auto run = [&](const std::vector<std::string>& options,
                       const std::vector<std::string>& command) {
    return run_command(
        std::vector<std::string>{program("planaria"), "run", "--run-dir", folder.file("run")} +
        options + std::vector<std::string>{"--"} + command);
  };
  const CommandResult other = run({"--workers", "2", "--profile", file}, small_gpt(text, 3));
  CHECK(other.status == 2);
  CHECK_THAT(other.err, Catch::Contains("profile: "));
  const CommandResult idle = run({"--profile", "measure"}, {"true"});
  CHECK(idle.status == 1);
  CHECK_THAT(idle.err, Catch::Contains("ended without being measured"));
  const CommandResult missing = run({"--profile", folder.file("none.json")}, small_gpt(text, 3));
  CHECK(missing.status == 2);
  CHECK_THAT(missing.err, Catch::Contains("none.json"));
  CHECK(run({"--memory-gib", "1"}, small_gpt(text, 3)).status == 2);
  CHECK_FALSE(std::filesystem::exists(folder.file("run")));
}

}  // namespace planaria::test
