#include <catch2/catch.hpp>

#include "protocol/coordinator_story.hpp"

namespace planaria::protocol {

using Phase = CoordinatorState::Phase;

namespace {

// Two pipelines of two stages and an idle worker, after the last record.
CoordinatorStory after_the_last_record() {
  CoordinatorStory story({.workers = 4, .spares = 1, .layout = grid(2, {2, 2}, 2)});
  story.start();
  for (int i = 0; i < 3; ++i) story.whole_step();
  return story;
}

// Sends the state of every layer as it is asked for; returns the last decision.
Decision send_every_state(CoordinatorStory& story) {
  Decision decision;
  for (int layer = 0; layer < 4; ++layer) {
    decision = story.say(layer < 2 ? 0 : 1, StateSent{LayerId{layer}});
  }
  return decision;
}

void check_end(const Decision& decision, std::size_t members, int status,
               const std::string& sentence) {
  REQUIRE(all_of<Finish>(decision).size() == 1);
  CHECK(all_of<Finish>(decision)[0].status == status);
  CHECK(all_of<Finish>(decision)[0].sentence == sentence);
  const auto ends = sent<End>(decision);
  CHECK(ends.size() == members);
  for (const auto& [worker, end] : ends) {
    CHECK(end.status == status);
    CHECK(end.sentence == sentence);
  }
}

}  // namespace

TEST_CASE("after the last record the state of every layer is fetched, then all end", "[unit]") {
  CoordinatorStory story = after_the_last_record();
  CHECK(story.say(2, story.applied(2)).explanation ==
        "the end waits: workers 0, 1, 3 and 4 have not applied step 3");  // 4 is idle
  const Decision all = story.all_applied();
  const StoreModel store = all_of<StoreModel>(all).at(0);
  CHECK(store.holders_agree);
  REQUIRE(store.layers.size() == 4);
  for (int layer = 0; layer < 4; ++layer) {
    CHECK(store.layers[static_cast<std::size_t>(layer)].layer == LayerId{layer});
  }
  CHECK(store.layers[3].xxh3 == story.applied(1).layers.at(1).xxh3);
  CHECK(store.layers[3].tensors.at(0).at("name") == "head");
  CHECK(all.explanation == "layer 0 (embedding) is fetched from worker 0");
  REQUIRE(sent<SendState>(all).size() == 1);
  CHECK(sent<SendState>(all).at(WorkerId{0}).layer == LayerId{0});

  CHECK(story.say(2, StateSent{LayerId{0}}).explanation ==
        "state of layer 0 from worker 2 ignored: nobody asked for it");
  CHECK(story.say(0, StateSent{LayerId{1}}).explanation ==
        "state of layer 1 from worker 0 ignored: nobody asked for it");
  CHECK(story.give(ModelStored{}).explanation ==
        "model stored ignored: its layers have not all arrived");
  const Decision first = story.say(0, StateSent{LayerId{0}});
  CHECK(all_of<LayerStored>(first).at(0).layer == LayerId{0});
  CHECK(sent<SendState>(first).at(WorkerId{0}).layer == LayerId{1});
  const Decision second = story.say(0, StateSent{LayerId{1}});
  CHECK(sent<SendState>(second).at(WorkerId{1}).layer == LayerId{2});
  story.say(1, StateSent{LayerId{2}});
  const Decision last = story.say(1, StateSent{LayerId{3}});
  CHECK(all_of<LayerStored>(last).at(0).layer == LayerId{3});
  CHECK(sent<SendState>(last).empty());
  CHECK(all_of<Finish>(last).empty());
  CHECK(last.explanation == "every layer has arrived: the end waits for the model to be stored");
  CHECK(story.say(1, StateSent{LayerId{3}}).explanation ==
        "state of layer 3 from worker 1 ignored: nobody asked for it");

  const Decision done = story.give(ModelStored{});
  check_end(done, 5, 0, "");
  CHECK(done.explanation == "the run is done: 3 steps");
}

TEST_CASE("holders that differ at the end are told, and the model is stored all the same",
          "[unit]") {
  CoordinatorStory story = after_the_last_record();
  story.say(0, story.applied(0));
  story.say(1, story.applied(1));
  story.say(2, story.applied(2));
  Applied differing = story.applied(3);
  differing.layers[0].xxh3 ^= 1;
  story.say(3, differing);
  const Decision all = story.say(4, story.applied(4));
  CHECK_FALSE(all_of<StoreModel>(all).at(0).holders_agree);
  send_every_state(story);
  check_end(story.give(ModelStored{}), 5, 1,
            "holders of layer 2 (block1) differ at the end: workers 1 and 3");
}

TEST_CASE("a worker that stands elsewhere at the end ends the run", "[unit]") {
  CoordinatorStory story = after_the_last_record();
  Applied behind = story.applied(1);
  behind.step = Step{2};
  check_end(story.say(1, behind), 5, 1, "worker 1 stands at level 2 after step 3, the last");
  CoordinatorStory other = after_the_last_record();
  Applied fewer = other.applied(1);
  fewer.layers.pop_back();
  check_end(other.say(1, fewer), 5, 1,
            "worker 1 did not report the state of layer 3 (head) at the end");
}

TEST_CASE("a model that cannot be stored ends the run at once", "[unit]") {
  CoordinatorStory story = after_the_last_record();
  story.all_applied();
  check_end(story.give(ModelStored{Fault::exhausted("model.safetensors: no space left")}), 5, 1,
            "the model was not stored: model.safetensors: no space left");
}

TEST_CASE("too many skips in a row end the run with status 1 and its model stored", "[unit]") {
  RunSpec spec = toy_spec();
  spec.steps = 100;
  spec.skips_max = 2;
  CoordinatorStory story({.workers = 1, .layout = grid(1, {4}, 4)}, spec);
  story.start();
  Decision decision;
  for (int i = 0; i < 2; ++i) {
    Report report = story.report(0);
    report.layers[0].squared_norm = 1.0 / 0.0;
    decision = story.say(0, report);
  }
  const CommitRecord record = sent<Commit>(decision).at(WorkerId{0}).record;
  CHECK(record.last);
  CHECK(record.skips_in_a_row == 2);
  CHECK(all_of<StoreModel>(story.all_applied()).size() == 1);
  for (int layer = 0; layer < 4; ++layer) story.say(0, StateSent{LayerId{layer}});
  check_end(story.give(ModelStored{}), 1, 1,
            "2 steps in a row had no finite gradient norm, the last was step 2");
}

TEST_CASE("a stopped run stores its model and is done", "[unit]") {
  CoordinatorStory story({.workers = 1, .layout = grid(1, {4}, 4)});
  story.start();
  story.give(StopRequested{"signal 2"});
  story.whole_step();
  story.all_applied();
  for (int layer = 0; layer < 4; ++layer) story.say(0, StateSent{LayerId{layer}});
  const Decision done = story.give(ModelStored{});
  check_end(done, 1, 0, "");
  CHECK(done.explanation == "the run is done: 1 steps");
}

TEST_CASE("who loses a worker after the last record stores all the same while others hold",
          "[unit]") {
  SECTION("before all have said what they hold: nobody waits for it") {
    CoordinatorStory story = after_the_last_record();
    for (const int worker : {0, 1, 3, 4}) story.say(worker, story.applied(worker));
    const Decision decision = story.lose(2);
    CHECK(story.state.phase == Phase::storing);
    CHECK(all_of<StoreModel>(decision).size() == 1);
  }
  SECTION("while its layer is fetched: the model is begun again, from another") {
    CoordinatorStory story = after_the_last_record();
    story.all_applied();
    story.say(0, StateSent{LayerId{0}});
    const Decision decision = story.lose(0);
    REQUIRE(all_of<StoreModel>(decision).size() == 1);
    CHECK(sent<SendState>(decision).at(WorkerId{2}).layer == LayerId{0});
    for (int layer = 0; layer < 4; ++layer)
      story.say(layer < 2 ? 2 : 1, StateSent{LayerId{layer}, 1});
    check_end(story.give(ModelStored{}), 4, 0, "");
  }
  SECTION("an idle one: nothing is missing") {
    CoordinatorStory story = after_the_last_record();
    story.all_applied();
    story.lose(4);
    send_every_state(story);
    check_end(story.give(ModelStored{}), 4, 0, "");
  }
}

TEST_CASE("who loses a layer after the last record computes again, from the start", "[unit]") {
  CoordinatorStory story({.workers = 2, .layout = grid(1, {2, 2}, 4)});
  story.start();
  for (int i = 0; i < 3; ++i) story.whole_step();
  const Decision asks = story.lose(1);
  CHECK(story.state.phase == Phase::asking);
  CHECK(sent<Halt>(asks).size() == 1);
  const Decision decision = story.say(0, story.applied(0));
  REQUIRE(events(decision, "rolled_back").size() == 1);
  CHECK(events(decision, "rolled_back")[0].fields ==
        Json{{"from", 3}, {"to", 0}, {"layers", {2, 3}}});
  CHECK(sent<NewView>(decision).at(WorkerId{0}).first_step == Step{1});
}

TEST_CASE("where a shadow nobody had heard of holds what is missing, the end goes on", "[unit]") {
  CoordinatorStory story({.workers = 2, .spares = 1, .layout = grid(1, {2, 2}, 4)});
  story.start();
  for (int i = 0; i < 3; ++i) story.whole_step();
  story.lose(1);
  REQUIRE(story.state.phase == Phase::asking);
  story.say(0, story.applied(0));
  Applied late = story.applied(2);
  late.layers = {{LayerId{2}, 7, {Json::object()}}, {LayerId{3}, 7, {Json::object()}}};
  const Decision decision = story.say(2, late);
  CHECK(story.state.step == Step{3});
  CHECK(sent<NewView>(decision).empty());
  CHECK(all_of<StoreModel>(decision).size() == 1);
}

TEST_CASE("what the run cannot go on from ends it with its place", "[unit]") {
  const auto end_with = [](const Failed& failed, int status, const std::string& sentence) {
    CoordinatorStory story({.workers = 4, .spares = 1, .layout = grid(2, {2, 2}, 2)});
    story.start();
    check_end(story.say(2, failed), 5, status, sentence);
  };
  end_with({"no such file", FaultKind::invalid_input}, 2, "worker 2: no such file");
  end_with({"out of memory", FaultKind::exhausted, Step{5}}, 1, "worker 2: step 5: out of memory");
  end_with({"bad", FaultKind::invalid_input, Step{1}, MicroBatchId{3}, LayerId{2}}, 2,
           "worker 2: step 1, micro-batch 3, layer 2 (block1): bad");
}

TEST_CASE("after the end no input changes anything", "[unit]") {
  CoordinatorStory story({.workers = 2, .layout = grid(1, {2, 2}, 4)});
  story.start();
  const Report report = story.report(1);
  story.say(0, Failed{"out of memory", FaultKind::exhausted});
  const auto quiet = [&](const Input& input) {
    const Decision decision = story.give(input);
    CHECK(decision.commands.empty());
    CHECK(decision.explanation == "the run is over: nothing changes");
    CHECK(story.state.phase == Phase::finished);
  };
  quiet(JoinRequest{9, {toy_spec(), "host:9", WorkerId{-2}, 1}});
  quiet(Received{WorkerId{1}, report});
  quiet(Received{WorkerId{1}, Failed{"late"}});
  quiet(WorkerLost{WorkerId{1}, "gone"});
  quiet(StopRequested{"signal 2"});
  quiet(ModelStored{});
}

}  // namespace planaria::protocol
