#include <catch2/catch.hpp>

#include <cmath>
#include <limits>

#include "protocol/coordinator_story.hpp"

namespace planaria::protocol {

using Phase = CoordinatorState::Phase;

namespace {

constexpr double infinity = std::numeric_limits<double>::infinity();
constexpr double not_a_number = std::numeric_limits<double>::quiet_NaN();

// Two pipelines of two stages: layers 0-1 on workers 0 and 2, layers 2-3 on 1 and 3; worker 4 idle.
CoordinatorStory two_by_two() {
  return CoordinatorStory({.workers = 4, .spares = 1, .layout = grid(2, {2, 2}, 2)});
}

// Lets all report `step 1` honestly but worker `worker`, whose report `spoil` changes; returns how
// the run ends.
template <class Spoil>
std::string end_when(int worker, Spoil spoil) {
  CoordinatorStory story = two_by_two();
  story.start();
  Decision decision;
  for (int i = 0; i < 4; ++i) {
    Report report = story.report(i);
    if (i == worker) spoil(report);
    decision = story.say(i, report);
  }
  const auto finish = all_of<Finish>(decision);
  if (finish.size() != 1) return "did not finish";
  CHECK(finish[0].status == 1);
  CHECK(all_of<LedgerLine>(decision).empty());
  CHECK(sent<Commit>(decision).empty());
  CHECK(sent<End>(decision).size() == 5);
  CHECK(sent<End>(decision).at(WorkerId{4}).sentence == finish[0].sentence);
  return finish[0].sentence;
}

}  // namespace

TEST_CASE("a step waits for every active worker, and says for whom", "[unit]") {
  CoordinatorStory story = two_by_two();
  story.start();
  CHECK(story.say(1, story.report(1)).explanation ==
        "step 1 waits: workers 0, 2 and 3 have not reported");
  story.say(0, story.report(0));
  CHECK(story.say(3, story.report(3)).explanation == "step 1 waits: worker 2 has not reported");
}

TEST_CASE("the record holds what the reports add up to", "[unit]") {
  CoordinatorStory story = two_by_two();
  story.clock.advance({1000});
  story.start();
  story.clock.advance({250});
  double squares = 0;
  for (const int worker : {0, 1}) {
    for (const auto& layer : story.report(worker).layers) squares += layer.squared_norm;
  }
  double losses = 0;
  for (const int worker : {1, 3}) {
    for (const auto& loss : story.report(worker).losses) losses += loss.loss;
  }
  const auto read_first = story.report(0).read;
  const auto labelled_last = story.report(3).labelled;
  const Decision decision = story.whole_step();
  const auto commits = sent<Commit>(decision);
  REQUIRE(commits.size() == 5);  // the idle worker keeps the record too
  const CommitRecord record = commits.at(WorkerId{4}).record;
  CHECK(record ==
        CommitRecord{Step{1}, losses / 4, std::sqrt(squares), 0.5, Verdict::apply, 0, false});
  CHECK(story.state.last_record == record);
  CHECK(story.state.step == Step{2});
  CHECK(story.state.reports.empty());
  CHECK(story.state.step_began == Instant{1250});

  const auto line = all_of<LedgerLine>(decision).at(0);
  CHECK(line.step == Step{1});
  REQUIRE(line.read.size() == 4);
  REQUIRE(line.labelled.size() == 4);
  CHECK(line.read[1] == read_first[1].xxh3);
  CHECK(line.labelled[3] == labelled_last[1].xxh3);

  const Event event = events(decision, "step_committed").at(0);
  CHECK(event.step == Step{1});
  CHECK(event.view == ViewNumber{1});
  CHECK(event.at == Instant{1250});
  CHECK(event.fields ==
        Json{{"loss", record.loss},
             {"norm", record.norm},
             {"rate", 0.5},
             {"verdict", "apply"},
             {"samples", 8},
             {"step_ms", 250.0},
             {"resident_bytes", {{"0", 1001}, {"1", 1001}, {"2", 1001}, {"3", 1001}}}});
  CHECK(events(decision, "skipped_step").empty());
}

TEST_CASE("losses are summed in micro-batch order, not as they arrive", "[unit]") {
  CoordinatorStory story({.workers = 2, .layout = grid(2, {4}, 2)});
  story.start();
  Report first = story.report(0);
  Report second = story.report(1);
  first.losses = {{MicroBatchId{1}, 1.0}, {MicroBatchId{0}, 1e16}};
  second.losses = {{MicroBatchId{2}, 1.0}, {MicroBatchId{3}, -1e16}};
  story.say(1, second);
  const Decision decision = story.say(0, first);
  CHECK(((1e16 + 1.0) + 1.0) + -1e16 == 0.0);  // another order would give 1 or 2
  CHECK(sent<Commit>(decision).at(WorkerId{0}).record.loss == 0.0);
}

TEST_CASE("squared norms are summed in layer order", "[unit]") {
  CoordinatorStory story({.workers = 2, .layout = grid(1, {2, 2}, 4)});
  story.start();
  Report low = story.report(0);
  Report high = story.report(1);
  low.layers[0].squared_norm = 0x1p54;
  low.layers[1].squared_norm = 2;
  high.layers[0].squared_norm = 2;
  high.layers[1].squared_norm = 2;
  std::swap(low.layers[0], low.layers[1]);  // the order within a report is nobody's promise
  story.say(1, high);
  const double norm = sent<Commit>(story.say(0, low)).at(WorkerId{0}).record.norm;
  CHECK(norm == 0x1p27);
  CHECK(std::sqrt(2.0 + 2.0 + 2.0 + 0x1p54) != 0x1p27);  // what the other order would give
}

TEST_CASE("holders of a layer must hold the same gradient", "[unit]") {
  CHECK(end_when(2, [](Report& report) { report.layers[1].checksum ^= 1; }) ==
        "step 1: layer 1 (block0) has different gradients on workers 0 and 2");
  CHECK(end_when(1, [](Report& report) { report.layers[1].checksum ^= 1; }) ==
        "step 1: layer 3 (head) has different gradients on workers 1 and 3");
  CHECK(end_when(3, [](Report& report) { report.layers[0].squared_norm += 1; }) ==
        "step 1: layer 2 (block1) has different gradient norms on workers 1 and 3");
}

TEST_CASE("a worker reports the layers it computes, each once", "[unit]") {
  CHECK(end_when(0, [](Report& report) { report.layers.pop_back(); }) ==
        "step 1: worker 0 reported layer 1 (block0) 0 times, must be once");
  CHECK(end_when(0, [](Report& report) { report.layers.push_back(report.layers[0]); }) ==
        "step 1: worker 0 reported layer 0 (embedding) 2 times, must be once");
  CHECK(end_when(1, [](Report& report) {
          report.layers.push_back({LayerId{0}, 1, 1});
        }) == "step 1: worker 1 reported layer 0 (embedding), which it does not hold");
}

TEST_CASE("every micro-batch is trained, read and labelled exactly once", "[unit]") {
  CHECK(end_when(3, [](Report& report) { report.losses.pop_back(); }) ==
        "step 1: micro-batch 3 was computed by nobody");
  CHECK(end_when(3, [](Report& report) { report.losses[0].micro_batch = MicroBatchId{1}; }) ==
        "step 1: micro-batch 1 was computed by workers 1 and 3");
  CHECK(end_when(1, [](Report& report) { report.losses.push_back(report.losses[0]); }) ==
        "step 1: micro-batch 0 was computed twice by worker 1");
  CHECK(end_when(1, [](Report& report) { report.losses[0].micro_batch = MicroBatchId{4}; }) ==
        "step 1: micro-batch 4 was computed by worker 1, must be 0 to 3");
  CHECK(end_when(0, [](Report& report) { report.read.clear(); }) ==
        "step 1: micro-batch 0 was read by nobody");
  CHECK(end_when(3, [](Report& report) { report.labelled[1].micro_batch = MicroBatchId{0}; }) ==
        "step 1: micro-batch 0 was labelled by workers 1 and 3");
}

TEST_CASE("all workers must know the same learning rate", "[unit]") {
  CHECK(end_when(2, [](Report& report) { report.rate = 0.25; }) ==
        "step 1: the learning rate is 0.5 on worker 0 and 0.25 on worker 2");
}

TEST_CASE("reports of another view or step, or come before, change nothing", "[unit]") {
  CoordinatorStory story = two_by_two();
  story.start();
  story.whole_step();
  const Report now = story.report(0);
  Report old_view = now;
  old_view.view = ViewNumber{9};
  CHECK(story.say(0, old_view).explanation ==
        "report of worker 0 on step 2 ignored: view 9, must be 1");
  Report stale = now;
  stale.step = Step{1};
  CHECK(story.say(0, stale).explanation ==
        "report of worker 0 on step 1 ignored: step 2 is in flight");
  Report future = now;
  future.step = Step{3};
  CHECK(story.say(0, future).explanation ==
        "report of worker 0 on step 3 ignored: step 2 is in flight");
  CHECK(story.say(4, now).explanation == "report of worker 4 on step 2 ignored: it is idle");
  CHECK(story.state.reports.empty());
  story.say(0, now);
  Report again = now;
  again.resident_bytes += 5;  // measured, not computed
  CHECK(story.say(0, again).explanation ==
        "report of worker 0 on step 2 ignored: it has come before");
  CHECK(story.state.reports.size() == 1);
  again.layers[0].checksum ^= 1;
  const Decision decision = story.say(0, again);
  CHECK(all_of<Finish>(decision).at(0).status == 1);
  CHECK(decision.explanation == "step 2: worker 0 reported twice, with different content");
}

TEST_CASE("messages in a wrong phase or direction change nothing", "[unit]") {
  CoordinatorStory story({.workers = 2, .layout = grid(1, {2, 2}, 4)});
  story.join(1);
  Report report;
  report.step = Step{1};
  CHECK(story.say(0, report).explanation ==
        "report of worker 0 on step 1 ignored: the run is joining");
  story.join(2);
  story.say(0, Connected{});
  story.say(1, Connected{});
  CHECK(story.say(0, Applied{}).explanation == "applied of worker 0 ignored: the run is preparing");
  CHECK(story.say(0, Begin{}).explanation ==
        "begin of worker 0 ignored: only the coordinator sends it");
  CHECK(story.say(0, Join{}).explanation == "join of worker 0 ignored: it has joined before");
  CHECK(story.say(0, StateSent{LayerId{0}}).explanation ==
        "state of layer 0 from worker 0 ignored: the run is preparing");
  CHECK(story.give(ModelStored{}).explanation ==
        "model stored ignored: its layers have not all arrived");
}

TEST_CASE("a norm that is not finite skips the step, and a finite one starts over", "[unit]") {
  CoordinatorStory story({.workers = 2, .layout = grid(2, {4}, 2)});
  story.spec.steps = 10;
  story.start();
  const auto step_with = [&](double squared_norm) {
    Report first = story.report(0);
    Report second = story.report(1);
    first.layers[2].squared_norm = squared_norm;
    second.layers[2].squared_norm = squared_norm;
    story.say(0, first);
    return story.say(1, second);
  };
  const Decision skipped = step_with(not_a_number);
  const CommitRecord record = sent<Commit>(skipped).at(WorkerId{0}).record;
  CHECK(record.verdict == Verdict::skip);
  CHECK(record.skips_in_a_row == 1);
  CHECK(std::isnan(record.norm));
  CHECK_FALSE(record.last);
  CHECK(events(skipped, "skipped_step").at(0).step == Step{1});
  CHECK(events(skipped, "step_committed").at(0).fields.at("verdict") == "skip");
  CHECK(skipped.explanation.ends_with(", skipped"));
  CHECK(sent<Commit>(step_with(infinity)).at(WorkerId{0}).record.skips_in_a_row == 2);
  const CommitRecord fine = sent<Commit>(step_with(4)).at(WorkerId{0}).record;
  CHECK(fine.verdict == Verdict::apply);
  CHECK(fine.skips_in_a_row == 0);
  CHECK(sent<Commit>(step_with(infinity)).at(WorkerId{0}).record.skips_in_a_row == 1);
}

TEST_CASE("the last step of the spec is the last record", "[unit]") {
  CoordinatorStory story = two_by_two();
  story.start();
  CHECK_FALSE(sent<Commit>(story.whole_step()).at(WorkerId{0}).record.last);
  CHECK_FALSE(sent<Commit>(story.whole_step()).at(WorkerId{0}).record.last);
  const Decision decision = story.whole_step();
  CHECK(sent<Commit>(decision).at(WorkerId{0}).record.last);
  CHECK(decision.explanation.ends_with(", the last"));
  CHECK(story.state.phase == Phase::applying);
  CHECK(story.state.step == Step{3});
}

TEST_CASE("a stop rides the record of the step in flight", "[unit]") {
  CoordinatorStory story = two_by_two();
  story.start();
  CHECK(story.say(3, StopAsked{"signal 15"}).explanation ==
        "step 1 will be the last: worker 3: signal 15");
  const Decision second = story.give(StopRequested{"signal 2"});
  CHECK(second.explanation == "stop ignored: one was asked for before");
  const Decision decision = story.whole_step();
  CHECK(sent<Commit>(decision).at(WorkerId{0}).record.last);
  CHECK(decision.explanation.ends_with(", the last: worker 3: signal 15"));
  CHECK(story.give(StopRequested{"signal 2"}).explanation ==
        "stop ignored: the run is applying its last step");
}

TEST_CASE("a stop before the first step ends the run", "[unit]") {
  CoordinatorStory story({.workers = 2});
  story.join(1);
  const Decision decision = story.give(StopRequested{"signal 2"});
  CHECK(all_of<Finish>(decision).at(0).status == 1);
  CHECK(decision.explanation == "stopped before the first step: signal 2");
}

}  // namespace planaria::protocol
