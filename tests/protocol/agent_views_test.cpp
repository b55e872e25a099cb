// Views, halts and evictions, as a worker lives them.
#include <catch2/catch.hpp>

#include "protocol/agent_story.hpp"

namespace planaria::protocol::agent {
namespace {

// Worker `number`, in step 3 of view 1.
AgentStory at_level_2(int number) {
  AgentStory story = computing(number);
  story.whole_step();
  story.whole_step();
  REQUIRE(story.state.level == Step{2});
  return story;
}

}  // namespace

TEST_CASE("a view after a loss aborts what is computed, at the level that stands", "[unit]") {
  for (const bool reported : {false, true}) {
    AgentStory story = at_level_2(1);
    if (reported) story.computed(3);
    const NewView view = view_of_three(2, 3);
    const Decision decision = story.hear(view);
    REQUIRE(words(decision) == "abort prepare");
    CHECK(all_of<Abort>(decision)[0].view == ViewNumber{2});
    CHECK(all_of<Prepare>(decision)[0].view == view);
    CHECK(story.state.level == Step{2});
    // What was still on its way from the old view changes nothing.
    CHECK(story.computed(3, 1).explanation == "computed ignored: this worker is preparing");
    CHECK(sent<Ready>(story.give(Prepared{ViewNumber{2}})).view == ViewNumber{2});
    CHECK(words(story.hear(Begin{ViewNumber{2}, Step{3}})) == "compute");
  }
}

TEST_CASE("a result of the view before is not one of the view that stands", "[unit]") {
  AgentStory story = at_level_2(1);
  story.hear(view_of_three(2, 3));
  story.give(Prepared{ViewNumber{2}});
  story.hear(Begin{ViewNumber{2}, Step{3}});
  CHECK(story.computed(3, 1).explanation ==
        "computed step 3 in view 1 ignored: step 3 in view 2 is wanted");
  CHECK(sent<Report>(story.computed(3, 2)).view == ViewNumber{2});
}

TEST_CASE("an older view is ignored, one while another is prepared replaces it", "[unit]") {
  AgentStory story = at_level_2(1);
  CHECK(story.hear(view_of_three()).explanation == "view 1 ignored: view 1 stands");
  story.hear(view_of_three(2, 3));
  CHECK(words(story.hear(view_of_three(3, 3))) == "abort prepare");
  CHECK(story.give(Prepared{ViewNumber{2}}).explanation ==
        "prepared view 2 ignored: view 3 stands");
  CHECK(story.hear(view_of_three(2, 3)).explanation == "view 2 ignored: view 3 stands");
}

TEST_CASE("what fails in a step that was given up is not told: it would fail again", "[unit]") {
  const auto failure_in = [](int step) {
    return WorkerFailed{
        Failed{"bad sample", FaultKind::unavailable, Step{step}, MicroBatchId{0}, LayerId{1}}};
  };
  AgentStory story = at_level_2(1);
  REQUIRE(words(story.hear(Halt{"worker 0 was lost"})) == "abort hand");
  CHECK(story.give(failure_in(3)).explanation ==
        "failure ignored: its step was given up, and would fail again");
  CHECK(story.state.phase == AgentState::Phase::applying);
  // An evaluation at the level that stands is not given up.
  CHECK(sent<Failed>(story.give(failure_in(2))).step == Step{2});
}

TEST_CASE("a view from step 1 puts everybody back to level 0", "[unit]") {
  AgentStory story = at_level_2(1);
  const Decision decision = story.hear(view_of_three(2, 1));
  REQUIRE(words(decision) == "abort prepare");
  CHECK(story.state.level == Step{0});
  CHECK_FALSE(story.state.record.has_value());
  story.give(Prepared{ViewNumber{2}});
  CHECK(words(story.hear(Begin{ViewNumber{2}, Step{1}})) == "compute");
}

TEST_CASE("a view at a level where this worker does not stand is refused", "[unit]") {
  AgentStory story = at_level_2(1);
  check_gives_up(story, story.hear(view_of_three(2, 5)),
                 "view 2 begins with step 5 at level 2, must be step 3");
}

TEST_CASE("a record names the view that begins with the next step", "[unit]") {
  AgentStory story = at_level_2(1);
  story.computed(3);
  const NewView next = view_of_three(2, 4);
  const std::vector<Move> moves{{LayerId{2}, WorkerId{1}, WorkerId{2}}};
  const Decision decision = story.hear(Commit{record(3), next, moves});
  REQUIRE(words(decision) == "apply compute");
  CHECK(all_of<Apply>(decision)[0].next == next);
  CHECK(all_of<Apply>(decision)[0].moves == moves);
  CHECK(all_of<Compute>(decision)[0].view == ViewNumber{2});
  CHECK(decision.explanation == "applies step 3, computes step 4 in view 2");
  CHECK(sent<Report>(story.computed(4, 2)).step == Step{4});
}

TEST_CASE("a newcomer hears records until one brings it in", "[unit]") {
  AgentStory story = waiting(2);
  const Decision hears = story.hear(Commit{record(7), {}, {}});
  CHECK(hears.commands.empty());
  CHECK(hears.explanation == "hears of step 7");
  SECTION("a planned view that names it") {
    const Decision decision = story.hear(Commit{record(8), view_of_three(4, 9), {}});
    REQUIRE(words(decision) == "apply compute");
    CHECK(all_of<Compute>(decision)[0].step == Step{9});
    CHECK(decision.explanation == "hears of step 8, comes in with view 4");
  }
  SECTION("a planned view without it") {
    NewView view = view_of_three(4, 9);
    view.members.pop_back();
    CHECK(story.hear(Commit{record(8), view, {}}).commands.empty());
    CHECK_FALSE(story.state.view.has_value());
  }
  SECTION("a view after a loss") {
    CHECK(words(story.hear(view_of_three(4, 8))) == "abort prepare");
    CHECK(story.state.level == Step{7});
  }
  SECTION("a view after a loss, before it heard any record") {
    AgentStory early = waiting(2);
    CHECK(words(early.hear(view_of_three(4, 8))) == "abort prepare");
    CHECK(early.state.level == Step{7});
  }
}

TEST_CASE("shadowed gradients are reported in their step, or after it", "[unit]") {
  AgentStory story = at_level_2(2);
  const auto shadowed = [](int step, int view = 1) {
    return Shadowed{ShadowReport{ViewNumber{view}, Step{step}, {{LayerId{1}, 77}}}};
  };
  CHECK(sent<ShadowReport>(story.give(shadowed(3))).step == Step{3});
  story.hear(Commit{record(3), {}, {}});
  CHECK(sent<ShadowReport>(story.give(shadowed(3))).step == Step{3});  // of the record's step
  CHECK(sent<ShadowReport>(story.give(shadowed(2))).step == Step{2});  // it lags, and says so
  CHECK(story.give(shadowed(4, 9)).commands.empty());
  story.hear(view_of_three(2, 4));
  CHECK(story.give(shadowed(3)).explanation ==
        "shadow report of step 3 in view 1 ignored: this worker is preparing");
}

TEST_CASE("a halt ends computing at the level that stands, and a view may follow", "[unit]") {
  AgentStory story = at_level_2(1);
  const Decision halt = story.hear(Halt{"worker 0 was lost"});
  REQUIRE(words(halt) == "abort hand");
  CHECK(all_of<HandOver>(halt)[0].level == Step{2});
  CHECK(all_of<Abort>(halt)[0].view == ViewNumber{2});
  CHECK(halt.explanation == "stops at level 2: worker 0 was lost");
  CHECK(story.computed(3).explanation ==
        "computed ignored: this worker is applying the last record");
  CHECK(sent<Applied>(story.applied(2)).step == Step{2});
  CHECK(words(story.hear(view_of_three(2, 3))) == "abort prepare");
  CHECK(story.state.phase == Phase::preparing);
}

TEST_CASE("who is evicted forgets everything and joins anew", "[unit]") {
  AgentStory story = at_level_2(1);
  const Decision decision = story.hear(Evicted{"not heard from for 700 ms"});
  REQUIRE(words(decision) == "abort rejoin");
  CHECK(all_of<Rejoin>(decision)[0].why == "not heard from for 700 ms");
  CHECK(story.state.phase == Phase::starting);
  CHECK_FALSE(story.state.worker.has_value());
  CHECK_FALSE(story.state.view.has_value());
  CHECK(sent<Join>(story.give(Start{})).wanted == WorkerId{-2});
}

TEST_CASE("who failed computes no more, but gives what it holds", "[unit]") {
  AgentStory story = at_level_2(1);
  story.give(
      WorkerFailed{{"bad sample", FaultKind::unavailable, Step{3}, MicroBatchId{0}, LayerId{2}}});
  NewView view = view_of_three(2, 3);
  view.moves = {{LayerId{2}, WorkerId{1}, WorkerId{0}}};
  const Decision gives = story.hear(view);
  REQUIRE(words(gives) == "copies");
  CHECK(all_of<SendCopies>(gives)[0].level == Step{2});
  CHECK(all_of<SendCopies>(gives)[0].moves == view.moves);
  CHECK(story.state.phase == Phase::failing);
  CHECK(words(story.hear(Halt{"it failed twice"})) == "abort hand");
  CHECK(sent<Applied>(story.applied(2)).step == Step{2});
}

}  // namespace planaria::protocol::agent
