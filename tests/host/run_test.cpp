// Whole runs that go well: real processes, every file, the same bits whatever the layout.
#include <catch2/catch.hpp>

#include <algorithm>
#include <csignal>
#include <filesystem>
#include <optional>
#include <set>
#include <utility>

#include <planaria/base/hash.hpp>
#include <planaria/base/text.hpp>
#include <planaria/checkpoint/safetensors.hpp>
#include <planaria/checkpoint/state_hash.hpp>
#include <planaria/model/sample_order.hpp>

#include "host/processes.hpp"
#include "host/toy_model.hpp"

namespace planaria::test {
namespace {

namespace fs = std::filesystem;

std::set<std::string> files_in(const std::string& folder) {
  std::set<std::string> names;
  for (const auto& entry : fs::directory_iterator(folder)) {
    names.insert(entry.path().filename().string());
  }
  return names;
}

Json result_of(const std::string& run_dir) {
  return read_json_file(run_dir + "/result.json").value();
}

// Both hashes as one process gets them that never heard of planaria's runs.
std::pair<std::string, std::string> hashes_alone(const ToyOptions& options) {
  checkpoint::StateHasher hasher;
  for (LayerId id{0}; id.value < options.layers; id = id.next()) {
    ToyLayer layer(options, id);
    for (Step step{1}; step.value <= options.steps; step = step.next()) layer.apply(step);
    for (const auto& tensor : layer.tensors()) {
      hasher.add(tensor.info, std::as_bytes(std::span(tensor.data)));
    }
  }
  return {hasher.weights_hex(), hasher.state_hex()};
}

}  // namespace

TEST_CASE("one, three and four workers over every transport give the bits of one loop alone") {
  const auto [weights, state] = hashes_alone({.steps = 6});
  const TemporaryFolder folder;
  for (const std::string transport : {"unix", "tcp", "in-process"}) {
    for (const std::string workers : {"1", "3", "4"}) {
      INFO(transport << ", " << workers << " workers");
      const std::string run_dir = folder.file(transport + workers);
      const Ended ended = planaria_ends(
          toy_run({"--workers", workers, "--transport", transport, "--run-dir", run_dir},
                  {"--steps", "6"}));
      INFO(ended.err);
      REQUIRE(ended.status == 0);
      const Json result = result_of(run_dir);
      CHECK(result.at("weights_xxh3_128") == weights);
      CHECK(result.at("state_xxh3_128") == state);
      CHECK(files_in(run_dir) == std::set<std::string>{"events.jsonl", "ledger.jsonl",
                                                       "model.safetensors", "result.json",
                                                       "run.json", "timeline.json"});
      const Ended compared = planaria_ends({"compare", folder.file("unix1"), run_dir});
      CHECK(compared.status == 0);
      CHECK(compared.out == "equal: losses, norms, ledger, weights and state\n");
    }
  }
}

TEST_CASE("a run says on stdout what it did, and on stderr how far it is") {
  const TemporaryFolder folder;
  const std::string run_dir = folder.file("run");
  const Ended ended = planaria_ends(
      toy_run({"--width", "2", "--depth", "2", "--run-dir", run_dir}, {"--steps", "6"}));
  REQUIRE(ended.status == 0);
  const Json result = result_of(run_dir);
  std::vector<std::string> summary;
  for (const auto& line : lines_of(ended.out)) {
    if (!line.starts_with("worker ")) summary.push_back(line);
  }
  REQUIRE(summary.size() == 7);
  CHECK(summary[0] == "layout   2 pipelines x 2 stages, 4 workers");
  CHECK(summary[1].starts_with("steps    6 of 8 micro-batches x 2 samples, "));
  CHECK(summary[2] == "loss     5.494 -> 1.368");
  CHECK(summary[3].starts_with("speed    "));
  CHECK(summary[4] == "weights  " + result.at("weights_xxh3_128").get<std::string>());
  CHECK(summary[5] == "state    " + result.at("state_xxh3_128").get<std::string>());
  CHECK(summary[6] == "run      " + run_dir);
  const auto progress = lines_of(ended.err);
  REQUIRE(!progress.empty());
  CHECK(progress.back().starts_with("step 6/6 · loss 1.368 · "));
  for (const std::string worker : {"0", "1", "2", "3"}) {
    CHECK(ended.out.find("worker " + worker + ": built view 1\n") != std::string::npos);
  }
}

TEST_CASE("with --json stdout holds the result and nothing else") {
  const TemporaryFolder folder;
  const std::string run_dir = folder.file("run");
  const Ended ended = planaria_ends(
      toy_run({"--workers", "2", "--json", "-o", folder.file("copy.json"), "--run-dir", run_dir},
              {"--steps", "2"}));
  REQUIRE(ended.status == 0);
  CHECK(Json::parse(ended.out) == result_of(run_dir));
  CHECK(read_json_file(folder.file("copy.json")).value() == result_of(run_dir));
}

TEST_CASE("run.json, ledger and result say what was asked, read and reached") {
  const TemporaryFolder folder;
  const std::string run_dir = folder.file("run");
  const Ended ended = planaria_ends(toy_run(
      {"--workers", "3", "--spares", "1", "--depth", "3", "--run-dir", run_dir}, {"--steps", "8"}));
  INFO(ended.err);
  REQUIRE(ended.status == 0);

  const Json run = read_json_file(run_dir + "/run.json").value();
  CHECK(run.at("command") == Json({built("toy_worker"), "--steps", "8"}));
  CHECK(run.at("workers") == 3);
  CHECK(run.at("spares") == 1);
  CHECK(run.at("depth") == 3);
  CHECK(run.at("width").is_null());
  CHECK(run.at("transport") == "unix");
  CHECK(run.at("commit_domains") == 2);
  CHECK(run.at("min_workers") == 1);
  CHECK(run.at("wait_ms") == 0.0);
  CHECK(run.at("silence_max_ms") == 600.0);
  CHECK(run.at("micro_batches") == 8);
  CHECK(run.at("layers") == Json({"layer0", "layer1", "layer2", "layer3", "layer4", "layer5"}));
  CHECK(run.at("identity") == Json({{"build", "toy"}, {"threads", "1"}}));

  // Eight steps of 16 samples over 100 samples: the seventh begins the second epoch.
  const RunSpec spec = toy_spec({});
  const SampleOrder order = SampleOrder::create({.seed = spec.seed,
                                                 .dataset_samples = spec.dataset_samples,
                                                 .micro_batches = spec.micro_batches,
                                                 .micro_batch_size = spec.micro_batch_size})
                                .value();
  const auto ledger = whole_lines(run_dir + "/ledger.jsonl");
  REQUIRE(ledger.size() == 8);
  for (std::int64_t step = 1; step <= 8; ++step) {
    const Json& line = ledger[static_cast<std::size_t>(step - 1)];
    CHECK(line.at("step") == step);
    CHECK(line.at("epoch") == (step <= 6 ? 0 : 1));
    REQUIRE(line.at("micro_batches").size() == 8);
    CHECK(line.at("micro_batches")[3] == order.samples(Step(step), MicroBatchId(3)));
    CHECK(line.at("read_xxh3")[3] == hex64(toy_hash({}, Step(step), MicroBatchId(3), 0)));
    CHECK(line.at("labelled_xxh3")[7] == hex64(toy_hash({}, Step(step), MicroBatchId(7), 1)));
  }

  const Json result = result_of(run_dir);
  CHECK(result.at("steps") == 8);
  CHECK(result.at("samples") == 128);
  CHECK(result.at("holders_agree") == true);
  CHECK(result.at("redone_micro_batches") == 0);
  CHECK(result.at("views") == 1);
  CHECK(result.at("workers_lost") == 0);
  CHECK(result.at("recoveries") == Json::array());
  CHECK(result.at("joins") == Json::array());  // nobody joined after the run had begun
  CHECK(result.at("lost_step_ms") == 0.0);
  REQUIRE(result.at("workers").size() == 4);
  CHECK(result.at("workers")[1].at("layers") == Json({2, 3}));
  CHECK(result.at("workers")[1].at("peak_resident_bytes") == 1001);
  CHECK(result.at("workers")[3].at("layers") == Json::array());
  CHECK(result.at("final_loss") == events_of(run_dir, "step_committed").back().at("loss"));
}

TEST_CASE("the workers' events are merged by time and become a timeline") {
  const TemporaryFolder folder;
  const std::string run_dir = folder.file("run");
  REQUIRE(
      planaria_ends(toy_run({"--workers", "2", "--run-dir", run_dir}, {"--steps", "3"})).status ==
      0);
  // Three steps, eight micro-batches, six layers, each once.
  CHECK(events_of(run_dir, "computed").size() == 3 * 8 * 6);
  CHECK_FALSE(fs::exists(run_dir + "/workers"));
  const auto events = whole_lines(run_dir + "/events.jsonl");
  for (std::size_t i = 1; i < events.size(); ++i) {
    CHECK(events[i - 1].at("t_ms").get<double>() <= events[i].at("t_ms").get<double>());
  }
  CHECK(events.back().at("event") == "run_ended");
  CHECK(events.back().at("status") == 0);
  const Json timeline = read_json_file(run_dir + "/timeline.json").value();
  const auto& entries = timeline.at("traceEvents");
  CHECK(std::count_if(entries.begin(), entries.end(),
                      [](const Json& entry) { return entry.at("ph") == "X"; }) == 3 * 8 * 6);
}

TEST_CASE("the model file holds parameters and buffers, and export copies it") {
  const TemporaryFolder folder;
  const std::string run_dir = folder.file("run");
  REQUIRE(
      planaria_ends(toy_run({"--workers", "2", "--run-dir", run_dir}, {"--steps", "3"})).status ==
      0);
  const std::string copy = folder.file("weights.safetensors");
  const Ended exported = planaria_ends({"export", run_dir, "-o", copy});
  CHECK(exported.status == 0);
  CHECK(read_file(copy).value() == read_file(run_dir + "/model.safetensors").value());
  const auto model = checkpoint::SafetensorsFile::open(copy);
  REQUIRE(model.ok());
  CHECK(model.value().tensors().size() == 7);
  CHECK(model.value().find("layer0.counts")->role == checkpoint::Role::buffer);
  CHECK(model.value().find("layer0.weight:momentum") == nullptr);
  CHECK(model.value().metadata().at("planaria.step") == "3");
}

TEST_CASE("a run that was stopped ends after the step in flight with its model") {
  const TemporaryFolder folder;
  const std::string run_dir = folder.file("run");
  RunningPlanaria running(
      toy_run({"--workers", "2", "--run-dir", run_dir},
              {"--steps", "1000000", "--hold-at", "4", "--gate", folder.file("gate")}));
  REQUIRE(running.wait_until([&] { return events_of(run_dir, "step_committed").size() == 3; }));
  running.signal(SIGINT);
  REQUIRE(running.wait_until([&] { return !events_of(run_dir, "stop_asked").empty(); }));
  REQUIRE(write_file_atomically(folder.file("gate"), "open").ok());
  const Ended ended = running.wait();
  INFO(ended.err);
  CHECK(ended.status == 0);
  CHECK(ended.err.find("planaria: the step in flight will be the last; a second signal ends "
                       "everything at once\n") != std::string::npos);
  CHECK(result_of(run_dir).at("steps") == 4);
}

TEST_CASE("a second signal ends everything at once") {
  const TemporaryFolder folder;
  const std::string run_dir = folder.file("run");
  RunningPlanaria running(
      toy_run({"--workers", "2", "--run-dir", run_dir},
              {"--steps", "1000000", "--hold-at", "2", "--gate", folder.file("gate")}));
  REQUIRE(running.wait_until([&] { return events_of(run_dir, "step_committed").size() == 1; }));
  running.signal(SIGTERM);
  REQUIRE(running.wait_until([&] { return !events_of(run_dir, "stop_asked").empty(); }));
  running.signal(SIGTERM);
  const Ended ended = running.wait();
  CHECK(ended.status == 1);
  CHECK(lines_of(ended.err).back() == "planaria: ended at once, as asked for twice");
  CHECK_FALSE(fs::exists(run_dir + "/result.json"));
}

// The kernel frees a dead worker's memory before it closes its sockets: with large pages sooner.
TEST_CASE("workers ask glibc for large pages, and what the user says of its tunables stands") {
  const auto tunables_seen = [](std::optional<std::string> users) {
    const TemporaryFolder folder;
    const Ended ended =
        planaria_ends({"run", "--workers", "1", "--run-dir", folder.file("run"), "--", "/bin/sh",
                       "-c", "echo \"seen $GLIBC_TUNABLES\" >&2; exit 3"},
                      {{"GLIBC_TUNABLES", std::move(users)}});
    const auto lines = lines_of(ended.out + ended.err);
    const auto seen = std::ranges::find_if(
        lines, [](const std::string& line) { return line.find("seen ") != std::string::npos; });
    INFO(ended.out << ended.err);
    REQUIRE(seen != lines.end());
    return seen->substr(seen->find("seen ") + 5);
  };
  CHECK(tunables_seen(std::nullopt) == "glibc.malloc.hugetlb=1");
  CHECK(tunables_seen("glibc.malloc.check=0") == "glibc.malloc.check=0:glibc.malloc.hugetlb=1");
  CHECK(tunables_seen("glibc.malloc.hugetlb=0") == "glibc.malloc.hugetlb=0");
}

}  // namespace planaria::test
