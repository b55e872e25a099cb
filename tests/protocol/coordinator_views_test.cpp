// Views after a loss: what they hold, and what happens where nobody has the level any more.
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

// Layers 0-1 on worker 0, 2-3 on worker 1, each alone. In step `step`.
CoordinatorStory each_alone(int step = 3) {
  CoordinatorStory story({.workers = 2, .width = 1, .depth = 2}, spec_of_ten());
  story.start();
  for (int i = 1; i < step; ++i) story.whole_step();
  return story;
}

}  // namespace

TEST_CASE("a view after a loss promotes shadows, so that nothing moves", "[unit]") {
  CoordinatorStory story({.workers = 2, .spares = 1, .width = 1, .depth = 2, .commit_domains = 2},
                         spec_of_ten());
  story.start();
  story.whole_step();
  story.whole_step();
  const auto holders = story.state.holders;
  const Decision decision = story.lose(1);
  const NewView view = sent<NewView>(decision).at(WorkerId{0});
  CHECK(view == sent<NewView>(decision).at(WorkerId{2}));
  CHECK(view.moves.empty());
  CHECK(view.first_step == Step{3});
  CHECK(view.schedules.size() == view.layout.pipelines.size());
  for (LayerId layer{0}; layer.value < 4; layer = layer.next()) {
    for (const WorkerId worker : active_holders(view.layout, layer)) {
      CHECK(holders.at(layer).contains(worker));
    }
  }
  const Event event = events(decision, "view").at(0);
  CHECK(event.fields.at("planned") == false);
  CHECK(event.fields.at("first_step") == 3);
  CHECK(event.fields.at("moves") == 0);
}

TEST_CASE("states that were under way are forgotten with the view they were for", "[unit]") {
  CoordinatorStory story({.workers = 2, .layout = grid(2, {4}, 2), .commit_domains = 3},
                         spec_of_ten());
  story.start();
  story.whole_step();
  story.newcomer();
  story.whole_step();
  REQUIRE_FALSE(story.state.filling.empty());
  story.lose(1);
  CHECK(story.state.filling.empty());
  story.all_ready();
  story.whole_step();
  CHECK_FALSE(story.state.filling.empty());  // and are sent again
}

TEST_CASE("before all go back everybody is asked what it holds", "[unit]") {
  CoordinatorStory story = each_alone();
  const Decision asks = story.lose(1);
  CHECK(story.state.phase == Phase::asking);
  CHECK(sent<Halt>(asks).at(WorkerId{0}).why == "worker 1 was lost: killed");
  CHECK(asks.explanation == "worker 1 was lost: killed; asks everybody what it holds at level 2");
  CHECK(events(asks, "rolled_back").empty());
  CHECK(all_of<TurnAway>(story.join(9)).at(0).why == "this run is asking who holds what");
  const Decision decision = story.say(0, story.applied(0));
  const Event back = events(decision, "rolled_back").at(0);
  CHECK(back.fields == Json{{"from", 2}, {"to", 0}, {"layers", {2, 3}}});
  const NewView view = sent<NewView>(decision).at(WorkerId{0});
  CHECK(view.first_step == Step{1});
  CHECK(view.moves.empty());
  CHECK(shape(view.layout) == "0:0-3 x4");
  CHECK(story.state.step == Step{1});
}

TEST_CASE("a shadow that was filled unheard saves the level", "[unit]") {
  CoordinatorStory story({.workers = 1, .width = 1, .depth = 1, .commit_domains = 2},
                         spec_of_ten());
  story.start();
  story.newcomer();
  story.whole_step();
  story.whole_step();
  story.lose(0);
  REQUIRE(story.state.phase == Phase::asking);
  REQUIRE(story.state.step == Step{2});
  Applied all{.view = story.state.view.view, .step = Step{2}, .layers = {}};
  for (int layer = 0; layer < 4; ++layer) all.layers.push_back({LayerId{layer}, 1, {}});
  SECTION("it has every layer at the level") {
    const Decision decision = story.say(1, all);
    CHECK(events(decision, "rolled_back").empty());
    CHECK(sent<NewView>(decision).at(WorkerId{1}).first_step == Step{3});
  }
  SECTION("it lacks one") {
    all.layers.pop_back();
    const Decision decision = story.say(1, all);
    CHECK(events(decision, "rolled_back").at(0).fields.at("layers") == Json{3});
  }
  SECTION("it stands at another level") {
    all.step = Step{1};
    CHECK(events(story.say(1, all), "rolled_back").size() == 1);
  }
}

TEST_CASE("who is lost while all are asked is not waited for", "[unit]") {
  CoordinatorStory story({.workers = 3, .width = 1, .depth = 3}, spec_of_ten());
  story.start();
  story.whole_step();
  story.lose(1);
  CHECK(story.say(0, story.applied(0)).explanation == "waits for what worker 2 holds");
  const Decision decision = story.lose(2);
  CHECK(events(decision, "rolled_back").size() == 1);
  CHECK(sent<NewView>(decision).size() == 1);
}

TEST_CASE("what is done again comes out as it did, with the records of before", "[unit]") {
  CoordinatorStory story = each_alone();
  const std::vector<CommittedStep> before = story.state.committed;
  REQUIRE(before.size() == 2);
  story.lose(1);
  story.say(0, story.applied(0));
  story.all_ready();
  for (int step = 1; step <= 2; ++step) {
    const Decision decision = story.whole_step();
    CHECK(sent<Commit>(decision).at(WorkerId{0}).record ==
          before[static_cast<std::size_t>(step) - 1].record);
    CHECK(all_of<LedgerLine>(decision).empty());  // one line a step
    CHECK(events(decision, "step_committed").at(0).fields.at("again") == true);
    CHECK(decision.explanation.starts_with("step " + std::to_string(step) + " committed again: "));
  }
  const Decision fresh = story.whole_step();
  CHECK(all_of<LedgerLine>(fresh).size() == 1);
  CHECK_FALSE(events(fresh, "step_committed").at(0).fields.contains("again"));
}

TEST_CASE("what is done again and differs ends the run", "[unit]") {
  const auto end_with = [](auto spoil) {
    CoordinatorStory story = each_alone();
    story.lose(1);
    story.say(0, story.applied(0));
    story.all_ready();
    Report report = story.report(0);
    spoil(report);
    return end_of(story.say(0, report), 1, 1);
  };
  CHECK(end_with([](Report& report) {
          report.losses[0].loss += 4;
        }).starts_with("step 1 was done again and has loss "));
  CHECK(end_with([](Report& report) {
          report.layers[0].squared_norm += 1000;
        }).starts_with("step 1 was done again and has norm "));
  CHECK(end_with([](Report& report) { report.read[2].xxh3 ^= 1; }) ==
        "step 1 was done again and read or labelled other bytes");
}

// Records of steps that are done again are those of before.
TEST_CASE("a stop while all go back rides the first record that is new", "[unit]") {
  CoordinatorStory story = each_alone();
  story.lose(1);
  story.give(StopRequested{"signal 15"});
  story.say(0, story.applied(0));
  story.all_ready();
  for (int step = 1; step <= 2; ++step) {
    CHECK_FALSE(sent<Commit>(story.whole_step()).at(WorkerId{0}).record.last);
  }
  CHECK(sent<Commit>(story.whole_step()).at(WorkerId{0}).record.last);
}

TEST_CASE("a schedule given as text is for the shape asked for; another gets the kind's own",
          "[unit]") {
  const std::string text = "0: F0 F1 G0 G1\n1: F0 F1 G0 G1\n";
  CoordinatorStory story(
      {.workers = 4, .layout = grid(2, {2, 2}, 2), .schedule_text = text, .commit_domains = 2},
      spec_of_ten());
  story.start();
  story.whole_step();
  REQUIRE(story.state.view.schedules == std::vector(2, text));
  story.lose(3);
  REQUIRE(story.state.phase == Phase::preparing);
  const Layout& layout = story.state.view.layout;
  REQUIRE(layout.pipelines.size() == story.state.view.schedules.size());
  for (std::size_t i = 0; i < layout.pipelines.size(); ++i) {
    // Of pipelines that run as one the first has the schedule of all.
    const bool first = joined_with(layout, static_cast<int>(i)).front() == static_cast<int>(i);
    CHECK(story.state.view.schedules[i].empty() != first);
    CHECK(story.state.view.schedules[i] != text);
  }
}

TEST_CASE("a worker that began after the others gets no role at a level it never evaluates",
          "[unit]") {
  RunSpec spec = spec_of_ten();
  spec.evaluation_samples = 4;
  CoordinatorStory story({.workers = 2, .layout = grid(2, {4}, 2), .commit_domains = 2}, spec);
  story.start();
  story.whole_step();
  story.newcomer();
  story.whole_step();  // it comes in with step 3
  REQUIRE(story.state.members.at(WorkerId{2}).first_step == Step{3});
  story.lose(1);
  CHECK(workers_of({story.state.view.layout.pipelines, {}}) == std::vector{WorkerId{0}});
  CHECK(story.state.view.members.size() == 2);
}

}  // namespace planaria::protocol
