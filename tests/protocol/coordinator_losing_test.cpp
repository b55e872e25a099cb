#include <catch2/catch.hpp>

#include "protocol/coordinator_story.hpp"

namespace planaria::protocol {

using Phase = CoordinatorState::Phase;

namespace {

RunSpec spec_of_ten() {
  RunSpec spec = toy_spec();
  spec.steps = 10;
  return spec;
}

// Two pipelines of one stage on workers 0 and 1, each with all layers; k 2. In step 2.
CoordinatorStory two_alike(CoordinatorOptions options = {}) {
  options.workers = 2;
  options.layout = grid(2, {4}, 2);
  options.commit_domains = 2;
  CoordinatorStory story(options, spec_of_ten());
  story.start();
  story.whole_step();
  return story;
}

// Layers 0-1 on worker 0, 2-3 on worker 1; worker 2 shadows them all. In step 2.
CoordinatorStory one_shadow() {
  Layout layout = grid(1, {2, 2}, 4);
  layout.shadows = {{WorkerId{2}, {LayerId{0}, LayerId{1}, LayerId{2}, LayerId{3}}}};
  CoordinatorStory story({.workers = 2, .spares = 1, .layout = layout, .commit_domains = 2},
                         spec_of_ten());
  story.start();
  story.whole_step();
  return story;
}

std::vector<int> numbers(const std::vector<Member>& members) {
  std::vector<int> found;
  for (const Member& member : members) found.push_back(member.worker.value);
  return found;
}

}  // namespace

TEST_CASE("who is lost before the first step is replaced by the others, from level 0", "[unit]") {
  CoordinatorStory story({.workers = 2, .spares = 1, .layout = grid(1, {2, 2}, 4)});
  story.gather();
  story.say(0, Ready{ViewNumber{1}});
  const Decision decision = story.lose(1);
  REQUIRE(events(decision, "worker_lost").size() == 1);
  const auto views = sent<NewView>(decision);
  REQUIRE(views.size() == 2);
  CHECK(views.at(WorkerId{0}).view == ViewNumber{2});
  CHECK(views.at(WorkerId{0}).first_step == Step{1});
  CHECK(views.at(WorkerId{0}).moves.empty());  // everybody builds what it computes
  CHECK(workers_of(views.at(WorkerId{0}).layout) == std::vector{WorkerId{0}, WorkerId{2}});
  CHECK(story.state.ready.empty());  // of the new view
  CHECK(story.all_ready().explanation == "step 1 begins: all workers are ready");
}

TEST_CASE("who is lost before it was in any view is only forgotten", "[unit]") {
  CoordinatorStory story = two_alike();
  story.lose(1);
  REQUIRE(story.state.phase == Phase::preparing);
  story.newcomer();
  const ViewNumber view = story.state.view.view;
  CHECK(story.lose(2).explanation == "worker 2 was lost: killed, before it was in any view");
  CHECK(story.state.view.view == view);
}

TEST_CASE("after the loss of who computes, the step begins again with the others", "[unit]") {
  CoordinatorStory story = two_alike();
  story.say(0, story.report(0));
  const Decision decision = story.lose(1, "connection reset");
  CHECK(events(decision, "worker_lost").at(0).fields ==
        Json{{"worker", 1}, {"why", "connection reset"}});
  CHECK(events(decision, "worker_lost").at(0).step == Step{2});
  CHECK(story.state.phase == Phase::preparing);
  const auto views = sent<NewView>(decision);
  REQUIRE(views.size() == 1);
  CHECK(views.at(WorkerId{0}).first_step == Step{2});
  CHECK(numbers(views.at(WorkerId{0}).members) == std::vector{0});
  CHECK(story.state.reports.empty());
  CHECK(decision.explanation.starts_with("view 2: worker 1 was lost: connection reset; "));
  // What is reported of the view before changes nothing.
  Report old = story.report(0);
  old.view = ViewNumber{1};
  CHECK(story.say(0, old).explanation ==
        "report of worker 0 on step 2 ignored: the run is preparing");
  const Decision begins = story.all_ready();
  CHECK(sent<Begin>(begins).at(WorkerId{0}).step == Step{2});
  CHECK(events(begins, "resumed").size() == 1);
  CHECK(sent<Commit>(story.whole_step()).at(WorkerId{0}).record.step == Step{2});
}

TEST_CASE("layers held by fewer than k workers are at risk, and named", "[unit]") {
  CoordinatorStory story = two_alike();
  const auto risks = events(story.lose(1), "at_risk");
  REQUIRE(risks.size() == 1);
  CHECK(risks[0].fields == Json{{"layers", {0, 1, 2, 3}}, {"domains", 1}});
  // At level 0 nothing can be lost.
  CoordinatorStory early({.workers = 2, .layout = grid(2, {4}, 2), .commit_domains = 2});
  early.start();
  CHECK(events(early.lose(1), "at_risk").empty());
}

TEST_CASE("nobody waits for a lost shadow: the step goes on, and is committed if it was the last",
          "[unit]") {
  SECTION("it was not yet waited for") {
    CoordinatorStory story = one_shadow();
    const Decision decision = story.lose(2);
    CHECK(sent<NewView>(decision).empty());
    CHECK(
        decision.explanation ==
        "worker 2 was lost: killed: step 2 goes on without it; step 2 waits: workers 0 and 1 have "
        "not reported");
    CHECK(story.state.view.layout.shadows.empty());
    CHECK(numbers(story.state.view.members) == std::vector{0, 1});
    CHECK(events(decision, "at_risk").size() == 1);
  }
  SECTION("it alone had not reported") {
    CoordinatorStory story = one_shadow();
    story.say(0, story.report(0));
    story.say(1, story.report(1));
    const Decision decision = story.lose(2);
    CHECK(sent<Commit>(decision).size() == 2);
    CHECK(story.state.step == Step{3});
  }
}

TEST_CASE("a second loss while a view is prepared makes another view", "[unit]") {
  CoordinatorStory story = one_shadow();
  story.lose(0);
  REQUIRE(story.state.view.view == ViewNumber{2});
  const Decision decision = story.lose(1);
  const auto view = sent<NewView>(decision).at(WorkerId{2});
  CHECK(view.view == ViewNumber{3});
  CHECK(view.first_step == Step{2});
  CHECK(shape(view.layout) == "2:0-3 x4");  // the shadow holds it all
  CHECK(story.say(2, Ready{ViewNumber{2}}).explanation ==
        "ready of worker 2 ignored: view 2, must be 3");
  story.all_ready();
  CHECK(sent<Commit>(story.whole_step()).at(WorkerId{2}).record.step == Step{2});
}

TEST_CASE("who is silent too long is told that it is out, and the others go on", "[unit]") {
  CoordinatorStory story = two_alike();
  CHECK(story.pass(Milliseconds{600}, {1}).commands.empty());
  const Decision decision = story.pass(Milliseconds{50}, {1});
  const std::string why = "not heard from for 650 ms, must be at most 600";
  CHECK(sent<Evicted>(decision).at(WorkerId{1}).why == why);
  REQUIRE(all_of<Disconnect>(decision).size() == 1);
  CHECK(all_of<Disconnect>(decision)[0].worker == WorkerId{1});
  CHECK(events(decision, "worker_lost").at(0).fields == Json{{"worker", 1}, {"why", why}});
  CHECK(sent<NewView>(decision).count(WorkerId{0}) == 1);
  CHECK(story.lose(1).explanation == "loss of worker 1 ignored: it is not a member");
  CHECK(story.say(1, Alive{}).explanation == "alive of worker 1 ignored: it is not a member");
}

TEST_CASE("everything that a worker says shows that it lives", "[unit]") {
  CoordinatorStory story = two_alike();
  story.pass(Milliseconds{550}, {1});
  story.say(1, story.report(1));
  CHECK(story.pass(Milliseconds{600}, {1}).commands.empty());
}

TEST_CASE("a coordinator that was itself stopped takes nobody for dead", "[unit]") {
  CoordinatorStory story = two_alike();
  story.pass(Milliseconds{100});
  story.clock.advance(Milliseconds{5000});
  CHECK(story.give(Tick{}).commands.empty());
  CHECK(story.pass(Milliseconds{600}, {1}).commands.empty());
  CHECK(sent<Evicted>(story.pass(Milliseconds{50}, {1})).size() == 1);
}

TEST_CASE("a pair that is cut apart loses one, after a grace", "[unit]") {
  CoordinatorStory story = two_alike();
  CHECK(story.say(0, Unreachable{WorkerId{1}, "connection reset"}).explanation ==
        "worker 0 cannot reach worker 1: connection reset");
  CHECK(story.pass(Milliseconds{50}).commands.empty());
  const Decision decision = story.pass(Milliseconds{50});
  CHECK(sent<Evicted>(decision).at(WorkerId{1}).why == "cannot be reached by worker 0");
  CHECK(story.state.unreachable.empty());
  CHECK(story.state.members.size() == 1);
}

TEST_CASE("of a pair the one that died goes, when its own end is heard in time", "[unit]") {
  CoordinatorStory story = two_alike();
  story.say(1, Unreachable{WorkerId{0}, "connection reset"});
  story.lose(0);
  CHECK(story.state.unreachable.empty());
  CHECK(story.pass(Milliseconds{200}).commands.empty());
  CHECK(story.state.members.contains(WorkerId{1}));
}

TEST_CASE("of a pair the one goes that holds fewer layers alone", "[unit]") {
  RunSpec spec = spec_of_ten();
  CoordinatorStory story(
      {.workers = 2, .spares = 1, .layout = grid(1, {1, 3}, 4), .commit_domains = 1}, spec);
  story.start();
  story.whole_step();
  // Worker 0 holds one layer alone, worker 1 three: the lower number goes.
  story.say(1, Unreachable{WorkerId{0}, "connection reset"});
  const Decision decision = story.pass(Milliseconds{150});
  CHECK(sent<Evicted>(decision).count(WorkerId{0}) == 1);
}

TEST_CASE("the smallest set goes that covers all pairs", "[unit]") {
  CoordinatorStory three({.workers = 3, .width = 3, .depth = 1, .commit_domains = 2},
                         spec_of_ten());
  three.start();
  three.whole_step();
  three.say(1, Unreachable{WorkerId{0}, "connection reset"});
  three.say(2, Unreachable{WorkerId{0}, "connection reset"});
  const Decision decision = three.pass(Milliseconds{150});
  CHECK(sent<Evicted>(decision).at(WorkerId{0}).why == "cannot be reached by workers 1 and 2");
  CHECK(three.state.members.size() == 2);
}

TEST_CASE("a pair with a stranger or oneself is none", "[unit]") {
  CoordinatorStory story = two_alike();
  CHECK(story.say(0, Unreachable{WorkerId{9}, "gone"}).explanation ==
        "worker 0 cannot reach worker 9 ignored: it is not a member");
  CHECK(story.say(0, Unreachable{WorkerId{0}, "odd"}).commands.empty());
  CHECK(story.state.unreachable.empty());
}

TEST_CASE("with too few workers the run ends with its level stored", "[unit]") {
  CoordinatorStory story = two_alike({.min_workers = 2});
  const Decision decision = story.lose(1);
  CHECK(sent<Halt>(decision).size() == 1);
  CHECK(decision.explanation ==
        "all stop at level 1, which is stored: worker 1 was lost: killed: 1 left, must be at least "
        "2");
  CHECK(story.state.phase == Phase::applying);
  CHECK(all_of<StoreModel>(story.all_applied()).size() == 1);
  for (int layer = 0; layer < 4; ++layer) story.say(0, StateSent{LayerId{layer}});
  CHECK(end_of(story.give(ModelStored{}), 1, 1) ==
        "worker 1 was lost: killed: 1 left, must be at least 2");
}

TEST_CASE("with too few workers the run waits for others, if it may", "[unit]") {
  CoordinatorStory story = two_alike({.min_workers = 2, .wait_ms = 1000});
  const Decision waits = story.lose(1);
  CHECK(story.state.phase == Phase::waiting);
  CHECK(events(waits, "waiting").at(0).fields == Json{{"workers", 1}, {"wanted", 2}});
  SECTION("another comes: the step begins again with both") {
    story.pass(Milliseconds{500});
    story.newcomer();
    CHECK(story.state.phase == Phase::preparing);
    CHECK(story.state.view.first_step == Step{2});
    CHECK(numbers(story.state.view.members) == std::vector{0, 2});
    story.all_ready();
    CHECK(story.state.step == Step{2});
    CHECK(story.state.phase == Phase::training);
  }
  SECTION("nobody comes: the level is stored") {
    CHECK(story.pass(Milliseconds{950}).commands.empty());
    const Decision decision = story.pass(Milliseconds{50});
    CHECK(sent<Halt>(decision).at(WorkerId{0}).why == "1 of at least 2 workers after waiting 1 s");
    CHECK(story.state.phase == Phase::applying);
  }
  SECTION("a stop: the level is stored") {
    const Decision decision = story.give(StopRequested{"signal 15"});
    CHECK(sent<Halt>(decision).at(WorkerId{0}).why ==
          "stopped while waiting for workers: signal 15");
  }
  SECTION("the last one goes too: it still waits") {
    story.lose(0);
    CHECK(story.state.phase == Phase::waiting);
  }
}

TEST_CASE("where repairing would move states, micro-batches are re-routed and nobody waits",
          "[unit]") {
  // Two pipelines of two stages hold every layer twice, so nobody shadows; worker 3 is lost.
  CoordinatorStory story({.workers = 4, .layout = grid(2, {2, 2}, 2), .commit_domains = 2},
                         spec_of_ten());
  story.start();
  story.whole_step();
  const Decision decision = story.lose(3);
  const auto views = sent<NewView>(decision);
  REQUIRE(views.size() == 3);
  const NewView& view = views.at(WorkerId{0});
  CHECK(view.moves.empty());
  CHECK(view.first_step == Step{2});
  CHECK(workers_of(Layout{view.layout.pipelines, {}}) ==
        std::vector{WorkerId{0}, WorkerId{1}, WorkerId{2}});
  CHECK(places_of(view.layout, WorkerId{1}).size() == 2);
  CHECK(joined_with(view.layout, 0) == std::vector{0, 1});
  // While training goes on, shadows are filled for the layout that the planner would have.
  story.all_ready();
  const Decision done = story.whole_step();
  INFO(done.explanation);
  const auto commits = sent<Commit>(done);
  REQUIRE(commits.contains(WorkerId{0}));
  const Commit& commit = commits.at(WorkerId{0});
  REQUIRE(story.state.target.has_value());
  CHECK_FALSE(shares_workers(*story.state.target));
  CHECK_FALSE(commit.moves.empty());
  CHECK(story.state.view.layout.pipelines == view.layout.pipelines);
}

}  // namespace planaria::protocol
