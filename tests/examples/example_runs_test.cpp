// The examples under `planaria run` and alone, over every transport.
#include <catch2/catch.hpp>

#include <algorithm>
#include <cstdlib>

#include <planaria/base/text.hpp>
#include <planaria/observe/events.hpp>

#include "examples/gpt_command.hpp"

namespace planaria::test {

TEST_CASE("train_gpt ends with the same bits alone and over every transport", "[conformance]") {
  TemporaryFolder folder;
  const std::string text = write_text(folder, 20000);
  const auto alone =
      run_command(small_gpt(text, 6) + std::vector<std::string>{"--run-dir", folder.file("alone")});
  INFO(alone.err);
  REQUIRE(alone.status == 0);
  for (const char* transport : {"unix", "tcp", "in-process"}) {
    INFO(transport);
    const std::string run = folder.file(transport);
    const auto trained = run_command(
        std::vector<std::string>{program("planaria"), "run", "--workers", "4", "--width", "2",
                                 "--depth", "2", "--transport", transport, "--run-dir", run, "--"} +
        small_gpt(text, 6));
    INFO(trained.err);
    REQUIRE(trained.status == 0);
    const auto compared =
        run_command({program("planaria"), "compare", folder.file("alone"), run, "--json"});
    INFO(compared.out << compared.err);
    CHECK(compared.status == 0);
    CHECK(Json::parse(compared.out) ==
          Json{{"version", 1}, {"equal", true}, {"first_difference", nullptr}});
    CHECK(result_of(run).at("redone_micro_batches") == 0);
  }
  // And a comparison that must fail: one step more.
  const std::string longer = folder.file("longer");
  REQUIRE(run_command(small_gpt(text, 7) + std::vector<std::string>{"--run-dir", longer}).status ==
          0);
  const auto different =
      run_command({program("planaria"), "compare", folder.file("alone"), longer, "--json"});
  CHECK(different.status == 1);
  CHECK(Json::parse(different.out).at("equal") == false);
}

TEST_CASE("layouts, schedules and lanes over real processes end with the same bits",
          "[conformance]") {
  TemporaryFolder folder;
  const std::string text = write_text(folder, 20000);
  const std::vector<std::string> sixteen = {"--micro-batches", "16",   "--optimizer", "sgd",
                                            "--learning-rate", "0.05", "--lane-size", "2"};
  const std::string reference = folder.file("reference");
  REQUIRE(
      run_command(small_gpt(text, 4) + sixteen + std::vector<std::string>{"--run-dir", reference})
          .status == 0);
  // Three pipelines of 1, 2 and 3 stages with shares 6, 8 and 2, workers in no order.
  const std::string layout = folder.file("layout.json");
  std::ofstream(layout) << R"({"pipelines": [
    {"micro_batches": 6, "stages": [{"first_layer": 0, "last_layer": 5, "worker": 4}]},
    {"micro_batches": 8, "stages": [{"first_layer": 0, "last_layer": 3, "worker": 0},
                                    {"first_layer": 4, "last_layer": 5, "worker": 5}]},
    {"micro_batches": 2, "stages": [{"first_layer": 0, "last_layer": 0, "worker": 2},
                                    {"first_layer": 1, "last_layer": 4, "worker": 1},
                                    {"first_layer": 5, "last_layer": 5, "worker": 3}]}]})";
  const std::vector<std::vector<std::string>> ways = {
      {"--workers", "6", "--layout", layout, "--transport", "tcp"},
      {"--workers", "4", "--width", "1", "--depth", "4", "--schedule", "gpipe"},
      {"--workers", "5", "--width", "2", "--depth", "2", "--transport", "tcp"},
      {"--workers", "7"},
  };
  for (std::size_t i = 0; i < ways.size(); ++i) {
    const std::string run = folder.file("run" + std::to_string(i));
    const auto trained =
        run_command(std::vector<std::string>{program("planaria"), "run", "--run-dir", run} +
                    ways[i] + std::vector<std::string>{"--"} + small_gpt(text, 4) + sixteen);
    INFO(trained.err);
    REQUIRE(trained.status == 0);
    const auto compared = run_command({program("planaria"), "compare", reference, run});
    INFO("way " << i << ": " << compared.out);
    CHECK(compared.status == 0);
  }
}

TEST_CASE("every layer of every micro-batch is computed once and told before", "[conformance]") {
  TemporaryFolder folder;
  const std::string text = write_text(folder, 20000);
  const std::string run = folder.file("run");
  const auto trained = run_command(std::vector<std::string>{program("planaria"), "run", "--workers",
                                                            "3", "--run-dir", run, "--"} +
                                   small_gpt(text, 2));
  INFO(trained.err);
  REQUIRE(trained.status == 0);
  std::map<std::tuple<std::int64_t, int, int, std::string>, int> computed;
  for (const Json& event : read_json_lines(run + "/events.jsonl").value()) {
    if (event.at("event") != "computed") continue;
    ++computed[{event.at("step").get<std::int64_t>(), event.at("micro_batch").get<int>(),
                event.at("layer").get<int>(), event.at("kind").get<std::string>()}];
  }
  CHECK(computed.size() == 2 * 8 * 6 * 2);  // steps, micro-batches, layers, F and G
  for (const auto& [what, times] : computed) CHECK(times == 1);
}

TEST_CASE("data_parallel learns, alone and with three workers, with the same bits",
          "[conformance]") {
  TemporaryFolder folder;
  const auto alone = run_command({program("data_parallel")});
  INFO(alone.err);
  REQUIRE(alone.status == 0);
  const auto lines = lines_of(alone.out);
  REQUIRE(lines.size() == 4);
  const std::string run = folder.file("run");
  const auto three =
      run_command({program("planaria"), "run", "--workers", "3", "--width", "3", "--depth", "1",
                   "--run-dir", run, "--", program("data_parallel")});
  INFO(three.err);
  REQUIRE(three.status == 0);
  // The same loss to the last printed digit at every line.
  for (const std::string& line : lines) CHECK_THAT(three.out + three.err, Catch::Contains(line));
  CHECK(result_of(run).at("final_loss").get<double>() < 0.01);
}

TEST_CASE("a loop of one's own learns as its plain twin does, and on three workers as on one",
          "[conformance]") {
  TemporaryFolder folder;
  const auto plain = run_command({program("own_loop"), "--plain"});
  const auto alone = run_command({program("own_loop")});
  INFO(plain.err << alone.err);
  REQUIRE(plain.status == 0);
  REQUIRE(alone.status == 0);
  const std::vector<std::vector<std::string>> ways = {
      {"--workers", "1"},
      {"--workers", "3", "--width", "1", "--depth", "3"},
      {"--workers", "4", "--spares", "1", "--width", "2", "--depth", "2", "--transport", "tcp"}};
  for (std::size_t i = 0; i < ways.size(); ++i) {
    const std::string run = folder.file("run" + std::to_string(i));
    const auto trained =
        run_command(std::vector<std::string>{program("planaria"), "run", "--run-dir", run} +
                    ways[i] + std::vector<std::string>{"--", program("own_loop")});
    INFO(trained.err);
    REQUIRE(trained.status == 0);
    // Every loss, trained and held out, to the last printed digit.
    for (const std::string& line : lines_of(alone.out))
      CHECK_THAT(trained.out, Catch::Contains(line));
    CHECK(run_command({program("planaria"), "compare", folder.file("run0"), run}).status == 0);
  }
  // The loop stopped by itself, where the held-out loss was small enough.
  const auto steps = result_of(folder.file("run0")).at("steps").get<int>();
  CHECK(steps < 400);
  CHECK(steps % 50 == 1);  // asked for after an evaluation, it rides the next record
  CHECK(result_of(folder.file("run0")).at("final_loss").get<double>() < 0.01);
  CHECK_THAT(plain.out, Catch::Contains("step 150"));

  const auto threads =
      run_command({program("planaria"), "run", "--workers", "2", "--transport", "in-process",
                   "--run-dir", folder.file("threads"), "--", program("own_loop")});
  CHECK(threads.status == 2);
  CHECK_THAT(threads.err, Catch::Contains("transport: in-process with 2 workers, must be 1"));
}

TEST_CASE("the two loops of own_loop are as alike as its guide says", "[conformance]") {
  const char* source = std::getenv("PLANARIA_SOURCE");
  REQUIRE(source != nullptr);
  const auto lines = lines_of(read_file(std::string(source) + "/examples/own_loop.cpp").value());
  CHECK(lines.size() < 120);
  const auto body = [&](const std::string& head) {
    auto at = std::find(lines.begin(), lines.end(), head);
    std::vector<std::string> found;
    for (; at != lines.end() && *at != "}"; ++at)
      found.push_back(at->substr(
          at->find_first_not_of(' ') == std::string::npos ? 0 : at->find_first_not_of(' ')));
    return found;
  };
  const auto plain = body("int plain() {");
  const auto elastic = body("int elastic() {");
  REQUIRE(plain.size() > 20);
  REQUIRE(elastic.size() > 20);
  const auto differing =
      std::count_if(elastic.begin(), elastic.end(), [&](const std::string& line) {
        return std::find(plain.begin(), plain.end(), line) == plain.end();
      });
  CHECK(differing < 25);
}

TEST_CASE("train_gpt evaluates on the held-out samples, the same in every layout",
          "[conformance]") {
  TemporaryFolder folder;
  const std::string text = write_text(folder, 20000);
  const std::vector<std::string> evaluating = {"--evaluate-every", "3"};
  std::vector<std::vector<Json>> found;
  for (const std::string workers : {"1", "3", "4"}) {
    const std::string run = folder.file("run" + workers);
    const auto trained =
        run_command(std::vector<std::string>{program("planaria"), "run", "--workers", workers,
                                             "--run-dir", run, "--"} +
                    small_gpt(text, 7) + evaluating);
    INFO(trained.err);
    REQUIRE(trained.status == 0);
    CHECK_THAT(trained.out, Catch::Contains("step 6  held-out loss"));
    found.emplace_back();
    for (Json& event : read_json_lines(run + "/events.jsonl").value()) {
      if (event.at("event") != "evaluated") continue;
      event.erase("t_ms");
      found.back().push_back(event);
    }
    REQUIRE(found.back().size() == 2);
    CHECK(found.back()[0].at("samples") == 62);  // 5 % of 1249 samples
    CHECK(found.back() == found.front());
  }
}

TEST_CASE("SIGTERM to a program that trains alone ends it after the step in flight",
          "[conformance]") {
  TemporaryFolder folder;
  const std::string text = write_text(folder, 20000);
  const std::string run = folder.file("run");
  // The program writes its steps; the shell kills it at the third line, whenever that comes.
  std::string command = "exec 3>&1; ( ";
  for (const std::string& word : small_gpt(text, 100000)) command += "'" + word + "' ";
  command += "--run-dir '" + run +
             "' & echo $!; wait $!; echo status $? >&3 ) | "
             "{ read pid; read a; read b; read c; kill -TERM $pid; cat >/dev/null; }";
  const auto ended = run_command({"/bin/bash", "-c", command});
  INFO(ended.out << ended.err);
  CHECK_THAT(ended.out, Catch::Contains("status 0"));
  const auto steps = result_of(run).at("steps").get<std::int64_t>();
  CHECK(steps >= 3);
  CHECK(steps < 100000);
  const auto events = read_json_lines(run + "/events.jsonl").value();
  const auto asked = std::find_if(events.begin(), events.end(), [](const Json& event) {
    return event.at("event") == "stop_asked";
  });
  REQUIRE(asked != events.end());
  CHECK(asked->at("why") == "signal 15 (Terminated)");
}

}  // namespace planaria::test
