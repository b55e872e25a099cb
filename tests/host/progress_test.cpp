#include <catch2/catch.hpp>

#include "host/fault_stories.hpp"
#include "host/progress.hpp"
#include "host/worker_output.hpp"

namespace planaria::host {
namespace {

Json started() {
  return {{"t_ms", 1000.0},
          {"event", "run_started"},
          {"steps", 100},
          {"micro_batches", 16},
          {"micro_batch_size", 2},
          {"workers", 4},
          {"layout", "2 pipelines x 2 stages"}};
}

Json committed(int step, double t_ms, Json loss) {
  return {{"t_ms", t_ms}, {"event", "step_committed"}, {"step", step}, {"loss", std::move(loss)}};
}

RunProgress at_step(int step) {
  RunProgress progress;
  progress.take(started());
  for (int i = 1; i <= step; ++i) progress.take(committed(i, 1000.0 + 200.0 * i, 4.0 - 0.01 * i));
  return progress;
}

using Lines = std::vector<std::string>;
using Shown = std::vector<ShownLine>;

}  // namespace

TEST_CASE("the progress line says step, loss, speed, who and how long") {
  CHECK(progress_line(at_step(41), 0) ==
        "step 41/100 · loss 3.59 · 160 samples/s · 2 pipelines x 2 stages, 4 workers · 12 s left");
  CHECK(progress_line(at_step(100), 0) ==
        "step 100/100 · loss 3 · 160 samples/s · 2 pipelines x 2 stages, 4 workers");
}

TEST_CASE("the progress line says only what is known") {
  CHECK(progress_line(RunProgress(), 0) == "waiting for workers");
  CHECK(progress_line(at_step(0), 0) == "step 0/100 · 2 pipelines x 2 stages, 4 workers");
  CHECK(progress_line(at_step(1), 0) ==
        "step 1/100 · loss 3.99 · 2 pipelines x 2 stages, 4 workers");
  RunProgress skipped = at_step(1);
  skipped.take(committed(2, 1400, nullptr));
  CHECK(progress_line(skipped, 0).starts_with("step 2/100 · loss not finite · "));
  RunProgress odd;
  odd.take(Json::array());
  odd.take({{"event", "step_committed"}});
  odd.take({{"event", 7}});
  CHECK_FALSE(odd.started());
}

TEST_CASE("the progress line is cut by characters, not by bytes") {
  const std::string whole = progress_line(at_step(41), 0);
  CHECK(progress_line(at_step(41), 26) == "step 41/100 · loss 3.59 ·…");
  CHECK(progress_line(at_step(41), 13) == "step 41/100 …");
  CHECK(progress_line(at_step(41), 500) == whole);
}

TEST_CASE("the speed follows the last steps, not the whole run") {
  RunProgress progress;
  progress.take(started());
  for (int i = 1; i <= 30; ++i) progress.take(committed(i, 1000.0 * i, 1.0));
  for (int i = 31; i <= 60; ++i) progress.take(committed(i, 30000.0 + 100.0 * (i - 30), 1.0));
  CHECK(progress.samples_per_s() == Approx(320.0));
  CHECK(progress.left_ms() == Approx(4000.0));
}

TEST_CASE("plain lines come at the first step, every tenth, every two seconds and at the end") {
  PlainPace pace;
  RunProgress progress;
  progress.take(started());
  std::vector<std::int64_t> told;
  for (int step = 1; step <= 100; ++step) {
    progress.take(committed(step, 0, 1.0));
    // Slow from step 50 on: a line every four steps is one every two seconds.
    const double now_ms = step <= 50 ? step : 50 + 500.0 * (step - 50);
    if (!pace.due(progress, Instant{now_ms})) continue;
    told.push_back(step);
    CHECK_FALSE(pace.due(progress, Instant{now_ms + 10000}));  // once a step
  }
  CHECK(told == std::vector<std::int64_t>{1,  10, 20, 30, 40, 50, 54, 58, 60, 64, 68,
                                          70, 74, 78, 80, 84, 88, 90, 94, 98, 100});
}

TEST_CASE("who computes is what the last view says, and training began with the first") {
  RunProgress progress = at_step(3);
  progress.take({{"t_ms", 1500.0},
                 {"event", "view"},
                 {"layout", to_json(layout_of({1, 2, 5}, {}))},
                 {"members", {1, 2, 5}}});
  CHECK(progress.who() == "1 pipeline x 3 stages, 3 workers");
  progress.take({{"event", "view"}, {"layout", "no layout"}, {"members", "none"}});
  CHECK(progress.who() == "1 pipeline x 3 stages, 3 workers");
  CHECK(progress.trained_ms() == Approx(600.0));
}

TEST_CASE("the summary has a line for each lost worker") {
  const Json result = {{"throughput_samples_per_s", 160.0},
                       {"weights_xxh3_128", "aa"},
                       {"state_xxh3_128", "bb"},
                       {"recoveries",
                        {{{"worker", 2},
                          {"detect_ms", 12.25},
                          {"view_ms", 13.0},
                          {"transfer_ms", 45.0},
                          {"resume_ms", 412.0}},
                         {{"worker", 4},
                          {"detect_ms", 0.0},
                          {"view_ms", nullptr},
                          {"transfer_ms", nullptr},
                          {"resume_ms", nullptr}}}}};
  const Lines lines = summary_lines(at_step(100), result, "runs/x");
  REQUIRE(lines.size() == 9);
  CHECK(lines[4] ==
        "lost     worker 2: 412 ms to the next step (found 12 ms, view 13 ms, layers 45 ms)");
  CHECK(lines[5] == "lost     worker 4: no step followed (found 0 ms)");
}

TEST_CASE("bytes become lines however they come") {
  LineBuffer buffer;
  CHECK(buffer.add("one\ntw") == Lines{"one"});
  CHECK(buffer.add("o").empty());
  CHECK(buffer.add("\n\nthree") == Lines{"two", ""});
  CHECK(buffer.finish() == Lines{"three"});
  CHECK(buffer.finish().empty());
}

TEST_CASE("a worker's lines are held back until it has joined") {
  WorkerOutput output({.workers = 3});
  output.line(2, Stream::out, "loading", Instant{0});
  output.line(2, Stream::err, "a warning", Instant{1});
  CHECK(output.due(Instant{1e6}).empty());
  CHECK(output.held(2, Stream::err, 10) == Lines{"a warning"});
  output.joined(2, Instant{10});
  CHECK(output.due(Instant{10}) == Shown{{Stream::out, "worker 2: loading"}});
  CHECK(output.waiting());
  CHECK(output.due(Instant{1000}) == Shown{{Stream::err, "worker 2: a warning"}});
  CHECK(output.held(2, Stream::err, 10).empty());
  CHECK(output.has_joined(2));
  CHECK_FALSE(output.has_joined(1));
  output.joined(17, Instant{0});  // a worker of another machine
  output.add_worker();
  output.line(3, Stream::out, "late", Instant{2000});
  output.joined(3, Instant{2000});
  CHECK(output.due(Instant{2000}) == Shown{{Stream::out, "worker 3: late"}});
}

TEST_CASE("the last lines of a worker that never joined can be asked for") {
  WorkerOutput output({.workers = 1});
  for (const std::string text : {"first", "second", "third"}) {
    output.line(0, Stream::err, text, Instant{0});
    output.line(0, Stream::out, "out " + text, Instant{0});
  }
  CHECK(output.held(0, Stream::err, 2) == Lines{"second", "third"});
  CHECK(output.held(0, Stream::out, 1) == Lines{"out third"});
}

TEST_CASE("what the run ended with is not said again by every worker") {
  WorkerOutput output({.workers = 2});
  output.joined(0, Instant{0});
  output.joined(1, Instant{0});
  output.line(0, Stream::err, "train: worker 1: step 3: the loss is bad", Instant{0});
  output.line(1, Stream::err, "train: the loss is bad", Instant{0});
  output.line(1, Stream::err, "train: something else", Instant{0});
  output.line(1, Stream::err, "no: step 3", Instant{0});  // too short to be the same by chance
  output.run_ended("worker 1: step 3: the loss is bad");
  CHECK(output.rest() == Shown{{Stream::err, "worker 1: train: something else"},
                               {Stream::err, "worker 1: no: step 3"}});
}

TEST_CASE("one program's lines carry no number") {
  WorkerOutput output({.workers = 1, .prefixed = false});
  output.joined(0, Instant{0});
  output.line(0, Stream::out, "hello", Instant{0});
  CHECK(output.due(Instant{0}) == Shown{{Stream::out, "hello"}});
}

}  // namespace planaria::host
