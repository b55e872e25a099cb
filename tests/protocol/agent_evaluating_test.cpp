#include <catch2/catch.hpp>

#include "protocol/agent_story.hpp"

namespace planaria::protocol::agent {

TEST_CASE("an evaluation is told at the level it was computed at, and no other") {
  AgentStory story = ready(1);
  const auto evaluated = [](int level) {
    return EvaluationComputed{Evaluated{ViewNumber{1}, Step{level}, {{MicroBatchId{0}, 2.5}}}};
  };
  story.hear(Begin{ViewNumber{1}, Step{1}});
  CHECK(sent<Evaluated>(story.give(evaluated(0))).losses.at(0).loss == 2.5);
  CHECK(story.give(evaluated(1)).explanation ==
        "evaluation of level 1 ignored: this worker stands at level 0");
  story.computed(1);
  CHECK(story.give(evaluated(0)).commands.empty());  // it has gone on: its level is given up
  story.hear(Commit{record(1), {}, {}});
  CHECK(sent<Evaluated>(story.give(evaluated(1))).step == Step{1});
  CHECK(words(story.hear(Evaluation{Step{1}, 3.5, 12})) == "evaluation");
  CHECK(story.hear(Evaluation{Step{2}, 3.5, 12}).commands.empty());
  story.computed(2);
  story.hear(Commit{record(2, true), {}, {}});
  CHECK(sent<Evaluated>(story.give(evaluated(2))).step == Step{2});  // the last level too
}

TEST_CASE("an idle worker hears an evaluation of the run's level") {
  AgentStory story = ready(2);
  story.hear(Begin{ViewNumber{1}, Step{1}});
  story.hear(Commit{record(1), {}, {}});
  const auto told = all_of<TellEvaluation>(story.hear(Evaluation{Step{1}, 0.5, 3}));
  REQUIRE(told.size() == 1);
  CHECK(told[0].evaluation == Evaluation{Step{1}, 0.5, 3});
}

TEST_CASE("a loop that goes on while another evaluates ends the run, whichever comes first") {
  const std::string sentence =
      "went on to step 2, worker 0 evaluates level 1: the same steps must be evaluated on every "
      "worker";
  const auto at_level_1 = [] {
    AgentStory story = ready(1);
    story.hear(Begin{ViewNumber{1}, Step{1}});
    story.give(StepStarted{Step{1}});
    story.computed(1);
    story.hear(Commit{record(1), {}, {}});
    return story;
  };
  SECTION("it hears before its step") {
    AgentStory story = at_level_1();
    CHECK(story.hear(EvaluationBegun{Step{1}, WorkerId{0}}).commands.empty());
    const Decision decision = story.give(StepStarted{Step{2}});
    CHECK(sent<Failed>(decision).sentence == sentence);
    CHECK(words(decision) == "send abort");
  }
  SECTION("it hears after its step began") {
    AgentStory story = at_level_1();
    CHECK(story.give(StepStarted{Step{2}}).commands.empty());
    CHECK(sent<Failed>(story.hear(EvaluationBegun{Step{1}, WorkerId{0}})).sentence == sentence);
  }
  SECTION("it evaluated too, and may go on") {
    AgentStory story = at_level_1();
    CHECK(sent<Evaluating>(story.give(EvaluationStarted{Step{1}})).step == Step{1});
    story.hear(EvaluationBegun{Step{1}, WorkerId{0}});
    CHECK(story.give(StepStarted{Step{2}}).commands.empty());
    CHECK(story.state.phase == Phase::computing);
  }
  SECTION("it evaluated and went on before it heard of its own evaluation") {
    AgentStory story = at_level_1();
    story.give(EvaluationStarted{Step{1}});
    story.give(StepStarted{Step{2}});
    CHECK(story.hear(EvaluationBegun{Step{1}, WorkerId{1}}).commands.empty());
  }
}

TEST_CASE("a loop that came in later was not there for the level before its first step") {
  for (const bool hears_first : {true, false}) {
    AgentStory story = waiting(2);
    story.hear(Commit{record(7), view_of_three(4, 8), {}});
    const EvaluationBegun begun{Step{7}, WorkerId{0}};
    if (hears_first) CHECK(story.hear(begun).commands.empty());
    CHECK(story.give(StepStarted{Step{8}}).commands.empty());
    if (!hears_first) CHECK(story.hear(begun).commands.empty());
    CHECK(story.state.phase == Phase::computing);
    // From then on it is one of them.
    story.hear(Commit{record(8), {}, {}});
    story.give(StepStarted{Step{9}});
    CHECK(words(story.hear(EvaluationBegun{Step{8}, WorkerId{0}})) == "send abort");
  }
}

TEST_CASE("a loop behind its records asks for an older level's evaluation, and hears it") {
  AgentStory story = computing(2);
  story.hear(Commit{record(1), {}, {}});
  story.hear(Commit{record(2), {}, {}});
  CHECK(sent<Evaluating>(story.give(EvaluationStarted{Step{1}})).step == Step{1});
  CHECK(words(story.hear(Evaluation{Step{1}, 3.5, 12})) == "evaluation");
  CHECK(story.give(EvaluationStarted{Step{3}}).commands.empty());
}

TEST_CASE("the training loop's wish to stop goes to the coordinator") {
  AgentStory story = ready(0);
  CHECK(sent<StopAsked>(story.give(StopWanted{"the loss rose"})).why == "the loss rose");
  AgentStory early;
  CHECK(early.give(StopWanted{"too soon"}).commands.empty());
}

}  // namespace planaria::protocol::agent
