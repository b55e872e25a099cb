// User code that throws: once it may be the worker's fault, twice it is the code's.
#include <catch2/catch.hpp>

#include "protocol/coordinator_story.hpp"

namespace planaria::protocol {

using Phase = CoordinatorState::Phase;

namespace {

Failed bad_sample(int step, int micro_batch, int layer) {
  return {"bad sample", FaultKind::unavailable, Step{step}, MicroBatchId{micro_batch},
          LayerId{layer}};
}

// Layers 0-1 on worker 0, 2-3 on worker 1, each alone (k 1); worker 2 idle. In step 2.
CoordinatorStory each_alone() {
  RunSpec spec = toy_spec();
  spec.steps = 10;
  CoordinatorStory story({.workers = 2, .spares = 1, .layout = grid(1, {2, 2}, 4)}, spec);
  story.start();
  story.whole_step();
  return story;
}

}  // namespace

TEST_CASE("a worker whose code fails leaves the layout, and gives what it alone holds", "[unit]") {
  CoordinatorStory story = each_alone();
  const Decision decision = story.say(1, bad_sample(2, 3, 2));
  CHECK(events(decision, "worker_failed").at(0).fields == Json{{"worker", 1},
                                                               {"failed_step", 2},
                                                               {"micro_batch", 3},
                                                               {"layer", 2},
                                                               {"why", "bad sample"}});
  const auto views = sent<NewView>(decision);
  REQUIRE(views.size() == 3);  // it too: it has to send
  const NewView& view = views.at(WorkerId{1});
  CHECK_FALSE(place_of(view.layout, WorkerId{1}).has_value());
  CHECK(view.members.size() == 2);
  CHECK(view.first_step == Step{2});
  REQUIRE(view.moves.size() == 2);
  for (int i = 0; i < 2; ++i) {
    const Move& move = view.moves[static_cast<std::size_t>(i)];
    CHECK(move.layer == LayerId{2 + i});
    CHECK(move.from == WorkerId{1});
    CHECK(move.to == active_holders(view.layout, move.layer)[0]);
  }
  CHECK(decision.explanation.find(
            "worker 1: step 2, micro-batch 3, layer 2 (block1): bad sample") != std::string::npos);
  const WorkerId receiver = view.moves[0].to;
  CHECK_FALSE(story.state.holders.at(LayerId{2}).contains(receiver));
  story.say(receiver.value, Ready{view.view});  // what it was sent it holds
  CHECK(story.state.holders.at(LayerId{2}).contains(receiver));
}

TEST_CASE("a failure that is told while all say what they hold takes only its worker out",
          "[unit]") {
  CoordinatorStory story = each_alone();
  story.lose(0);
  REQUIRE(story.state.phase == Phase::asking);
  const Decision decision = story.say(1, bad_sample(2, 3, 2));
  CHECK(events(decision, "worker_failed").size() == 1);
  CHECK(story.state.phase == Phase::asking);
  CHECK(story.state.members.at(WorkerId{1}).out);
  story.say(1, story.applied(1));
  const auto views = sent<NewView>(story.say(2, story.applied(2)));
  REQUIRE_FALSE(views.empty());
  CHECK(workers_of(views.begin()->second.layout) == std::vector{WorkerId{2}});
}

TEST_CASE("who failed hears no records and is waited for by nobody", "[unit]") {
  CoordinatorStory story = each_alone();
  story.say(1, bad_sample(2, 3, 2));
  CHECK(story.all_ready().explanation == "step 2 begins: all workers are ready");
  const auto commits = sent<Commit>(story.whole_step());
  CHECK(commits.size() == 2);
  CHECK(commits.count(WorkerId{1}) == 0);
  CHECK_FALSE(story.state.holders.at(LayerId{2}).contains(WorkerId{1}));
}

TEST_CASE("a loss of who failed before it has given is the loss of what it held", "[unit]") {
  CoordinatorStory story = each_alone();
  story.say(1, bad_sample(2, 3, 2));
  const Decision decision = story.lose(1);
  CHECK(story.state.phase == Phase::asking);
  CHECK(sent<Halt>(decision).size() == 2);
}

TEST_CASE("the same place failing twice stops all, with the level that stood stored", "[unit]") {
  CoordinatorStory story = each_alone();
  story.say(1, bad_sample(2, 3, 2));
  story.all_ready();
  const int second = active_holders(story.state.view.layout, LayerId{2})[0].value;
  const Decision decision = story.say(second, bad_sample(2, 3, 2));
  const std::string sentence =
      "worker " + std::to_string(second) + ": step 2, micro-batch 3, layer 2 (block1): bad sample";
  CHECK(sent<Halt>(decision).size() == 3);
  CHECK(sent<Halt>(decision).at(WorkerId{0}).why == sentence);
  CHECK(story.state.phase == Phase::applying);
  CHECK(story.state.step == Step{1});
  // Told twice, it is not another failure.
  CHECK(story.say(second, bad_sample(2, 3, 2)).explanation ==
        sentence + " ignored: all stop already");
  const Decision store = story.all_applied();
  REQUIRE(all_of<StoreModel>(store).size() == 1);
  for (int layer = 0; layer < 4; ++layer) {
    const int source = story.state.holders.at(LayerId{layer}).begin()->value;
    story.say(source, StateSent{LayerId{layer}});
  }
  CHECK(end_of(story.give(ModelStored{}), 3, 1) == sentence);
}

TEST_CASE("halted while level 0 is built anew, a run stores it as far as it is there", "[unit]") {
  CoordinatorStory story({.workers = 2, .spares = 1, .layout = grid(1, {2, 2}, 4)});
  story.start();
  story.say(1, bad_sample(1, 3, 2));
  REQUIRE(story.state.phase == Phase::preparing);
  const Decision decision = story.say(2, bad_sample(1, 3, 2));
  const std::string sentence = "worker 2: step 1, micro-batch 3, layer 2 (block1): bad sample";
  CHECK(sent<Halt>(decision).size() == 3);
  const auto answer = [&](int worker, const std::vector<int>& layers) {
    Applied applied{story.state.view.view, Step{0}, {}, 0};
    for (const int layer : layers) applied.layers.push_back({LayerId{layer}, 7, {Json::object()}});
    return story.say(worker, applied);
  };
  answer(0, {0, 1});
  answer(1, {});
  SECTION("of all layers") {
    CHECK(all_of<StoreModel>(answer(2, {1, 2, 3})).size() == 1);
  }
  SECTION("not of all") {
    CHECK(end_of(answer(2, {2}), 3, 1) == sentence);
  }
}

TEST_CASE("a halted run that loses what it would store ends with what stopped it", "[unit]") {
  CoordinatorStory story = each_alone();
  story.say(1, bad_sample(2, 3, 2));
  story.all_ready();
  const int second = active_holders(story.state.view.layout, LayerId{2})[0].value;
  story.say(second, bad_sample(2, 3, 2));
  const auto holders = story.state.holders.at(LayerId{2});
  Decision decision;
  for (const WorkerId holder : holders) decision = story.lose(holder.value);
  CHECK(end_of(decision, story.state.members.size(), 1) ==
        "worker " + std::to_string(second) +
            ": step 2, micro-batch 3, layer 2 (block1): bad sample");
}

TEST_CASE("other places that fail are other workers' faults, until nobody is left", "[unit]") {
  CoordinatorStory story = each_alone();
  story.say(1, bad_sample(2, 3, 2));
  story.all_ready();
  story.say(0, bad_sample(2, 0, 0));
  REQUIRE(story.state.phase == Phase::preparing);
  CHECK(shape(story.state.view.layout) == "2:0-3 x4");
  story.all_ready();
  const Decision decision = story.say(2, bad_sample(2, 1, 1));
  CHECK(
      sent<Halt>(decision).at(WorkerId{2}).why ==
      "worker 2: step 2, micro-batch 1, layer 1 (block0): bad sample, and no other worker is left "
      "to try");
}

TEST_CASE("a failure without a place ends the run", "[unit]") {
  CoordinatorStory story = each_alone();
  CHECK(end_of(story.say(1, Failed{"out of memory", FaultKind::exhausted, Step{2}}), 3, 1) ==
        "worker 1: step 2: out of memory");
}

}  // namespace planaria::protocol
