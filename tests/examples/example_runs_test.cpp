// The examples under `planaria run` and alone, over every transport.
#include <catch2/catch.hpp>

#include <planaria/observe/events.hpp>

#include "examples/gpt_command.hpp"

using namespace planaria;
using namespace planaria::test;

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
  for (const std::string& line : lines)
    CHECK(three.err.find(line) + three.out.find(line) != 2 * std::string::npos);
  CHECK(result_of(run).at("final_loss").get<double>() < 0.01);
}
