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
