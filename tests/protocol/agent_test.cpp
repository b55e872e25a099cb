#include <catch2/catch.hpp>

#include "protocol/agent_story.hpp"

namespace planaria::protocol::agent {

TEST_CASE("an agent joins, connects, prepares its view and is ready", "[unit]") {
  AgentStory story;
  const Decision start = story.give(Start{{toy_spec(), "host:1", WorkerId{1}, 7}});
  CHECK(sent<Join>(start).address == "host:1");
  CHECK(start.explanation == "asks to join");
  const std::vector<Member> before{{WorkerId{0}, "host:0"}};
  const Decision welcome = story.hear(Welcome{WorkerId{1}, before});
  REQUIRE(words(welcome) == "connect");
  CHECK(all_of<Connect>(welcome)[0].members == before);
  CHECK(welcome.explanation == "joined as worker 1");
  CHECK(story.hear(view_of_three()).explanation == "new_view ignored: this worker is connecting");
  const Decision connected = story.give(PeersConnected{{WorkerId{0}}});
  CHECK(sent<Connected>(connected).unreachable == std::vector{WorkerId{0}});
  CHECK(connected.explanation == "connected to the others");
  const Decision view = story.hear(view_of_three());
  REQUIRE(words(view) == "abort prepare");
  CHECK(all_of<Abort>(view)[0].view == ViewNumber{1});
  CHECK(all_of<Prepare>(view)[0].view == view_of_three());
  CHECK(view.explanation == "prepares view 1, active");
  CHECK(story.give(Prepared{ViewNumber{2}}).explanation ==
        "prepared view 2 ignored: view 1 stands");
  const Decision ready = story.give(Prepared{ViewNumber{1}});
  CHECK(sent<Ready>(ready).view == ViewNumber{1});
  CHECK(ready.explanation == "ready in view 1");
}

TEST_CASE("a refused agent finishes with status 2 and the reason", "[unit]") {
  AgentStory story;
  story.give(Start{});
  const Decision decision = story.hear(Refuse{"this run has all its 4 workers"});
  REQUIRE(words(decision) == "finish");
  CHECK(all_of<Finish>(decision)[0].status == 2);
  CHECK(all_of<Finish>(decision)[0].sentence == "this run has all its 4 workers");
  CHECK(story.state.phase == Phase::finished);
}

TEST_CASE("a step is computed, reported, applied on its record and followed by the next",
          "[unit]") {
  AgentStory story = ready(1);
  const Decision begin = story.hear(Begin{ViewNumber{1}, Step{1}});
  REQUIRE(words(begin) == "compute");
  CHECK(all_of<Compute>(begin)[0].step == Step{1});
  CHECK(begin.explanation == "computes step 1");
  const Decision report = story.computed(1);
  CHECK(sent<Report>(report).step == Step{1});
  CHECK(report.explanation == "reports step 1");
  const Decision commit = story.hear(Commit{record(1), {}, {}});
  REQUIRE(words(commit) == "apply compute");
  CHECK(all_of<Apply>(commit)[0].record == record(1));
  CHECK(all_of<Compute>(commit)[0].step == Step{2});
  CHECK(all_of<Compute>(commit)[0].view == ViewNumber{1});
  CHECK(commit.explanation == "applies step 1, computes step 2");
  CHECK(story.state.level == Step{1});
  CHECK(story.state.record == record(1));
  CHECK(story.applied(1).explanation == "applied ignored: this worker is computing");
  CHECK(story.state.phase == Phase::computing);
}

TEST_CASE("after the last record the level is reported and layers are sent as asked", "[unit]") {
  AgentStory story = computing(1);
  story.computed(1);
  const Decision commit = story.hear(Commit{record(1, true), {}, {}});
  REQUIRE(words(commit) == "apply hand");
  CHECK(all_of<HandOver>(commit)[0].level == Step{1});
  CHECK(commit.explanation == "applies step 1, the last");
  const Decision applied = story.applied(1);
  CHECK(sent<Applied>(applied).step == Step{1});
  CHECK(applied.explanation == "reports level 1");
  const Decision send = story.hear(SendState{LayerId{2}});
  REQUIRE(words(send) == "state");
  CHECK(all_of<SendLayerState>(send)[0].layer == LayerId{2});
  const Decision state_sent = story.give(SentState{LayerId{2}});
  CHECK(sent<StateSent>(state_sent).layer == LayerId{2});
  const Decision end = story.hear(End{0, ""});
  REQUIRE(words(end) == "abort finish");
  CHECK(all_of<Finish>(end)[0].status == 0);
  CHECK(end.explanation == "the run is done");
  CHECK(story.state.phase == Phase::finished);
}

TEST_CASE("the word of an earlier step does not stand for the last", "[unit]") {
  AgentStory story = computing(1);
  story.computed(1);
  story.hear(Commit{record(1), {}, {}});
  story.computed(2);
  story.hear(Commit{record(2, true), {}, {}});
  const Decision early = story.applied(1);
  CHECK(early.commands.empty());
  CHECK(early.explanation == "applied step 1 ignored: step 2 is the last");
  CHECK(sent<Applied>(story.applied(2)).step == Step{2});
}

TEST_CASE("an idle worker goes through the steps and reports nothing", "[unit]") {
  AgentStory story = ready(2);
  const Decision begin = story.hear(Begin{ViewNumber{1}, Step{1}});
  REQUIRE(words(begin) == "compute");  // its loop stands beside the others'
  const Decision commit = story.hear(Commit{record(1), {}, {}});
  CHECK(words(commit) == "apply compute");
  CHECK(story.state.record == record(1));
  CHECK(words(story.hear(Commit{record(2, true), {}, {}})) == "apply hand");
  CHECK(story.state.level == Step{2});
  CHECK(sent<Applied>(story.applied(2)).step == Step{2});
  CHECK(words(story.hear(End{0, ""})) == "abort finish");
}

TEST_CASE("a record for another step than the next is refused", "[unit]") {
  for (const int wrong : {0, 2, 3}) {
    AgentStory story = computing(1);
    story.computed(1);
    const Decision decision = story.hear(Commit{record(wrong), {}, {}});
    check_gives_up(
        story, decision,
        "the record of step " + std::to_string(wrong) + " arrived at level 0, must be step 1");
    CHECK(story.state.level == Step{0});
    CHECK_FALSE(story.state.record.has_value());
  }
  AgentStory idle = computing(2);
  check_gives_up(idle, idle.hear(Commit{record(2), {}, {}}),
                 "the record of step 2 arrived at level 0, must be step 1");
}

TEST_CASE("a record of a step this worker has not reported is refused", "[unit]") {
  AgentStory story = computing(1);
  check_gives_up(story, story.hear(Commit{record(1), {}, {}}),
                 "the record of step 1 arrived while this worker is computing");
}

TEST_CASE("a step begun at another level is refused", "[unit]") {
  AgentStory story = ready(0);
  check_gives_up(story, story.hear(Begin{ViewNumber{1}, Step{2}}),
                 "step 2 was begun at level 0, must be 1");
}

TEST_CASE("what comes in a wrong phase is ignored, with the phase", "[unit]") {
  AgentStory fresh;
  CHECK(fresh.hear(Welcome{WorkerId{1}}).explanation == "welcome ignored: this worker is starting");
  CHECK(fresh.hear(view_of_three()).explanation == "new_view ignored: this worker is starting");
  CHECK(fresh.hear(Begin{}).explanation == "begin ignored: this worker is starting");
  CHECK(fresh.hear(Commit{record(1), {}, {}}).explanation ==
        "commit ignored: this worker is starting");
  CHECK(fresh.applied(1).explanation == "applied ignored: this worker is starting");
  CHECK(fresh.hear(SendState{LayerId{3}}).explanation ==
        "send_state of layer 3 ignored: this worker is starting");
  CHECK(fresh.give(SentState{LayerId{3}}).explanation ==
        "sent state ignored: this worker is starting");
  AgentStory story = ready(1);
  CHECK(story.give(Start{}).explanation == "start ignored: this worker is ready");
  CHECK(story.hear(Refuse{"no"}).explanation == "refuse ignored: this worker is ready");
  CHECK(story.give(Prepared{ViewNumber{1}}).explanation ==
        "prepared ignored: this worker is ready");
  CHECK(story.computed(1).explanation == "computed ignored: this worker is ready");
  CHECK(story.hear(Ready{}).explanation == "ready ignored: only workers send it");
  CHECK(story.hear(Begin{ViewNumber{2}, Step{1}}).explanation ==
        "begin of step 1 in view 2 ignored: view 1 stands");
  CHECK(story.state.phase == Phase::ready);
}

TEST_CASE("a result of another step or view is not reported", "[unit]") {
  AgentStory story = computing(1);
  CHECK(story.computed(2).explanation ==
        "computed step 2 in view 1 ignored: step 1 in view 1 is wanted");
  CHECK(story.computed(1, 2).explanation ==
        "computed step 1 in view 2 ignored: step 1 in view 1 is wanted");
  CHECK(story.state.phase == Phase::computing);
}

TEST_CASE("without its coordinator a worker finishes with one sentence", "[unit]") {
  for (AgentStory story : {AgentStory{}, computing(1), storing()}) {
    const Decision decision = story.give(CoordinatorLost{"connection reset"});
    REQUIRE(words(decision) == "abort finish");
    CHECK(all_of<Finish>(decision)[0].status == 1);
    CHECK(all_of<Finish>(decision)[0].sentence == "the coordinator was lost: connection reset");
  }
}

TEST_CASE("a peer's loss is told to the coordinator, who decides which of the two goes", "[unit]") {
  AgentStory story = computing(1);
  const Decision lost = story.give(PeerLost{WorkerId{0}, "killed"});
  CHECK(words(lost) == "send");
  CHECK(sent<Unreachable>(lost).worker == WorkerId{0});
  CHECK(lost.explanation == "worker 0 was lost: killed; waits for the coordinator");
  CHECK(story.state.phase == Phase::computing);
  // The receive that the loss ended must not be told as this worker's own failure.
  for (const FaultKind kind : {FaultKind::peer_lost, FaultKind::cancelled, FaultKind::stale_view}) {
    const Decision echo = story.give(WorkerFailed{{"worker 0 is gone", kind}});
    CHECK(echo.commands.empty());
    CHECK(echo.explanation ==
          "failure ignored: it follows from a loss, which the coordinator sees too");
  }
  const Decision own = story.give(WorkerFailed{{"out of memory", FaultKind::exhausted}});
  CHECK(words(own) == "send abort");
  AgentStory early;
  early.give(Start{});
  CHECK(early.give(PeerLost{WorkerId{0}, "killed"}).commands.empty());
}

TEST_CASE("a failure is told to the coordinator, whose end is the worker's", "[unit]") {
  AgentStory story = computing(1);
  const Failed failed{"index 9 out of range", FaultKind::unavailable, Step{1}, MicroBatchId{3},
                      LayerId{2}};
  const Decision decision = story.give(WorkerFailed{failed});
  REQUIRE(words(decision) == "send abort");
  CHECK(sent<Failed>(decision).layer == LayerId{2});
  CHECK(decision.explanation == "cannot go on: index 9 out of range");
  const std::string waits = "this worker has failed and waits for the end of the run";
  CHECK(story.hear(Commit{record(1), {}, {}}).explanation == waits);
  CHECK(story.give(WorkerFailed{failed}).explanation == waits);
  const Decision end = story.hear(End{1, "worker 1: step 1: index 9 out of range"});
  CHECK(all_of<Finish>(end).at(0).status == 1);
  CHECK(end.explanation == "worker 1: step 1: index 9 out of range");
}

TEST_CASE("a worker that fails before it joined finishes alone", "[unit]") {
  for (const bool user : {true, false}) {
    AgentStory story;
    story.give(Start{});
    const auto kind = user ? FaultKind::invalid_input : FaultKind::unavailable;
    const Decision decision = story.give(WorkerFailed{{"no such file", kind}});
    REQUIRE(words(decision) == "abort finish");
    CHECK(all_of<Finish>(decision)[0].status == (user ? 2 : 1));
    CHECK(all_of<Finish>(decision)[0].sentence == "no such file");
  }
}

TEST_CASE("a finished agent takes no more input", "[unit]") {
  AgentStory story = computing(1);
  story.hear(End{1, "worker 0 was lost"});
  for (const Decision& decision :
       {story.computed(1), story.hear(Commit{record(1), {}, {}}), story.hear(End{0, ""}),
        story.give(CoordinatorLost{"late"}), story.give(WorkerFailed{{"late"}})}) {
    CHECK(decision.commands.empty());
    CHECK(decision.explanation == "this worker has finished: nothing changes");
  }
}

}  // namespace planaria::protocol::agent
