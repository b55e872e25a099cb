#include <catch2/catch.hpp>

#include <filesystem>

#include <planaria/base/text.hpp>
#include <planaria/host/run_directory.hpp>

#include "host/processes.hpp"
#include "host/worker_events.hpp"

namespace planaria::host {
namespace {

namespace fs = std::filesystem;
using test::TemporaryFolder;
using test::whole_lines;

void write(const std::string& path, const std::string& text) {
  REQUIRE(write_file_atomically(path, text).ok());
}

std::string computed(double t_ms, int worker, int step, int micro_batch, int layer,
                     const std::string& kind) {
  return Json{{"t_ms", t_ms},        {"view", 1},        {"step", step},
              {"event", "computed"}, {"worker", worker}, {"micro_batch", micro_batch},
              {"layer", layer},      {"kind", kind}}
             .dump() +
         "\n";
}

}  // namespace

TEST_CASE("a run directory is made with its parents, and taken away with them") {
  const TemporaryFolder folder;
  const auto made = create_run_directory(folder.file("a/b/run"));
  REQUIRE(made.ok());
  CHECK(fs::is_directory(folder.file("a/b/run/workers")));
  write(made.value().file("events.jsonl"), "{}\n");
  write(made.value().worker_events(3), "{}\n");
  remove_run_directory(made.value());
  CHECK_FALSE(fs::exists(folder.file("a")));
}

TEST_CASE("what was there before the run stays there") {
  const TemporaryFolder folder;
  fs::create_directories(folder.file("run"));
  write(folder.file("run/notes.txt"), "mine");
  const auto made = create_run_directory(folder.file("run"));
  REQUIRE(made.ok());
  remove_run_directory(made.value());
  CHECK(read_file(folder.file("run/notes.txt")).value() == "mine");
  CHECK_FALSE(fs::exists(folder.file("run/workers")));
}

TEST_CASE("a folder that holds a file of a run is refused, whichever it is") {
  for (const std::string name : {"run.json", "events.jsonl", "ledger.jsonl", "result.json",
                                 "model.safetensors", "timeline.json"}) {
    const TemporaryFolder folder;
    fs::create_directories(folder.file("run"));
    write(folder.file("run/" + name), "x");
    const auto made = create_run_directory(folder.file("run"));
    REQUIRE_FALSE(made.ok());
    CHECK(made.fault() ==
          Fault::invalid_input("run directory " + folder.file("run") + " holds a run already (" +
                               name + "); name another"));
  }
}

TEST_CASE("a file where the run directory should be is refused") {
  const TemporaryFolder folder;
  write(folder.file("file"), "x");
  CHECK(create_run_directory(folder.file("file")).fault().sentence ==
        "run directory " + folder.file("file") + ": is not a folder");
  CHECK(create_run_directory(folder.file("file/run"))
            .fault()
            .sentence.starts_with("run directory " + folder.file("file/run") +
                                  ": cannot be created: "));
  CHECK(open_run_directory(folder.file("none")).fault().sentence ==
        "run directory " + folder.file("none") + ": no such folder");
}

TEST_CASE("workers' events are merged by time, the coordinator's first among equals") {
  const TemporaryFolder folder;
  const RunDirectory run = create_run_directory(folder.file("run")).value();
  write(run.file("events.jsonl"),
        "{\"t_ms\":1.0,\"event\":\"view\"}\n"
        "{\"t_ms\":5.0,\"event\":\"step_committed\",\"step\":1}\n");
  write(run.worker_events(0), computed(2, 0, 1, 0, 0, "F") + computed(5, 0, 1, 0, 0, "G"));
  // The last line was torn when its worker was killed.
  write(run.worker_events(10),
        computed(3, 10, 1, 1, 0, "F") + computed(4, 10, 1, 0, 0, "F") + "{\"t_ms\":4.5,\"ev");
  write(run.file("result.json"), "{\"redone_micro_batches\":0,\"steps\":1}\n");
  REQUIRE(merge_worker_events(run).ok());
  std::vector<double> times;
  for (const Json& event : whole_lines(run.file("events.jsonl"))) {
    times.push_back(event.at("t_ms").get<double>());
  }
  CHECK(times == std::vector<double>{1, 2, 3, 4, 5, 5});
  CHECK(whole_lines(run.file("events.jsonl"))[4].at("event") == "step_committed");
  // Micro-batch 0 was computed forward by both workers.
  CHECK(read_json_file(run.file("result.json")).value() == Json({{"redone_micro_batches", 1},
                                                                 {"steps", 1},
                                                                 {"recoveries", Json::array()},
                                                                 {"joins", Json::array()},
                                                                 {"workers_lost", 0},
                                                                 {"lost_step_ms", 0.0}}));
  CHECK_FALSE(fs::exists(run.file("workers")));

  const Json trace = read_json_file(run.file("timeline.json")).value().at("traceEvents");
  std::vector<Json> slices;
  std::vector<std::string> names;
  for (const Json& entry : trace) {
    if (entry.at("ph") == "X") slices.push_back(entry);
    if (entry.at("name") == "process_name") names.push_back(entry.at("args").at("name"));
  }
  CHECK(names == std::vector<std::string>{"worker 0", "worker 10"});
  REQUIRE(slices.size() == 4);
  CHECK(slices[0].at("name") == "F1 layer 0");  // it ended first, at 4
  CHECK(slices[0].at("pid") == 10);
  CHECK(slices[0].at("ts") == 3000.0);
  CHECK(slices[0].at("dur") == 1000.0);
  CHECK(slices[1].at("dur") == 3000.0);
  CHECK(slices[3].at("dur") == 0.0);  // nothing came after it
}

TEST_CASE(
    "the launcher's events are merged too, and what they say of losses gets into the result") {
  const TemporaryFolder folder;
  const RunDirectory run = create_run_directory(folder.file("run")).value();
  write(run.file("events.jsonl"),
        "{\"t_ms\":1.0,\"event\":\"run_started\"}\n"
        "{\"t_ms\":12.0,\"event\":\"worker_lost\",\"worker\":1}\n"
        "{\"t_ms\":13.0,\"event\":\"view\"}\n"
        "{\"t_ms\":30.0,\"event\":\"step_committed\",\"step\":1}\n");
  write(run.launcher_events(),
        "{\"t_ms\":10.0,\"event\":\"fault_injected\",\"kind\":\"kill\",\"worker\":1}\n");
  // A worker that was killed in its first line, one that came back under another number, and a
  // page.
  write(run.worker_events(1), "{\"t_ms\":");
  write(run.worker_events(4), computed(20, 4, 1, 0, 0, "F"));
  write(run.worker_phase(1), "page");
  write(run.file("result.json"), "{\"steps\":1,\"workers_lost\":7}\n");
  REQUIRE(merge_worker_events(run).ok());
  std::vector<std::string> names;
  for (const Json& event : whole_lines(run.file("events.jsonl"))) {
    names.push_back(event.at("event"));
  }
  CHECK(names == std::vector<std::string>{"run_started", "fault_injected", "worker_lost", "view",
                                          "computed", "step_committed"});
  const Json result = read_json_file(run.file("result.json")).value();
  CHECK(result.at("workers_lost") == 1);
  CHECK(result.at("recoveries")[0].at("resume_ms") == 20.0);
  CHECK(result.at("lost_step_ms") == 20.0);
  CHECK_FALSE(fs::exists(run.file("workers")));
}

TEST_CASE("a line in the middle that is no event is told by file and number") {
  const TemporaryFolder folder;
  const RunDirectory run = create_run_directory(folder.file("run")).value();
  write(run.worker_events(0), "nonsense\n" + computed(2, 0, 1, 0, 0, "F"));
  const auto merged = merge_worker_events(run);
  REQUIRE_FALSE(merged.ok());
  CHECK(merged.fault() == Fault::corrupt(run.worker_events(0) + ": line 1 is not an event"));
}

TEST_CASE("redone counts places, not actions") {
  RedoneCounter counter;
  const auto add = [&](int step, int micro_batch, int layer, const std::string& kind) {
    counter.add(Json::parse(computed(0, 0, step, micro_batch, layer, kind)));
  };
  add(1, 0, 0, "F");
  add(1, 0, 0, "G");  // another kind is no second time
  add(1, 0, 1, "F");
  add(2, 0, 0, "F");
  CHECK(counter.count() == 0);
  add(1, 0, 0, "F");
  add(1, 0, 0, "G");
  add(1, 0, 0, "F");
  CHECK(counter.count() == 1);
  add(2, 0, 0, "F");
  CHECK(counter.count() == 2);
}

TEST_CASE("a span is the timeline's alone, in place of the action that it measured") {
  const TemporaryFolder folder;
  const RunDirectory run = create_run_directory(folder.file("run")).value();
  write(run.worker_events(0),
        computed(1, 0, 1, 2, 0, "F") + computed(1, 0, 1, 2, 1, "F") + computed(3, 0, 1, 3, 0, "F") +
            computed(3, 0, 1, 3, 1, "F") +
            R"({"t_ms":6,"view":1,"step":1,"event":"span","worker":0,"micro_batch":3,)"
            R"("kind":"forward","ms":3})"
            "\n"
            R"({"t_ms":9,"view":1,"step":1,"event":"span","worker":0,"micro_batch":-1,)"
            R"("kind":"reduce","ms":2})"
            "\n");
  write(run.file("events.jsonl"), "");
  REQUIRE(merge_worker_events(run).ok());
  CHECK(whole_lines(run.file("events.jsonl")).size() == 4);
  std::vector<std::string> slices;
  const Json trace = read_json_file(run.file("timeline.json")).value();
  for (const Json& slice : trace.at("traceEvents")) {
    if (slice.at("ph") != "X") continue;
    slices.push_back(fmt::format("{} {} +{}", slice.at("name").get<std::string>(),
                                 slice.at("ts").get<double>(), slice.at("dur").get<double>()));
  }
  CHECK(slices ==
        std::vector<std::string>{"F2 layers 0-1 1000 +2000", "F3 3000 +3000", "reduce 7000 +2000"});
}

TEST_CASE("an action that says how long it took is believed") {
  Timeline timeline;
  Json first = Json::parse(computed(1, 0, 1, 0, 0, "F"));
  first["ms"] = 0.25;
  CHECK_FALSE(timeline.add(first).has_value());
  const auto slice = timeline.add(Json::parse(computed(9, 0, 1, 1, 0, "F")));
  REQUIRE(slice.has_value());
  CHECK(slice->at("dur") == 250.0);
  CHECK_FALSE(is_computed(Json{{"event", "computed"}, {"worker", 1}}));
}

}  // namespace planaria::host
