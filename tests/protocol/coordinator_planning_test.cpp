// Planned views: newcomers are filled while training goes on, then begin with a step.
#include <catch2/catch.hpp>

#include <fmt/format.h>

#include <planaria/planner/chunks.hpp>

#include "protocol/coordinator_story.hpp"

namespace planaria::protocol {

using Phase = CoordinatorState::Phase;

namespace {

RunSpec spec_of_twenty() {
  RunSpec spec = toy_spec();
  spec.steps = 20;
  return spec;
}

// One worker with four layers; a second joins. In step 1.
CoordinatorStory one_and_a_newcomer(int commit_domains = 1) {
  CoordinatorStory story({.workers = 1, .commit_domains = commit_domains}, spec_of_twenty());
  story.start();
  story.newcomer();
  return story;
}

Commit commit_of(const Decision& decision, int worker = 0) {
  return sent<Commit>(decision).at(WorkerId{worker});
}

// Who fills reports what it was sent, once the step's record is out.
void fill(CoordinatorStory& story, int worker) {
  const std::set<Move> filling = story.state.filling;
  ShadowReport report{story.state.view.view, Step{story.state.step.value - 1}, {}};
  for (const Move& move : filling) {
    if (move.to == WorkerId{worker}) {
      report.layers.push_back({move.layer, story.state.checksums.at(move.layer)});
    }
  }
  story.say(worker, report);
}

}  // namespace

TEST_CASE("a record names no view where nobody came and nothing would be better", "[unit]") {
  CoordinatorStory story({.workers = 2}, spec_of_twenty());
  story.start();
  for (int i = 0; i < 3; ++i) CHECK_FALSE(commit_of(story.whole_step()).next.has_value());
  CHECK(story.state.view.view == ViewNumber{1});
}

TEST_CASE("pipelines by a schedule's text stay while their workers do, and stand after a loss",
          "[unit]") {
  for (const char* const kind : {"zb-v", "1f1b"}) {
    INFO(kind);
    CoordinatorStory by_kind({.workers = 2, .width = 1, .depth = 2, .schedule = kind},
                             spec_of_twenty());
    by_kind.gather();
    const std::string text = by_kind.state.view.schedules.at(0);
    CoordinatorStory story(
        {.workers = 2, .width = 1, .depth = 2, .schedule_text = text, .commit_domains = 2},
        spec_of_twenty());
    story.start();
    const Layout first = story.state.view.layout;
    story.whole_step();
    story.newcomer();
    for (int step = 0; step < 4; ++step) story.whole_step();
    CHECK(story.state.view.layout.pipelines == first.pipelines);
    CHECK(story.state.view.schedules.at(0) == text);
    story.lose(1);
    REQUIRE(story.state.phase == Phase::preparing);
    for (const PipelineAssignment& pipeline : story.state.view.layout.pipelines) {
      CHECK(form_of(pipeline).has_value());
    }
  }
}

TEST_CASE("a newcomer that is not connected to the others is not planned with", "[unit]") {
  CoordinatorStory story({.workers = 1}, spec_of_twenty());
  story.start();
  story.join(50);
  CHECK_FALSE(commit_of(story.whole_step()).next.has_value());
  story.say(1, Connected{});
  CHECK(commit_of(story.whole_step()).next.has_value());
}

TEST_CASE("a newcomer shadows what it will compute, two layers of a source at a time", "[unit]") {
  CoordinatorStory story = one_and_a_newcomer();
  const Decision decision = story.whole_step();
  const Commit commit = commit_of(decision);
  CHECK(sent<Commit>(decision).size() == 2);  // the newcomer hears it too
  REQUIRE(commit.next.has_value());
  CHECK(commit.next->view == ViewNumber{2});
  CHECK(commit.next->first_step == Step{2});
  CHECK(commit.next->members.size() == 2);
  CHECK(shape(commit.next->layout) == "0:0-3 x4");  // the pipelines stay
  REQUIRE(story.state.target.has_value());
  CHECK(commit.next->layout.shadows.at(0).worker == WorkerId{1});
  REQUIRE(commit.moves.size() <= 2);
  for (const Move& move : commit.moves) {
    CHECK(move.from == WorkerId{0});
    CHECK(move.to == WorkerId{1});
  }
  CHECK(story.state.filling.size() == commit.moves.size());
  const Event view = events(decision, "view").at(0);
  CHECK(view.fields.at("planned") == true);
  CHECK(view.fields.at("explanation").get<std::string>().starts_with("on the way to "));
}

TEST_CASE("of layers at risk six go at a time, further ones as those are there, and none twice",
          "[unit]") {
  RunSpec spec = spec_of_twenty();
  for (int i = 4; i < 8; ++i) spec.layers.push_back({fmt::format("more{}", i), 1, 8, ""});
  CoordinatorStory story({.workers = 1, .width = 1, .depth = 1, .commit_domains = 2}, spec);
  story.start();
  story.newcomer();
  std::set<Move> moves;
  const auto add = [&](const Commit& commit) {
    for (const Move& move : commit.moves) CHECK(moves.insert(move).second);
  };
  add(commit_of(story.whole_step()));
  CHECK(moves.size() == 6);
  add(commit_of(story.whole_step()));
  CHECK(moves.size() == 6);  // the first are still under way
  fill(story, 1);
  CHECK(story.state.filling.empty());
  add(commit_of(story.whole_step()));
  CHECK(moves.size() == 8);
  fill(story, 1);
  add(commit_of(story.whole_step()));
  CHECK(moves.size() == 8);
  for (LayerId layer{0}; layer.value < 8; layer = layer.next()) {
    CHECK(story.state.holders.at(layer).size() == 2);
  }
}

TEST_CASE("the view that was planned begins once all who compute in it hold their layers",
          "[unit]") {
  CoordinatorStory story = one_and_a_newcomer();
  story.whole_step();
  REQUIRE(story.state.target.has_value());
  const std::vector<PipelineAssignment> target = story.state.target->pipelines;
  int steps = 0;
  while (story.state.target && steps < 6) {
    fill(story, 1);
    const Commit commit = commit_of(story.whole_step());
    ++steps;
    if (story.state.target) {
      CHECK(story.state.view.layout.pipelines != target);
      continue;
    }
    REQUIRE(commit.next.has_value());
    CHECK(commit.next->layout.pipelines == target);
    CHECK(commit.next->first_step == story.state.step);
  }
  CHECK_FALSE(story.state.target.has_value());
  CHECK(place_of(story.state.view.layout, WorkerId{1}).has_value());
  // No Ready and no Begin: its workers begin with the record.
  CHECK(story.state.phase == Phase::training);
  CHECK(sent<Commit>(story.whole_step()).size() == 2);
}

TEST_CASE("without its fills the target never begins, and nobody waits", "[unit]") {
  CoordinatorStory story = one_and_a_newcomer();
  story.whole_step();
  const Layout staging = story.state.view.layout;
  for (int i = 0; i < 5; ++i) CHECK_FALSE(commit_of(story.whole_step()).next.has_value());
  CHECK(story.state.view.layout == staging);
  CHECK(story.state.target.has_value());
}

TEST_CASE("the loss of who the target needs cancels it", "[unit]") {
  CoordinatorStory story = one_and_a_newcomer();
  story.whole_step();
  REQUIRE(story.state.target.has_value());
  CHECK(sent<NewView>(story.lose(1)).empty());  // it computes nothing yet
  CHECK(story.state.filling.empty());
  story.whole_step();
  CHECK_FALSE(story.state.target.has_value());
  CHECK(shape(story.state.view.layout) == "0:0-3 x4");
  CHECK(story.state.view.layout.shadows.empty());
}

TEST_CASE("a loss that begins a view forgets the target, and plans anew with the next record",
          "[unit]") {
  CoordinatorStory story({.workers = 2, .layout = grid(2, {4}, 2), .commit_domains = 2},
                         spec_of_twenty());
  story.start();
  story.newcomer();
  story.whole_step();
  story.lose(1);
  CHECK_FALSE(story.state.target.has_value());
  CHECK(story.state.plan_wanted);
  story.all_ready();
  // The view that stands has the newcomer as a shadow of all already: its states are named only.
  const Commit commit = commit_of(story.whole_step());
  CHECK_FALSE(commit.next.has_value());
  CHECK(commit.moves.size() == 4);
  CHECK(story.state.target.has_value());
}

TEST_CASE("the last record names nothing", "[unit]") {
  CoordinatorStory story = one_and_a_newcomer();
  story.give(StopRequested{"signal 15"});
  const Commit commit = commit_of(story.whole_step());
  CHECK(commit.record.last);
  CHECK_FALSE(commit.next.has_value());
  CHECK(commit.moves.empty());
}

}  // namespace planaria::protocol
