#include <catch2/catch.hpp>

#include <planaria/planner/chunks.hpp>

#include "protocol/coordinator_story.hpp"

namespace planaria::protocol {

using Phase = CoordinatorState::Phase;

namespace {

// How a run of four ends that is asked for this.
std::string end_of_four(CoordinatorOptions options, RunSpec spec = toy_spec()) {
  options.workers = 4;
  CoordinatorStory story(options, spec);
  const Decision decision = story.gather();
  CHECK(story.state.phase == Phase::finished);
  const std::string sentence = end_of(decision, 4, 2);
  CHECK(decision.explanation == sentence);
  return sentence;
}

}  // namespace

TEST_CASE("the first worker's spec binds and it is welcomed", "[unit]") {
  CoordinatorStory story({.workers = 2});
  const Decision decision = story.join(7);
  CHECK(decision.explanation == "worker 0 joined: 1 of 2");
  REQUIRE(all_of<SpecFixed>(decision).size() == 1);
  REQUIRE(all_of<Admit>(decision).size() == 1);
  CHECK(all_of<Admit>(decision)[0].connection == 7);
  CHECK(all_of<Admit>(decision)[0].worker == WorkerId{0});
  CHECK(sent<Welcome>(decision).at(WorkerId{0}).worker == WorkerId{0});
  const auto joined = events(decision, "worker_joined");
  REQUIRE(joined.size() == 1);
  CHECK(joined[0].fields == Json{{"worker", 0}, {"process", 4000}, {"address", "host:7"}});
  CHECK(joined[0].step == Step{0});
  CHECK(story.state.phase == Phase::joining);
}

TEST_CASE("a worker gets the number it wants where that is free, else the lowest", "[unit]") {
  CoordinatorStory story({.workers = 5});
  const auto number = [&](std::uint64_t connection, int wanted) {
    return all_of<Admit>(story.join(connection, WorkerId{wanted})).at(0).worker.value;
  };
  CHECK(number(1, 2) == 2);
  CHECK(number(2, 2) == 0);   // taken
  CHECK(number(3, 9) == 9);   // free: the launcher counts on beyond the first
  CHECK(number(4, -2) == 1);  // any
}

TEST_CASE("a worker with another spec is refused with both values", "[unit]") {
  CoordinatorStory story({.workers = 2});
  story.join(1);
  RunSpec other = toy_spec();
  other.identity[1] = {"threads", "2"};
  const Decision decision = story.join(2, WorkerId{1}, other);
  const std::string why = "worker from host:2 refused: threads: 2 here, 1 in this run";
  REQUIRE(all_of<TurnAway>(decision).size() == 1);
  CHECK(all_of<TurnAway>(decision)[0].connection == 2);
  CHECK(all_of<TurnAway>(decision)[0].why == why);
  CHECK(decision.explanation == why);
  REQUIRE(events(decision, "refused").size() == 1);
  CHECK(events(decision, "refused")[0].fields == Json{{"peer", "host:2"}, {"why", why}});
  CHECK(all_of<Admit>(decision).empty());
  CHECK(story.state.members.size() == 1);
  CHECK(story.join(3).explanation == "worker 1 joined: 2 of 2");  // the place is still free
}

TEST_CASE("a worker too many is turned away before the first step, and welcome after it",
          "[unit]") {
  CoordinatorStory story({.workers = 2});
  story.gather();
  const Decision decision = story.join(3);
  REQUIRE(all_of<TurnAway>(decision).size() == 1);
  CHECK(all_of<TurnAway>(decision)[0].why == "this run has all its 2 workers");
  CHECK(events(decision, "refused").size() == 1);
  story.all_ready();
  REQUIRE(story.state.phase == Phase::training);
  const Decision later = story.join(3);
  CHECK(later.explanation == "worker 2 joined in step 1");
  const auto welcome = sent<Welcome>(later).at(WorkerId{2});
  REQUIRE(welcome.members.size() == 2);  // whom it must connect to
  CHECK(welcome.members[1] == Member{WorkerId{1}, "host:101"});
}

TEST_CASE("nobody joins a run that is ending", "[unit]") {
  CoordinatorStory story({.workers = 1});
  story.start();
  story.give(StopRequested{"signal 15"});
  story.whole_step();
  const auto turned = all_of<TurnAway>(story.join(3));
  REQUIRE(turned.size() == 1);
  CHECK(turned[0].why == "this run is applying its last step");
}

TEST_CASE("the first view waits until all are connected to each other", "[unit]") {
  CoordinatorStory story({.workers = 2, .spares = 1});
  for (std::uint64_t i = 0; i < 3; ++i) story.join(i);
  CHECK(story.say(2, Connected{}).explanation == "worker 2 is connected to the others");
  story.say(0, Connected{});
  CHECK(story.say(0, Connected{}).explanation ==
        "connected of worker 0 ignored: it has come before");
  CHECK(story.state.phase == Phase::joining);
  CHECK(story.say(1, Connected{}).explanation.starts_with("view 1: "));
  CHECK(story.state.view.members.size() == 3);
}

TEST_CASE("who cannot connect to another says so while it joins", "[unit]") {
  CoordinatorStory story({.workers = 2});
  story.join(1);
  story.join(2);
  const Decision decision = story.say(1, Connected{{WorkerId{0}}});
  CHECK(
      decision.explanation ==
      "worker 1 is connected to the others; worker 1 cannot reach worker 0: it could not connect");
  CHECK(story.state.unreachable.size() == 1);
}

TEST_CASE("a misfit hears what does not fit, even where there is no place", "[unit]") {
  CoordinatorStory story({.workers = 1});
  story.join(1);
  RunSpec other = story.spec;
  other.seed += 1;
  const Decision decision = story.join(2, WorkerId{-2}, other);
  REQUIRE(all_of<TurnAway>(decision).size() == 1);
  CHECK_THAT(all_of<TurnAway>(decision)[0].why,
             Catch::StartsWith("worker from host:2 refused: seed: "));
}

TEST_CASE("a worker lost while joining is forgotten, and its number is nobody's again", "[unit]") {
  CoordinatorStory story({.workers = 2});
  story.join(1);
  const Decision lost = story.lose(0, "connection reset");
  CHECK(lost.explanation == "worker 0 was lost while joining: connection reset, 0 of 2");
  CHECK(all_of<Finish>(lost).empty());
  REQUIRE(events(lost, "worker_lost").size() == 1);
  CHECK(events(lost, "worker_lost")[0].fields == Json{{"worker", 0}, {"why", "connection reset"}});
  const Decision again = story.join(2);
  CHECK(all_of<Admit>(again).at(0).worker == WorkerId{1});
  CHECK(all_of<SpecFixed>(again).empty());  // run.json stands
  CHECK(story.say(0, Ready{ViewNumber{1}}).explanation ==
        "ready of worker 0 ignored: it is not a member");
  // What was planned for worker 0 goes to the first of those that are there.
  story.join(3);
  story.say(1, Connected{});
  story.say(2, Connected{});
  CHECK(workers_of(story.state.view.layout) == std::vector{WorkerId{1}, WorkerId{2}});
}

TEST_CASE("when all have joined, the layout asked for becomes view 1", "[unit]") {
  const Layout layout = grid(2, {1, 3}, 2);
  CoordinatorStory story({.workers = 5, .layout = layout, .schedule = "gpipe"});
  const Decision decision = story.gather();
  CHECK(decision.explanation == "view 1: 2 pipelines x 2 stages, as asked for");
  CHECK(story.state.phase == Phase::preparing);
  const auto views = sent<NewView>(decision);
  REQUIRE(views.size() == 5);
  for (const auto& [worker, view] : views) {
    CHECK(view.view == ViewNumber{1});
    CHECK(view.first_step == Step{1});
    CHECK(view.layout == layout);
    REQUIRE(view.members.size() == 5);
    CHECK(view.members[3] == Member{WorkerId{3}, "host:103"});
    CHECK(view.schedules == std::vector<std::string>(2, "0: F0 F1 G0 G1\n1: F0 F1 G0 G1\n"));
  }
  const auto announced = events(decision, "view");
  REQUIRE(announced.size() == 1);
  CHECK(announced[0].view == ViewNumber{1});
  CHECK(announced[0].step == Step{0});
  CHECK(announced[0].fields.at("layout") == to_json(layout));
  CHECK(announced[0].fields.at("members").at(4) == Json{{"worker", 4}, {"address", "host:104"}});
  CHECK(announced[0].fields.at("explanation") == "2 pipelines x 2 stages, as asked for");
}

TEST_CASE("without a layout the planner chooses, by the layers' costs", "[unit]") {
  RunSpec spec = toy_spec();
  spec.layers[3].cost = 3;
  CoordinatorStory story({.workers = 2, .width = 1, .depth = 2}, spec);
  story.gather();
  CHECK(shape(story.state.view.layout) == "0:0-2 1:3-3 x4");
}

TEST_CASE("a step begins only when every member is ready, idle ones too", "[unit]") {
  CoordinatorStory story({.workers = 3, .layout = grid(1, {2, 2}, 4)});
  story.gather();
  CHECK(story.say(1, Ready{ViewNumber{1}}).explanation ==
        "view 1 waits: workers 0 and 2 are not ready");
  CHECK(story.say(0, Ready{ViewNumber{2}}).explanation ==
        "ready of worker 0 ignored: view 2, must be 1");
  CHECK(story.say(0, Ready{ViewNumber{1}}).explanation == "view 1 waits: worker 2 is not ready");
  story.clock.advance({50});
  const Decision decision = story.say(2, Ready{ViewNumber{1}});
  CHECK(decision.explanation == "step 1 begins: all workers are ready");
  const auto begins = sent<Begin>(decision);
  REQUIRE(begins.size() == 3);
  CHECK(begins.at(WorkerId{2}).step == Step{1});
  CHECK(begins.at(WorkerId{2}).view == ViewNumber{1});
  CHECK(story.state.step_began == Instant{50});
  CHECK(story.say(2, Ready{ViewNumber{1}}).explanation ==
        "ready of worker 2 ignored: the run is training");
}

TEST_CASE("what cannot be laid out ends the run before anything runs", "[unit]") {
  CHECK(end_of_four({.depth = 5}) == "depth: 5, must be at most 4, the number of layers");
  CHECK(end_of_four({.layout = grid(1, {2, 1}, 4)}) ==
        "pipelines[0].stages[1].last_layer: 2, must be 3, the last layer");
  Layout stranger = grid(1, {2, 2}, 4);
  stranger.pipelines[0].stages[1].worker = WorkerId{4};
  CHECK(end_of_four({.layout = stranger}) == "pipelines[0].stages[1].worker: 4, must be 0 to 3");
  RunSpec spec = toy_spec();
  spec.steps = 0;
  CHECK(end_of_four({}, spec) == "steps: 0, must be at least 1");
}

TEST_CASE("schedules are proven before they run", "[unit]") {
  const Layout layout = grid(1, {2, 2}, 4);
  CHECK(end_of_four({.schedule = "2f2b"}).find("2f2b") != std::string::npos);
  CHECK(end_of_four({.layout = layout, .schedule_text = "0: F0 G0\n1: F0 G0\n"}) ==
        "schedule of pipeline 0: 2 stages and 1 micro-batches, must be 2 and 4");
  const std::string crossed = "0: F0 F1 F2 F3 G0 G1 G2 G3\n1: F0 G0 F1 F2 G2 G1 F3 G3\n";
  RunSpec one_lane = toy_spec();
  one_lane.lane_size = 4;
  const std::string sentence = end_of_four({.layout = layout, .schedule_text = crossed}, one_lane);
  CHECK(sentence.starts_with("schedule of pipeline 0: "));
  CHECK(sentence.find("rank 1") != std::string::npos);
  // With lanes of one, the order of weight gradients is free.
  CoordinatorStory story({.workers = 2, .layout = layout, .schedule_text = crossed});
  CHECK(story.gather().explanation == "view 1: 1 pipeline x 2 stages, as asked for");
  CHECK(story.state.view.schedules.at(0) == crossed);
}

TEST_CASE("a schedule of chunks gives each worker several stages", "[unit]") {
  CoordinatorStory story({.workers = 2, .width = 1, .depth = 2, .schedule = "zb-v"});
  story.gather();
  const PipelineAssignment& pipeline = story.state.view.layout.pipelines.at(0);
  CHECK(pipeline.stages.size() == 4);
  CHECK(stands_as(pipeline, {Placement::v, 2}));
  CHECK(story.state.view.schedules.at(0).starts_with("# placement: v\n0: 0F0 "));
  const std::string text = story.state.view.schedules.at(0);
  CoordinatorStory by_text({.workers = 2, .width = 1, .depth = 2, .schedule_text = text});
  by_text.gather();
  CHECK(by_text.state.view.layout.pipelines == story.state.view.layout.pipelines);
  CHECK(by_text.state.view.schedules.at(0) == text);
}

TEST_CASE("a first view that the asked-for schedule does not fit is refused", "[unit]") {
  CHECK(end_of_four({.width = 1, .depth = 4, .schedule = "zb-v"}) ==
        "depth: 4, must be at most 2: zb-v puts 2 stages on each worker, and there are 4 layers");
  CHECK(end_of_four({.width = 1, .depth = 4, .schedule = "zb-h2"}) ==
        "schedule of pipeline 0: micro_batches: 4, must be at least 7 for zb-h2 of 4 stages");
  CHECK(end_of_four({.layout = grid(1, {2, 2}, 4), .schedule = "zb-v"}) ==
        "schedule of pipeline 0: 2 stages on each of 2 workers in placement v, and the layout has "
        "2 stages on 2 workers otherwise");
}

TEST_CASE("the first view shadows every layer k times, over idle workers first", "[unit]") {
  CoordinatorStory story({.workers = 2, .spares = 1, .width = 1, .depth = 2, .commit_domains = 2});
  story.gather();
  const Layout& layout = story.state.view.layout;
  CHECK(shape(layout) == "0:0-1 1:2-3 x4");
  for (LayerId layer{0}; layer.value < 4; layer = layer.next()) {
    CHECK(shadows_of(layout, layer).size() == 1);
  }
  CHECK_FALSE(shadowed_by(layout, WorkerId{2}).empty());
}

}  // namespace planaria::protocol
