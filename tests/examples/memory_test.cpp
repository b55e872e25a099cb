// A worker holds its own layers and nothing else, and training does not grow.
#include <catch2/catch.hpp>

#include <planaria/observe/events.hpp>

#include "examples/gpt_command.hpp"

namespace planaria::test {
namespace {

std::vector<std::string> wide_gpt(const std::string& text) {
  return {program("train_gpt"),
          "--text",
          text,
          "--blocks",
          "8",
          "--d-model",
          "512",
          "--heads",
          "8",
          "--context",
          "32",
          "--micro-batches",
          "8",
          "--micro-batch-size",
          "1",
          "--steps",
          "2"};
}

// Peak resident bytes by number of layers held, largest of each.
std::map<std::size_t, std::int64_t> peaks(const std::string& run_dir) {
  std::map<std::size_t, std::int64_t> result;
  const Json ended = result_of(run_dir);
  for (const Json& worker : ended.at("workers")) {
    auto& peak = result[worker.at("layers").size()];
    peak = std::max(peak, worker.at("peak_resident_bytes").get<std::int64_t>());
  }
  return result;
}

}  // namespace

TEST_CASE("a worker of depth 4 needs at most .4 of what depth 1 needs for its layers",
          "[conformance]") {
  TemporaryFolder folder;
  const std::string text = write_text(folder, 40000);
  const auto run = [&](const std::string& name, const std::string& workers,
                       const std::string& depth) {
    const auto result = run_command(
        std::vector<std::string>{program("planaria"), "run", "--workers", workers, "--width", "1",
                                 "--depth", depth, "--run-dir", folder.file(name), "--"} +
        wide_gpt(text));
    INFO(result.err);
    REQUIRE(result.status == 0);
    return peaks(folder.file(name));
  };
  const auto deep = run("deep", "5", "4");  // one worker stays idle
  const auto whole = run("whole", "1", "1");
  REQUIRE(deep.contains(0));
  const double idle = static_cast<double>(deep.at(0));
  double largest = 0;
  for (const auto& [layers, peak] : deep) {
    if (layers > 0) largest = std::max(largest, static_cast<double>(peak));
  }
  const double alone = static_cast<double>(whole.begin()->second);
  INFO("idle " << idle / 1e6 << " MB, largest of depth 4 " << largest / 1e6 << " MB, depth 1 "
               << alone / 1e6);
  CHECK((largest - idle) / (alone - idle) <= 0.4);
}

TEST_CASE("step 500 needs at most 2 MiB more than step 50", "[conformance]") {
  TemporaryFolder folder;
  const std::string text = write_text(folder, 20000);
  const auto result = run_command(std::vector<std::string>{program("planaria"), "run", "--workers",
                                                           "4", "--width", "2", "--depth", "2",
                                                           "--run-dir", folder.file("run"), "--"} +
                                  small_gpt(text, 500));
  INFO(result.err);
  REQUIRE(result.status == 0);
  std::map<std::string, std::int64_t> at_50;
  std::map<std::string, std::int64_t> at_500;
  for (const Json& event : read_json_lines(folder.file("run") + "/events.jsonl").value()) {
    if (event.at("event") != "step_committed") continue;
    for (const auto& [worker, bytes] : event.at("resident_bytes").items()) {
      if (event.at("step") == 50) at_50[worker] = bytes.get<std::int64_t>();
      if (event.at("step") == 500) at_500[worker] = bytes.get<std::int64_t>();
    }
  }
  REQUIRE(at_50.size() == 4);
  REQUIRE(at_500.size() == 4);
  for (const auto& [worker, bytes] : at_500) {
    INFO("worker " << worker << ": " << at_50.at(worker) << " at step 50, " << bytes
                   << " at step 500");
    CHECK(bytes <= at_50.at(worker) + (2 << 20));
  }
}

}  // namespace planaria::test
