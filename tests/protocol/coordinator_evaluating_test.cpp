#include <catch2/catch.hpp>

#include "protocol/coordinator_story.hpp"

namespace planaria::protocol {
namespace {

// Seven samples in micro-batches of two: three whole ones and one of a single sample.
RunSpec spec_with_evaluation() {
  RunSpec spec = toy_spec();
  spec.evaluation_samples = 7;
  spec.micro_batch_size = 2;
  return spec;
}

// Two pipelines of two stages: the last layer is held by workers 1 and 3; worker 4 is idle.
CoordinatorStory story_at_level_1() {
  CoordinatorStory story({.workers = 4, .spares = 1, .layout = grid(2, {2, 2}, 2)},
                         spec_with_evaluation());
  story.start();
  story.whole_step();
  return story;
}

Evaluated evaluated(int level, std::vector<MicroBatchLoss> losses) {
  return {ViewNumber{1}, Step{level}, std::move(losses)};
}

std::string sentence_of(const Decision& decision) {
  const auto finish = all_of<Finish>(decision);
  return finish.size() == 1 ? finish[0].sentence : "did not finish";
}

}  // namespace

TEST_CASE("an evaluation is the mean over samples, in index order whoever is first") {
  CoordinatorStory story = story_at_level_1();
  // 1e16 + 1 - 1e16 is 0 in this order and 1 in another.
  CHECK(
      story.say(3, evaluated(1, {{MicroBatchId{2}, -1e16}, {MicroBatchId{3}, 7.0}})).explanation ==
      "evaluation of level 1 by worker 3: others are not done");
  const Decision decision =
      story.say(1, evaluated(1, {{MicroBatchId{0}, 1e16}, {MicroBatchId{1}, 1.0}}));
  const auto told = sent<Evaluation>(decision);
  REQUIRE(told.size() == 5);  // the idle worker goes through the same loop
  const double sum = ((1e16 * 2 + 1.0 * 2) + -1e16 * 2) + 7.0;
  CHECK(told.at(WorkerId{4}) == Evaluation{Step{1}, sum / 7.0, 7});
  const Event event = events(decision, "evaluated").at(0);
  CHECK(event.step == Step{1});
  CHECK(event.fields == Json{{"loss", sum / 7.0}, {"samples", 7}});
  CHECK(story.state.evaluated.empty());
  story.whole_step();  // and training goes on
}

TEST_CASE("the last level can be evaluated before its state is handed over") {
  CoordinatorStory story({.workers = 2, .layout = grid(1, {2, 2}, 4)}, spec_with_evaluation());
  story.start();
  story.give(StopRequested{"enough"});
  story.whole_step();
  REQUIRE(story.state.phase == CoordinatorState::Phase::applying);
  const Decision decision = story.say(1, evaluated(1, {{MicroBatchId{0}, 1.0},
                                                       {MicroBatchId{1}, 1.0},
                                                       {MicroBatchId{2}, 1.0},
                                                       {MicroBatchId{3}, 1.0}}));
  CHECK(sent<Evaluation>(decision).at(WorkerId{0}).loss == 1.0);
}

TEST_CASE("everybody hears once that somebody evaluates") {
  CoordinatorStory story = story_at_level_1();
  const auto told = sent<EvaluationBegun>(story.say(2, Evaluating{ViewNumber{1}, Step{1}}));
  REQUIRE(told.size() == 5);
  CHECK(told.at(WorkerId{4}).step == Step{1});
  CHECK(told.at(WorkerId{0}).worker == WorkerId{2});
  CHECK(story.say(0, Evaluating{ViewNumber{1}, Step{1}}).commands.empty());
  CHECK(story.say(0, Evaluating{ViewNumber{1}, Step{0}}).explanation ==
        "worker 0 evaluates level 0 ignored: the run is at level 1");
  story.whole_step();
  CHECK(sent<EvaluationBegun>(story.say(0, Evaluating{ViewNumber{1}, Step{2}})).size() == 5);
}

TEST_CASE("an evaluation with a micro-batch missing or twice ends the run") {
  const auto end_with = [](std::vector<MicroBatchLoss> losses) {
    CoordinatorStory story = story_at_level_1();
    story.say(3, evaluated(1, {{MicroBatchId{2}, 1}, {MicroBatchId{3}, 1}}));
    return sentence_of(story.say(1, evaluated(1, std::move(losses))));
  };
  CHECK(end_with({{MicroBatchId{0}, 1}}) ==
        "evaluation at level 1: 3 micro-batches were computed, must be 0 to 3");
  CHECK(end_with({{MicroBatchId{0}, 1}, {MicroBatchId{2}, 1}}) ==
        "evaluation at level 1: micro-batch 2 was computed twice, by worker 3 at last");
  CHECK(end_with({{MicroBatchId{0}, 1}, {MicroBatchId{4}, 1}}) ==
        "evaluation at level 1: 4 micro-batches were computed, must be 0 to 3");
}

TEST_CASE("what belongs to another view, level or run changes nothing") {
  CoordinatorStory story = story_at_level_1();
  CHECK(story.say(1, Evaluated{ViewNumber{2}, Step{1}, {}}).explanation ==
        "evaluation of level 1 by worker 1 ignored: view 2, must be 1");
  CHECK(story.say(1, evaluated(0, {})).explanation ==
        "evaluation of level 0 by worker 1 ignored: the run is at level 1");
  CHECK(story.say(4, evaluated(1, {})).explanation ==
        "evaluation of level 1 by worker 4 ignored: it is idle");
  CoordinatorStory without({.workers = 1});
  without.start();
  CHECK(without.say(0, evaluated(0, {})).explanation ==
        "evaluation of level 0 by worker 0 ignored: this run has no such samples");
}

TEST_CASE("a view change abandons an evaluation, which is done again in the new view") {
  CoordinatorStory story = story_at_level_1();
  story.say(1, Evaluating{ViewNumber{1}, Step{1}});
  story.say(3, evaluated(1, {{MicroBatchId{2}, 5.0}, {MicroBatchId{3}, 5.0}}));
  story.lose(2);
  CHECK(story.state.evaluated.empty());
  CHECK(story.say(1, evaluated(1, {})).explanation ==
        "evaluation of level 1 by worker 1 ignored: the run is preparing");
  story.all_ready();
  const auto last = active_holders(story.state.view.layout, LayerId{3});
  Decision decision;
  for (std::size_t i = 0; i < last.size(); ++i) {
    Evaluated part{story.state.view.view, Step{1}, {}};
    for (MicroBatchId j{static_cast<int>(i)}; j.value < 4;
         j = j.next(static_cast<int>(last.size()))) {
      part.losses.push_back({j, 1.0});
    }
    decision = story.say(last[i].value, part);
  }
  CHECK(sent<Evaluation>(decision).size() == story.state.members.size());
  CHECK(sent<Evaluation>(decision).at(WorkerId{0}).loss == 1.0);
}

TEST_CASE("an evaluation that is known is told to whoever asks for it later") {
  CoordinatorStory story = story_at_level_1();
  story.say(3, evaluated(1, {{MicroBatchId{2}, 1}, {MicroBatchId{3}, 1}}));
  story.say(1, evaluated(1, {{MicroBatchId{0}, 1}, {MicroBatchId{1}, 1}}));
  story.whole_step();
  const Decision decision = story.say(4, Evaluating{ViewNumber{1}, Step{1}});
  REQUIRE(sent<Evaluation>(decision).size() == 1);
  CHECK(sent<Evaluation>(decision).at(WorkerId{4}) == Evaluation{Step{1}, 1, 7});
}

TEST_CASE("the last level's evaluation is given up when who computes it is lost") {
  const auto at_the_end = [] {
    CoordinatorStory story({.workers = 4, .spares = 1, .layout = grid(2, {2, 2}, 2)},
                           spec_with_evaluation());
    story.start();
    story.give(StopRequested{"enough"});
    story.whole_step();
    REQUIRE(story.state.phase == CoordinatorState::Phase::applying);
    return story;
  };
  SECTION("while others evaluate") {
    CoordinatorStory story = at_the_end();
    story.say(0, Evaluating{ViewNumber{1}, Step{1}});
    CHECK(sent<Halt>(story.lose(2)).size() == 4);
    CHECK(story.say(1, evaluated(1, {})).explanation ==
          "evaluation of level 1 by worker 1 ignored: it is given up");
    CHECK(all_of<StoreModel>(story.all_applied()).size() == 1);
  }
  SECTION("before others evaluate") {
    CoordinatorStory story = at_the_end();
    CHECK(sent<Halt>(story.lose(2)).empty());
    CHECK(sent<Halt>(story.say(0, Evaluating{ViewNumber{1}, Step{1}})).size() == 4);
    CHECK(sent<Halt>(story.say(1, Evaluating{ViewNumber{1}, Step{1}})).empty());  // once
  }
  SECTION("and is done when all have gone back and come there again") {
    CoordinatorStory story({.workers = 2, .layout = grid(1, {2, 2}, 4)}, spec_with_evaluation());
    story.start();
    story.give(StopRequested{"enough"});
    story.whole_step();
    story.say(0, Evaluating{ViewNumber{1}, Step{1}});
    story.lose(1);
    story.say(0, story.applied(0));
    REQUIRE(story.state.step == Step{1});
    CHECK_FALSE(story.state.evaluation_given_up);
  }
  SECTION("an idle one: the others evaluate on") {
    CoordinatorStory story = at_the_end();
    story.say(0, Evaluating{ViewNumber{1}, Step{1}});
    CHECK(sent<Halt>(story.lose(4)).empty());
    story.say(3, evaluated(1, {{MicroBatchId{2}, 1}, {MicroBatchId{3}, 1}}));
    CHECK(sent<Evaluation>(story.say(1, evaluated(1, {{MicroBatchId{0}, 1}, {MicroBatchId{1}, 1}})))
              .size() == 4);
  }
}

}  // namespace planaria::protocol
