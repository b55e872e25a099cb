// The rules that runs with losses are read by: a sound run has nothing against it, and each of
// these forgeries is told.
#include <catch2/catch.hpp>

#include "faults/made_up_runs.hpp"
#include "faults/run_rules.hpp"

namespace planaria::test {
namespace {

struct Case {
  std::string what;
  std::function<void(RunFiles&)> forge;
  std::string told;  // part of a complaint
};

// A run that nothing can be said against, and `copies` of each layer's state.
struct Sound {
  RunFiles run;
  int copies = 2;

  void check_told(const std::vector<Case>& cases) const {
    REQUIRE(complaints_about(run, run, copies) == "");
    for (const Case& each : cases) {
      INFO(each.what);
      RunFiles forged = run;
      each.forge(forged);
      const std::string complaints = complaints_about(forged, run, copies);
      INFO("told: " << complaints);
      CHECK(complaints.find(each.told) != std::string::npos);
    }
  }
};

}  // namespace

TEST_CASE("work that was not done, done twice, or by another is told", "[faults]") {
  Sound{run_with_a_loss()}.check_told({
      {"a backward is missing in a whole step",
       [](RunFiles& run) {
         drop(run, computed_at(run, {3, 2, 1, 2, "G"}));
       },
       "G of micro-batch 1 of layer 2 in step 3, view 2: 0 times"},
      {"a forward is missing in what was left of a step",
       [](RunFiles& run) {
         drop(run, computed_at(run, {2, 2, 2, 0, "F"}));
       },
       "F of micro-batch 2 of layer 0 in step 2, view 2: 0 times"},
      {"a layer goes backward in vain",
       [](RunFiles& run) {
         const std::size_t at = computed_at(run, {2, 2, 2, 1, "F"});
         repeat(run, at);
         run.events[at]["kind"] = "G";
       },
       "worker 0 takes micro-batch 2 of layer 1 backward in vain in view 2"},
      {"a place is computed twice in one view",
       [](RunFiles& run) {
         repeat(run, computed_at(run, {3, 2, 0, 0, "F"}));
       },
       "F of micro-batch 0 of layer 0 in step 3, view 2: 2 times"},
      {"and more often than views were broken off",
       [](RunFiles& run) {
         repeat(run, computed_at(run, {3, 2, 0, 0, "F"}));
       },
       "F of micro-batch 0 of layer 0 in step 3: 2 times, 0 views were broken off"},
      {"another's layer",
       [](RunFiles& run) {
         run.events[computed_at(run, {1, 1, 0, 2, "F"})]["worker"] = 0;
       },
       "worker 0 computes micro-batch 0 of layer 2 in view 1"},
      {"another pipeline's lane",
       [](RunFiles& run) {
         run.events[computed_at(run, {2, 2, 3, 0, "F"})]["micro_batch"] = 1;
       },
       "worker 2 computes micro-batch 1 of layer 0 in view 2"},
      {"more redone than the result says",
       [](RunFiles& run) { run.result["redone_micro_batches"] = 5; },
       "6 places are redone, the result has 5"},
      {"a view that was broken off by nobody",
       [](RunFiles& run) { event(run, "worker_lost", 2)["event"] = "waiting"; },
       "1 views were broken off by 0 losses"},
      {"an older view after a newer one",
       [](RunFiles& run) {
         run.events[computed_at(run, {3, 2, 0, 0, "F"})]["view"] = 1;
       },
       "worker 0 computes in view 1 after view 2"},
      {"a step in a view that is none",
       [](RunFiles& run) { event(run, "step_committed", 3)["view"] = 7; },
       "step 3 is committed in view 7, which none is"},
  });
}

TEST_CASE("sums that count as finished and are not are told", "[faults]") {
  Sound{run_with_a_loss()}.check_told({
      {"over a lane that nobody finished",
       [](RunFiles& run) {
         drop(run, computed_at(run, {2, 1, 2, 1, "G"}));
       },
       "micro-batch 2 of layer 1 counts as finished in step 2, view 2"},
      {"within another",
       [](RunFiles& run) {
         salvage(run)["sums"].push_back({{"layer", 2}, {"height", 0}, {"index", 1}, {"worker", 1}});
       },
       "sums of layer 2 overlap in lane 1"},
      {"of a worker that does not compute the layer",
       [](RunFiles& run) { salvage(run)["sums"][4]["worker"] = 0; },
       "a sum of layer 2 is worker 0's, which does not compute it"},
      {"over no lane", [](RunFiles& run) { salvage(run)["sums"][0]["index"] = 9; },
       "a sum of layer 0 is over no lane"},
      {"a lane that nobody has is left out",
       [](RunFiles& run) { salvage(run)["lanes"][1] = Json::array(); },
       "lane 3 of layer 0 is left out"},
      {"a lane that all have is computed",
       [](RunFiles& run) {
         salvage(run)["lanes"][0] = {0, 2};
       },
       "lane 0 is computed, and all have it"},
      {"a lane is given out twice",
       [](RunFiles& run) {
         salvage(run)["lanes"][1] = {2, 3};
       },
       "lane 2 is given to two pipelines"},
      {"what was finished is kept from the files",
       [](RunFiles& run) { event(run, "resumed", 2).erase("salvage"); },
       "F of micro-batch 0 of layer 0 in step 2, view 2: 0 times"},
  });
}

TEST_CASE("steps, records and ledger that do not fit are told", "[faults]") {
  Sound{run_with_a_loss()}.check_told({
      {"a step is left out",
       [](RunFiles& run) {
         drop(run, positions(run, [](const Json& each) {
                return each.at("event") == "step_committed" && each.at("step") == 2;
              })[0]);
       },
       "step 3 is committed, not 2"},
      {"a step is committed twice",
       [](RunFiles& run) {
         repeat(run, positions(run, [](const Json& each) {
                  return each.at("event") == "step_committed" && each.at("step") == 2;
                })[0]);
       },
       "step 2 is committed, not 3"},
      {"another loss", [](RunFiles& run) { event(run, "step_committed", 2)["loss"] = 0.75; },
       "losses or norms differ"},
      {"a line of the ledger is missing", [](RunFiles& run) { run.ledger.pop_back(); },
       "2 lines of the ledger for 3 steps"},
      {"other data", [](RunFiles& run) { run.ledger[1]["read_xxh3"] = "7"; }, "the ledger differs"},
      {"other weights", [](RunFiles& run) { run.result["weights_xxh3_128"] = "c"; },
       "weights_xxh3_128: \"c\" and \"a\""},
      {"another file", [](RunFiles& run) { run.model = "byte"; }, "model.safetensors differs"},
      {"holders that differ", [](RunFiles& run) { run.result["holders_agree"] = false; },
       "the holders do not agree"},
      {"a view is skipped", [](RunFiles& run) { event(run, "view", 0, 2)["view"] = 3; },
       "view 1 is followed by 3"},
      {"all go back though too few are lost",
       [](RunFiles& run) {
         run.events.push_back({{"t_ms", 9999},
                               {"view", 2},
                               {"step", 3},
                               {"event", "rolled_back"},
                               {"from", 3},
                               {"to", 0}});
       },
       "1 lost, and all went back"},
      {"an evaluation that is another's",
       [](RunFiles& run) {
         run.events.push_back({{"t_ms", 9999},
                               {"view", 2},
                               {"step", 3},
                               {"event", "evaluated"},
                               {"loss", 1.5},
                               {"samples", 8}});
       },
       "evaluations: "},
      {"no result", [](RunFiles& run) { run.result = nullptr; }, "there is no result"},
      {"a status", [](RunFiles& run) { run.status = 1; }, "status 1"},
  });
}

TEST_CASE("strikes that were not as ordered, and the dead who work, are told", "[faults]") {
  Sound{run_with_a_loss()}.check_told({
      {"it never struck",
       [](RunFiles& run) { event(run, "fault_injected", 2)["order"] = "kill@step=9:worker=1"; },
       "kill@step=2:worker=3:phase=forward struck 0 times"},
      {"another did, whose number begins like its own",
       [](RunFiles& run) {
         run.faults = "kill@step=2:worker=3";
         event(run, "fault_injected", 2)["order"] = "kill@step=2:worker=31:phase=forward";
       },
       "kill@step=2:worker=3 struck 0 times"},
      {"it struck twice",
       [](RunFiles& run) {
         repeat(run, positions(run, [](const Json& each) {
                  return each.at("event") == "fault_injected";
                })[0]);
       },
       "kill@step=2:worker=3:phase=forward struck 2 times"},
      {"in another phase",
       [](RunFiles& run) { event(run, "fault_injected", 2)["phase"] = "reduce"; },
       "struck in phase reduce"},
      {"another worker", [](RunFiles& run) { event(run, "fault_injected", 2)["worker"] = 1; },
       "struck worker 1"},
      {"in another step", [](RunFiles& run) { event(run, "fault_injected", 2)["step"] = 1; },
       "struck in step 1"},
      {"nobody is lost", [](RunFiles& run) { event(run, "worker_lost", 2)["event"] = "waiting"; },
       "worker 3 is not lost"},
      {"somebody else is lost too",
       [](RunFiles& run) {
         const auto at =
             positions(run, [](const Json& each) { return each.at("event") == "worker_lost"; })[0];
         repeat(run, at);
         run.events[at]["worker"] = 1;
       },
       "worker 1 is lost, and nothing befell it"},
      {"a later view names who is lost",
       [](RunFiles& run) { event(run, "view", 0, 2)["members"][0]["worker"] = 3; },
       "view 2 names worker 3, which is lost"},
      {"the dead compute",
       [](RunFiles& run) {
         run.events[computed_at(run, {3, 2, 3, 0, "F"})]["worker"] = 3;
       },
       "worker 3 computes after it was killed"},
      {"the result names the dead", [](RunFiles& run) { run.result["workers"][0]["id"] = 3; },
       "the result names worker 3, which is lost"},
      {"the result counts others", [](RunFiles& run) { run.result["workers_lost"] = 2; },
       "1 workers are lost, the result has 2"},
  });
}

TEST_CASE("a step that is whole by its view, and not by what was asked, is told", "[faults]") {
  Sound{run_with_a_loss()}.check_told({
      {"a micro-batch that is nobody's",
       [](RunFiles& run) {
         event(run, "view", 0, 2)["layout"]["pipelines"][1]["micro_batches"] = 1;
         for (int layer = 0; layer < 4; ++layer) {
           drop(run, computed_at(run, {3, 2, 3, layer, "F"}));
           drop(run, computed_at(run, {3, 2, 3, layer, "G"}));
         }
       },
       "micro-batch 3 of layer 3 is nobody's in step 3, view 2"},
      {"a layer that is nobody's",
       [](RunFiles& run) {
         event(run, "view", 0, 1)["layout"]["pipelines"][0]["stages"][1]["last_layer"] = 2;
         drop(run, computed_at(run, {1, 1, 0, 3, "F"}));
         drop(run, computed_at(run, {1, 1, 0, 3, "G"}));
       },
       "micro-batch 0 of layer 3 is nobody's in step 1, view 1"},
      {"a layer that is two workers'",
       [](RunFiles& run) {
         event(run, "view", 0, 1)["layout"]["pipelines"][0]["stages"][1]["first_layer"] = 1;
       },
       "micro-batch 0 of layer 1 is worker 0's and worker 1's"},
      {"nothing says what was asked", [](RunFiles& run) { run.asked = nullptr; },
       "there is no run.json"},
      {"twice in a view that was broken off",
       [](RunFiles& run) {
         repeat(run, computed_at(run, {2, 1, 3, 0, "F"}));
       },
       "F of micro-batch 3 of layer 0 in step 2, view 1: 2 times"},
  });
}

TEST_CASE("a step that is begun again and again is read with what each view says", "[faults]") {
  Sound{run_with_a_step_begun_three_times()}.check_told({
      {"in vain, in a view that was broken off",
       [](RunFiles& run) {
         salvage(run, 2, 2)["sums"][1]["layer"] = 0;
         const std::size_t at = computed_at(run, {2, 2, 4, 0, "F"});
         repeat(run, at);
         run.events[at]["kind"] = "G";
       },
       "worker 2 takes micro-batch 4 of layer 0 backward in vain in view 2"},
      {"a sum of who had not the layer when it was added up",
       [](RunFiles& run) { salvage(run, 2, 2)["sums"][1]["layer"] = 0; },
       "a sum of layer 0 is worker 2's in view 2, which did not have the layer"},
      {"half of a lane is not finished",
       [](RunFiles& run) {
         drop(run, computed_at(run, {2, 1, 3, 0, "G"}));
       },
       "micro-batch 3 of layer 0 counts as finished in step 2, view 2"},
      {"finished in the very view",
       [](RunFiles& run) {
         run.events[computed_at(run, {2, 1, 4, 1, "G"})]["view"] = 2;
       },
       "micro-batch 4 of layer 1 counts as finished in step 2, view 2"},
      {"finished in another step",
       [](RunFiles& run) {
         run.events[computed_at(run, {2, 1, 4, 1, "G"})]["step"] = 1;
       },
       "micro-batch 4 of layer 1 counts as finished in step 2, view 2"},
      {"finished, and then not believed",
       [](RunFiles& run) {
         Json& lost = run.events[positions(run, [](const Json& each) {
           return each.at("event") == "worker_lost" && each.at("view") == 1;
         })[0]];
         Json differ = lost;
         differ["event"] = "gradients_differ";
         run.events.insert(run.events.begin(), differ);
       },
       "micro-batch 0 of layer 0 counts as finished in step 2, view 2"},
      {"the short lane is left out",
       [](RunFiles& run) { salvage(run, 2, 3)["lanes"][0] = Json::array(); },
       "lane 2 of layer 0 is left out"},
      {"a lane that there is not",
       [](RunFiles& run) { salvage(run, 2, 3)["lanes"][0].push_back(3); },
       "lane 3 is computed, and there is none"},
      {"lanes of a pipeline that there is not",
       [](RunFiles& run) { salvage(run, 2, 3)["lanes"].push_back({2}); },
       "lanes of 2 pipelines, there are 1"},
      {"a node so high that there is none",
       [](RunFiles& run) { salvage(run, 2, 3)["sums"].push_back(sum(0, 64, 1, 0)); },
       "a sum of layer 0 is over no lane"},
      {"a view is resumed twice",
       [](RunFiles& run) {
         repeat(run, positions(run, [](const Json& each) {
                  return each.at("event") == "resumed" && each.at("view") == 3;
                })[0]);
       },
       "view 3 is resumed twice"},
      {"a view is resumed with another step than it begins",
       [](RunFiles& run) { event(run, "resumed", 2, 3)["step"] = 3; },
       "view 3 begins step 2 and is resumed with step 3"},
      {"who comes later is lost twice",
       [](RunFiles& run) {
         repeat(run, positions(run, [](const Json& each) {
                  return each.at("event") == "worker_lost" && each.at("worker") == 2;
                })[0]);
       },
       "worker 2 is lost twice"},
      {"more often than views were broken off",
       [](RunFiles& run) { event(run, "view", 0, 3)["planned"] = true; },
       "F of micro-batch 4 of layer 0 in step 2: 3 times, 1 views were broken off"},
  });
}

TEST_CASE("what a roll-back took is computed again, with the same loss", "[faults]") {
  Sound{run_that_goes_back(), 1}.check_told({
      {"another loss the second time",
       [](RunFiles& run) { event(run, "step_committed", 2, 2)["loss"] = 0.25; },
       "step 2 has another loss or norm when done again"},
      {"another norm the second time",
       [](RunFiles& run) { event(run, "step_committed", 1, 2)["norm"] = 0.25; },
       "step 1 has another loss or norm when done again"},
      {"back from another step than was committed",
       [](RunFiles& run) { event(run, "rolled_back", 0)["from"] = 1; },
       "rolled back from 1, committed was 2"},
      {"finished only before all went back",
       [](RunFiles& run) {
         event(run, "resumed", 3, 3)["salvage"] = {{"sums", Json::array({sum(0, 0, 0, 0)})},
                                                   {"lanes", Json::array({Json::array({0, 1})})}};
         drop(run, computed_at(run, {3, 3, 0, 0, "G"}));
       },
       "micro-batch 0 of layer 0 counts as finished in step 3, view 3"},
      {"a step is left out the second time",
       [](RunFiles& run) {
         drop(run, positions(run, [](const Json& each) {
                return each.at("event") == "step_committed" && each.at("view") == 2;
              })[0]);
       },
       "step 2 is committed, not 1"},
  });
}

}  // namespace planaria::test
