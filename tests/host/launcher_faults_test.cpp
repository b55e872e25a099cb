// Runs with faults that nobody dies of: what the launcher does, and what it says at the end.
#include <catch2/catch.hpp>

#include <filesystem>

#include <fmt/format.h>

#include <planaria/base/text.hpp>

#include "host/processes.hpp"

namespace planaria::test {
namespace {

namespace fs = std::filesystem;

struct Run {
  Ended ended;
  std::string run_dir;
  std::vector<Json> strikes;
};

Run run_with(const TemporaryFolder& folder, const std::string& faults,
             const std::vector<std::string>& options, const std::vector<std::string>& toy) {
  Run run{.ended = {}, .run_dir = folder.file("run"), .strikes = {}};
  std::vector<std::string> all = {"--faults", faults, "--run-dir", run.run_dir};
  all.insert(all.end(), options.begin(), options.end());
  run.ended = planaria_ends(toy_run(all, toy));
  run.strikes = events_of(run.run_dir, "fault_injected");
  return run;
}

std::vector<std::string> sentences(const Ended& ended) {
  std::vector<std::string> found;
  for (const auto& line : lines_of(ended.err)) {
    if (!line.starts_with("step ")) found.push_back(line);
  }
  return found;
}

using Sentences = std::vector<std::string>;

}  // namespace

TEST_CASE("a worker that stopped itself is continued, and the bits are those without faults") {
  const TemporaryFolder folder;
  const Run run =
      run_with(folder, "stop@step=3:worker=1:for_s=0.1", {"--workers", "3"}, {"--steps", "6"});
  INFO(run.ended.err);
  CHECK(run.ended.status == 0);
  REQUIRE(run.strikes.size() == 1);
  CHECK(run.strikes[0].at("worker") == 1);
  CHECK(run.strikes[0].at("kind") == "stop");
  CHECK(run.strikes[0].at("phase") == "forward");
  CHECK(run.strikes[0].at("step") == 3);
  CHECK(read_json_file(run.run_dir + "/run.json").value().at("faults") ==
        "stop@step=3:worker=1:for_s=0.1");
  const std::string quiet = folder.file("quiet");
  REQUIRE(planaria_ends(toy_run({"--workers", "3", "--run-dir", quiet}, {"--steps", "6"})).status ==
          0);
  CHECK(read_json_file(quiet + "/run.json").value().at("faults").is_null());
  const Ended compared = planaria_ends({"compare", quiet, run.run_dir});
  CHECK(compared.out == "equal: losses, norms, ledger, weights and state\n");
}

TEST_CASE("a worker is stopped by the clock in the phase that its page says") {
  const TemporaryFolder folder;
  const Run run = run_with(folder, "stop@s=0:worker=0:for_s=0.05,stop@s=0.01:worker=1:for_s=0.05",
                           {"--workers", "2"}, {"--steps", "300"});
  INFO(run.ended.err);
  CHECK(run.ended.status == 0);
  REQUIRE(run.strikes.size() == 2);
  CHECK(run.strikes[1].at("t_ms").get<double>() - run.strikes[0].at("t_ms").get<double>() >= 10);
  CHECK_FALSE(fs::exists(run.run_dir + "/workers"));
}

TEST_CASE("an order that never struck fails the run behind its own outcome, and the model stays") {
  const TemporaryFolder folder;
  const Run run = run_with(folder, "kill@s=100000:worker=1,stop@step=2:worker=0:phase=idle",
                           {"--workers", "2", "--json"}, {"--steps", "3"});
  CHECK(run.ended.status == 1);
  const Sentences said = sentences(run.ended);
  REQUIRE(said.size() >= 2);
  CHECK(said[said.size() - 2] == "planaria: fault kill@s=100000:worker=1 never struck");
  CHECK(said.back() == "planaria: fault stop@step=2:worker=0:phase=idle never struck");
  CHECK(fs::exists(run.run_dir + "/model.safetensors"));
  CHECK(Json::parse(run.ended.out).at("steps") == 3);
  CHECK(run.strikes.empty());
}

TEST_CASE("faults that the program's own numbers rule out end the run before its first step") {
  for (const std::string transport : {"unix", "in-process"}) {
    INFO(transport);
    const TemporaryFolder folder;
    const std::vector<std::pair<std::string, std::string>> cases = {
        {"throw@step=7:micro_batch=1:layer=2", "step: 7, must be a whole number from 1 to 6"},
        {"throw@step=6:micro_batch=8:layer=2",
         "micro_batch: 8, must be a whole number from 0 to 7"},
        {"throw@step=6:micro_batch=7:layer=6", "layer: 6, must be a whole number from 0 to 5"},
    };
    for (const auto& [faults, what] : cases) {
      const Run run =
          run_with(folder, faults, {"--workers", "2", "--transport", transport}, {"--steps", "6"});
      INFO(run.ended.err);
      CHECK(run.ended.status == 2);
      CHECK(sentences(run.ended) ==
            Sentences{fmt::format("planaria: --faults: {}: {}", faults, what)});
      CHECK_FALSE(fs::exists(run.run_dir));
    }
  }
}

TEST_CASE("a join starts workers with the numbers behind the spares") {
  const TemporaryFolder folder;
  const Run run = run_with(folder, "join@step=2:count=2", {"--workers", "2", "--spares", "1"},
                           {"--steps", "200"});
  INFO(run.ended.err);
  CHECK(run.ended.status == 0);
  REQUIRE(run.strikes.size() == 2);
  CHECK(run.strikes[0].at("worker") == 3);
  CHECK(run.strikes[1].at("worker") == 4);
  CHECK(run.strikes[0].at("kind") == "join");
}

}  // namespace planaria::test
