#include <catch2/catch.hpp>

#include "protocol/coordinator_story.hpp"

namespace planaria::protocol {

using Phase = CoordinatorState::Phase;

namespace {

// Layers 0-1 on worker 0, 2-3 on worker 1; worker 2 shadows them all.
CoordinatorStory one_shadow() {
  Layout layout = grid(1, {2, 2}, 4);
  layout.shadows = {{WorkerId{2}, {LayerId{0}, LayerId{1}, LayerId{2}, LayerId{3}}}};
  CoordinatorStory story({.workers = 2, .spares = 1, .layout = layout, .commit_domains = 2});
  story.start();
  return story;
}

// One pipeline of one stage on worker 0; worker 1 joins and is named to shadow it (k 2). Moves of
// all four layers go with the first record, since they are at risk.
CoordinatorStory one_filling() {
  RunSpec spec = toy_spec();
  spec.steps = 9;
  CoordinatorStory story({.workers = 1, .width = 1, .depth = 1, .commit_domains = 2}, spec);
  story.start();
  story.newcomer();
  story.whole_step();
  REQUIRE(story.state.view.view == ViewNumber{2});
  REQUIRE(story.state.filling.size() == 4);
  return story;
}

}  // namespace

TEST_CASE("a step waits for the shadows that hold its layers", "[unit]") {
  CoordinatorStory story = one_shadow();
  story.say(0, story.report(0));
  CHECK(story.say(1, story.report(1)).explanation == "step 1 waits: worker 2 has not reported");
  const Decision decision = story.say(2, story.shadow_report(2));
  CHECK(sent<Commit>(decision).size() == 3);
  for (LayerId layer{0}; layer.value < 4; layer = layer.next()) {
    CHECK(story.state.holders.at(layer).size() == 2);
  }
}

TEST_CASE("a shadow that reports some of its layers is still waited for", "[unit]") {
  CoordinatorStory story = one_shadow();
  story.say(0, story.report(0));
  story.say(1, story.report(1));
  ShadowReport part = story.shadow_report(2);
  part.layers.pop_back();
  CHECK(story.say(2, part).explanation == "step 1 waits: worker 2 has not reported");
}

TEST_CASE("a shadow with another gradient has the step computed again, and is out the second time",
          "[unit]") {
  CoordinatorStory story = one_shadow();
  const auto with_a_wrong_shadow = [&] {
    ShadowReport other = story.shadow_report(2);
    other.layers[3].checksum ^= 1;
    story.say(2, other);
    story.say(0, story.report(0));
    return story.say(1, story.report(1));
  };
  const Decision first = with_a_wrong_shadow();
  REQUIRE(events(first, "gradients_differ").size() == 1);
  CHECK(events(first, "gradients_differ")[0].fields.at("worker") == 2);
  CHECK(sent<Commit>(first).empty());
  CHECK(sent<Evicted>(first).empty());
  CHECK(sent<NewView>(first).at(WorkerId{0}).first_step == Step{1});
  story.all_ready();
  const Decision second = with_a_wrong_shadow();
  CHECK(sent<Evicted>(second).contains(WorkerId{2}));
  CHECK(sent<Commit>(second).size() == 2);  // those who compute agree
  CHECK_FALSE(story.state.members.contains(WorkerId{2}));
}

TEST_CASE("a shadow speaks once, of what it shadows, in the step in flight", "[unit]") {
  CoordinatorStory story = one_shadow();
  const ShadowReport report = story.shadow_report(2);
  story.say(2, report);
  CHECK(story.say(2, report).explanation ==
        "shadow report of worker 2 on step 1 ignored: it has come before");
  ShadowReport future = report;
  future.step = Step{2};
  CHECK(story.say(2, future).explanation ==
        "shadow report of worker 2 on step 2 ignored: step 1 is in flight");
  ShadowReport other_view = report;
  other_view.view = ViewNumber{7};
  CHECK(story.say(2, other_view).explanation ==
        "shadow report of worker 2 on step 1 ignored: view 7, must be 1");
  CHECK(end_of(story.say(0, report), 3, 1) ==
        "step 1: worker 0 reported layer 0 (embedding), which it does not shadow");
}

TEST_CASE("nobody waits for a shadow that is being filled", "[unit]") {
  CoordinatorStory story = one_filling();
  const Decision decision = story.say(0, story.report(0));
  CHECK(sent<Commit>(decision).size() == 2);
  CHECK(story.state.holders.at(LayerId{0}) == std::set{WorkerId{0}});
}

TEST_CASE("a shadow counts from the step in which it first reports a layer", "[unit]") {
  CoordinatorStory story = one_filling();
  const std::set<Move> filling = story.state.filling;
  ShadowReport filled{story.state.view.view, story.state.step, {}};
  for (const LayerChecksum& layer : story.shadow_report(1, true).layers) {
    const bool sent = filling.contains({layer.layer, WorkerId{0}, WorkerId{1}});
    if (sent) filled.layers.push_back(layer);
  }
  REQUIRE(filled.layers.size() == 4);
  story.say(1, filled);
  story.say(0, story.report(0));
  REQUIRE(story.state.step == Step{3});
  for (const LayerChecksum& layer : filled.layers) {
    CHECK(story.state.holders.at(layer.layer).size() == 2);
  }
  // From now on it is waited for.
  CHECK(story.say(0, story.report(0)).explanation == "step 3 waits: worker 1 has not reported");
}

TEST_CASE("a report that comes after its record counts, with the same gradient only", "[unit]") {
  CoordinatorStory story = one_filling();
  const ShadowReport late = story.shadow_report(1, true);
  story.say(0, story.report(0));
  REQUIRE(story.state.step == Step{3});
  SECTION("the same") {
    const Decision decision = story.say(1, late);
    CHECK(decision.explanation == "shadow report of worker 1 on step 2 counts, though it is late");
    CHECK(story.state.holders.at(LayerId{0}).contains(WorkerId{1}));
    CHECK(story.state.filling.empty());
    CHECK(story.say(0, story.report(0)).explanation == "step 3 waits: worker 1 has not reported");
  }
  SECTION("another") {
    ShadowReport other = late;
    other.layers[1].checksum ^= 1;
    CHECK(end_of(story.say(1, other), 2, 1) ==
          "step 2: layer 1 (block0) has another gradient on worker 1");
  }
  SECTION("steps too late: the step in flight waits for it once, whatever it then says") {
    story.say(0, story.report(0));
    CHECK(story.say(1, late).explanation ==
          "shadow report of worker 1 on step 2 is late: the step in flight waits for its own");
    CHECK_FALSE(story.state.holders.at(LayerId{0}).contains(WorkerId{1}));
    CHECK(story.say(0, story.report(0)).explanation == "step 4 waits: worker 1 has not reported");
    SECTION("it has caught up") {
      CHECK(sent<Commit>(story.say(1, story.shadow_report(1, true))).size() == 2);
      CHECK(story.state.holders.at(LayerId{0}).contains(WorkerId{1}));
    }
    SECTION("it has not") {
      ShadowReport nothing = story.shadow_report(1, true);
      nothing.layers.clear();
      CHECK(sent<Commit>(story.say(1, nothing)).size() == 2);
      CHECK_FALSE(story.state.holders.at(LayerId{0}).contains(WorkerId{1}));
      CHECK(sent<Commit>(story.say(0, story.report(0))).size() == 2);
    }
  }
}

TEST_CASE("a late report counts after the last record too", "[unit]") {
  CoordinatorStory story = one_filling();
  story.give(StopRequested{"signal 15"});
  const ShadowReport late = story.shadow_report(1, true);
  story.say(0, story.report(0));
  REQUIRE(story.state.phase == Phase::applying);
  CHECK(story.say(1, late).explanation ==
        "shadow report of worker 1 on step 2 counts, though it is late");
  CHECK(story.state.holders.at(LayerId{0}).size() == 2);
}

}  // namespace planaria::protocol
