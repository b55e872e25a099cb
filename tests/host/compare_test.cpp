#include <catch2/catch.hpp>

#include <filesystem>
#include <functional>

#include <planaria/base/text.hpp>
#include <planaria/host/compare.hpp>

#include "host/processes.hpp"

namespace planaria::host {
namespace {

namespace fs = std::filesystem;
using test::TemporaryFolder;

/// A run of three steps, as little of it as compare reads.
struct SmallRun {
  std::vector<Json> events, ledger;
  Json result = {{"steps", 3}, {"weights_xxh3_128", "aa"}, {"state_xxh3_128", "bb"}};

  SmallRun() {
    for (int step = 1; step <= 3; ++step) {
      events.push_back({{"t_ms", 10.0 * step}, {"event", "computed"}, {"step", step}});
      events.push_back({{"event", "step_committed"},
                        {"step", step},
                        {"loss", 6.0 / step},
                        {"norm", 0.5 * step}});
      ledger.push_back({{"step", step},
                        {"epoch", 0},
                        {"micro_batches", {{step, 2}, {3, 4}}},
                        {"read_xxh3", {"r0", "r1"}},
                        {"labelled_xxh3", {"l0", "l1"}}});
    }
  }

  void write_to(const std::string& path) const {
    fs::create_directories(path);
    const auto lines = [](const std::vector<Json>& objects) {
      std::string text;
      for (const Json& object : objects) text += object.dump() + "\n";
      return text;
    };
    REQUIRE(write_file_atomically(path + "/run.json", "{}\n").ok());
    REQUIRE(write_file_atomically(path + "/events.jsonl", lines(events)).ok());
    REQUIRE(write_file_atomically(path + "/ledger.jsonl", lines(ledger)).ok());
    REQUIRE(write_file_atomically(path + "/result.json", result.dump() + "\n").ok());
  }
};

std::string difference_after(const std::function<void(SmallRun&)>& change) {
  const TemporaryFolder folder;
  SmallRun run;
  run.write_to(folder.file("a"));
  change(run);
  run.write_to(folder.file("b"));
  const auto compared = compare_runs(folder.file("a"), folder.file("b"));
  REQUIRE(compared.ok());
  CHECK(compared.value().equal == !compared.value().first_difference.has_value());
  return compared.value().first_difference.value_or("none");
}

}  // namespace

TEST_CASE("two runs are compared by what they trained, not by when") {
  CHECK(difference_after([](SmallRun&) {}) == "none");
  CHECK(difference_after([](SmallRun& run) { run.events[0]["t_ms"] = 77.0; }) == "none");
  // A step that was done again after a roll-back stands there twice with the same loss.
  CHECK(difference_after([](SmallRun& run) { run.events.push_back(run.events[3]); }) == "none");
}

TEST_CASE("who computed, what befell them and how long it took are no difference") {
  CHECK(difference_after([](SmallRun& run) {
          for (const char* text : {R"({"event":"fault_injected","worker":1,"step":2})",
                                   R"({"event":"worker_lost","worker":1,"step":2})",
                                   R"({"event":"view","view":2,"layout":"another"})",
                                   R"({"event":"rolled_back","from":1,"to":0})"}) {
            run.events.insert(run.events.begin() + 2, Json::parse(text));
          }
          for (Json& event : run.events) {
            event["view"] = 2;
            event["t_ms"] = 99.0;
            event["step_ms"] = 7.5;
            event["resident_bytes"] = Json{{"3", 100}};
          }
          run.result["views"] = 5;
          run.result["workers_lost"] = 1;
          run.result["recoveries"] = Json::parse(R"([{"worker":1,"resume_ms":3.0}])");
          run.result["redone_micro_batches"] = 8;
          run.result["workers"] = Json::array();
          run.result["throughput_samples_per_s"] = 1.0;
        }) == "none");
}

TEST_CASE("the first difference is named with both values") {
  CHECK(difference_after([](SmallRun& run) { run.events[3]["loss"] = 3.0000000000000004; }) ==
        "step 2: loss 3.0 and 3.0000000000000004");
  CHECK(difference_after([](SmallRun& run) { run.events[3]["loss"] = nullptr; }) ==
        "step 2: loss 3.0 and null");
  CHECK(difference_after([](SmallRun& run) { run.events[5]["norm"] = 2.0; }) ==
        "step 3: norm 1.5 and 2.0");
  CHECK(difference_after([](SmallRun& run) {
          run.ledger[1]["micro_batches"][1] = {3, 5};
        }) == "ledger, step 2: micro-batch 1 read samples [3,4] and [3,5]");
  CHECK(difference_after([](SmallRun& run) { run.ledger[2]["read_xxh3"][0] = "x"; }) ==
        "ledger, step 3: micro-batch 0 read bytes of hash \"r0\" and \"x\"");
  CHECK(difference_after([](SmallRun& run) { run.ledger[2]["labelled_xxh3"][1] = "x"; }) ==
        "ledger, step 3: micro-batch 1 was labelled by bytes of hash \"l1\" and \"x\"");
  CHECK(difference_after([](SmallRun& run) { run.ledger[0]["read_xxh3"].push_back("x"); }) ==
        "ledger, step 1: 2 and 3 micro-batches");
  CHECK(difference_after([](SmallRun& run) { run.events.resize(4); }) == "steps: 3 and 2");
  CHECK(difference_after([](SmallRun& run) { run.ledger.resize(2); }) == "ledger: 3 and 2 steps");
  CHECK(difference_after([](SmallRun& run) { run.result["weights_xxh3_128"] = "cc"; }) ==
        "weights_xxh3_128: \"aa\" and \"cc\"");
  CHECK(difference_after([](SmallRun& run) { run.result["state_xxh3_128"] = "cc"; }) ==
        "state_xxh3_128: \"bb\" and \"cc\"");
}

TEST_CASE("of several differences the earliest kind and step is named") {
  CHECK(difference_after([](SmallRun& run) {
          run.result["weights_xxh3_128"] = "cc";
          run.ledger[0]["read_xxh3"][0] = "x";
          run.events[5]["loss"] = 1.0;
        }) == "step 3: loss 2.0 and 1.0");
}

TEST_CASE("minus zero is another loss than zero") {
  const TemporaryFolder folder;
  SmallRun run;
  run.events[1]["loss"] = 0.0;
  run.write_to(folder.file("a"));
  run.events[1]["loss"] = -0.0;
  run.write_to(folder.file("b"));
  CHECK(compare_runs(folder.file("a"), folder.file("b")).value().first_difference ==
        "step 1: loss 0.0 and -0.0");
}

TEST_CASE("what is no finished run is refused by what it misses") {
  const TemporaryFolder folder;
  SmallRun().write_to(folder.file("a"));
  SmallRun().write_to(folder.file("b"));
  fs::remove(folder.file("b/result.json"));
  CHECK(compare_runs(folder.file("a"), folder.file("b")).fault().sentence ==
        "run directory " + folder.file("b") +
            ": holds no result.json: its run has not ended, or failed");
  fs::remove(folder.file("b/run.json"));
  CHECK(compare_runs(folder.file("b"), folder.file("a")).fault().sentence ==
        "run directory " + folder.file("b") + ": holds no run.json");
}

TEST_CASE("weights that are not those of the result are not exported") {
  const TemporaryFolder folder;
  SmallRun run;
  run.write_to(folder.file("run"));
  const auto ran = test::planaria_ends(
      test::toy_run({"--workers", "1", "--run-dir", folder.file("real")}, {"--steps", "1"}));
  REQUIRE(ran.status == 0);
  fs::copy_file(folder.file("real/model.safetensors"), folder.file("run/model.safetensors"));
  const auto exported = export_weights(folder.file("run"), folder.file("out"));
  REQUIRE_FALSE(exported.ok());
  CHECK(exported.fault().kind == FaultKind::corrupt);
  CHECK(exported.fault().sentence.ends_with(", result.json says aa"));
  CHECK_FALSE(fs::exists(folder.file("out")));
}

}  // namespace planaria::host
