// The rules that runs with losses are read by: a sound run has nothing against it, and each of
// these forgeries is told.
#include <catch2/catch.hpp>

#include <algorithm>
#include <functional>

#include <fmt/format.h>

#include "faults/run_rules.hpp"

namespace planaria::test {
namespace {

using Forgery = std::function<void(RunFiles&)>;

Json stage(int first_layer, int last_layer, int worker) {
  return {{"first_layer", first_layer}, {"last_layer", last_layer}, {"worker", worker}};
}

Json layout_of(const std::vector<std::vector<Json>>& pipelines) {
  Json found = Json::array();
  for (const auto& stages : pipelines) {
    found.push_back({{"micro_batches", 2}, {"stages", Json(stages)}});
  }
  return {{"pipelines", std::move(found)}};
}

// Writes the events of a run in their order, one a millisecond.
class Diary {
 public:
  void view(int number, std::int64_t first_step, bool planned, const Json& layout,
            const std::vector<int>& workers) {
    view_ = number;
    Json members = Json::array();
    for (const int worker : workers) members.push_back({{"worker", worker}, {"address", "x"}});
    add(first_step - 1, "view",
        {{"layout", layout},
         {"members", std::move(members)},
         {"first_step", first_step},
         {"planned", planned}});
  }
  void computed(int step, const std::string& kinds, int micro_batch, int layer, int worker) {
    for (const char kind : kinds) {
      add(step, "computed",
          {{"worker", worker},
           {"micro_batch", micro_batch},
           {"layer", layer},
           {"kind", std::string(1, kind)}});
    }
  }
  void committed(int step) {
    add(step, "step_committed", {{"loss", 1.0 / step}, {"norm", 2.0 / step}});
  }
  void add(std::int64_t step, const std::string& name, const Json& fields) {
    Json event{{"t_ms", t_ms_++}, {"view", view_}, {"step", step}, {"event", name}};
    event.update(fields);
    events.push_back(std::move(event));
  }

  std::vector<Json> events;

 private:
  int view_ = 0;
  int t_ms_ = 1;
};

// Four micro-batches of a lane each over layers 0 to 3, two pipelines of two stages. Worker 3 is
// killed in step 2, when the first pipeline has finished and worker 2 has layers 0 and 1 of
// micro-batch 2: worker 2 goes on alone in its pipeline, and that lane goes to the first one.
RunFiles sound_run() {
  Diary diary;
  const Json square =
      layout_of({{stage(0, 1, 0), stage(2, 3, 1)}, {stage(0, 1, 2), stage(2, 3, 3)}});
  diary.view(1, 1, false, square, {0, 1, 2, 3});
  const auto whole = [&](int step, const std::vector<int>& micro_batches,
                         const std::function<int(int, int)>& worker_of) {
    for (const int i : micro_batches) {
      for (int layer = 0; layer < 4; ++layer) {
        diary.computed(step, "FG", i, layer, worker_of(i, layer));
      }
    }
  };
  const auto by_square = [](int i, int layer) { return (i < 2 ? 0 : 2) + (layer < 2 ? 0 : 1); };
  whole(1, {0, 1, 2, 3}, by_square);
  diary.committed(1);
  whole(2, {0, 1, 2}, by_square);
  diary.computed(2, "F", 3, 0, 2);
  diary.computed(2, "F", 3, 1, 2);
  diary.add(2, "fault_injected",
            {{"worker", 3},
             {"kind", "kill"},
             {"order", "kill@step=2:worker=3:phase=forward"},
             {"phase", "forward"}});
  diary.add(2, "worker_lost", {{"worker", 3}, {"why", "its connection ended"}});

  const Json left = layout_of({{stage(0, 1, 0), stage(2, 3, 1)}, {stage(0, 3, 2)}});
  diary.view(2, 2, false, left, {0, 1, 2});
  const auto sum = [](int layer, int height, int index, int worker) {
    return Json{{"layer", layer}, {"height", height}, {"index", index}, {"worker", worker}};
  };
  const Json sums = {sum(0, 0, 2, 2), sum(0, 1, 0, 0), sum(1, 0, 2, 2),
                     sum(1, 1, 0, 0), sum(2, 1, 0, 1), sum(3, 1, 0, 1)};
  diary.add(2, "resumed", {{"moved", 0}, {"salvage", {{"sums", sums}, {"lanes", {{2}, {3}}}}}});
  for (int layer = 0; layer < 4; ++layer) {
    diary.computed(2, layer < 2 ? "F" : "FG", 2, layer, layer < 2 ? 0 : 1);
    diary.computed(2, "FG", 3, layer, 2);
  }
  diary.committed(2);
  whole(3, {0, 1, 2, 3}, [](int i, int layer) { return i < 2 ? (layer < 2 ? 0 : 1) : 2; });
  diary.committed(3);

  RunFiles run;
  run.faults = "kill@step=2:worker=3:phase=forward";
  run.events = diary.events;
  for (int step = 1; step <= 3; ++step) run.ledger.push_back({{"step", step}});
  run.asked = {{"micro_batches", 4}, {"lane_size", 1}};
  run.result = {{"version", 1},
                {"steps", 3},
                {"samples", 24},
                {"final_loss", 1.0 / 3},
                {"holders_agree", true},
                {"weights_xxh3_128", "a"},
                {"workers_lost", 1},
                {"state_xxh3_128", "b"},
                {"redone_micro_batches", 6}};
  run.result["workers"] = Json::array();
  for (const int id : {0, 1, 2}) run.result["workers"].push_back({{"id", id}});
  run.model = "bytes";
  return run;
}

std::vector<std::size_t> positions(const RunFiles& run,
                                   const std::function<bool(const Json&)>& is) {
  std::vector<std::size_t> found;
  for (std::size_t i = 0; i < run.events.size(); ++i) {
    if (is(run.events[i])) found.push_back(i);
  }
  return found;
}

// The only event of this kind in the step, or the view; 0: any.
Json& event(RunFiles& run, const std::string& name, int step, int view = 0) {
  const auto found = positions(run, [&](const Json& each) {
    return each.at("event") == name && (step == 0 || each.at("step") == step) &&
           (view == 0 || each.at("view") == view);
  });
  REQUIRE(found.size() == 1);
  return run.events[found[0]];
}

std::size_t computed_at(const RunFiles& run, int step, int view, int micro_batch, int layer,
                        const std::string& kind) {
  const auto found = positions(run, [&](const Json& each) {
    return each.at("event") == "computed" && each.at("step") == step && each.at("view") == view &&
           each.at("micro_batch") == micro_batch && each.at("layer") == layer &&
           each.at("kind") == kind;
  });
  REQUIRE(found.size() == 1);
  return found[0];
}

void drop(RunFiles& run, std::size_t position) {
  run.events.erase(run.events.begin() + static_cast<std::ptrdiff_t>(position));
}

void repeat(RunFiles& run, std::size_t position) {
  const Json copy = run.events[position];
  run.events.insert(run.events.begin() + static_cast<std::ptrdiff_t>(position), copy);
}

Json& salvage(RunFiles& run) {
  return event(run, "resumed", 2).at("salvage");
}

struct Case {
  std::string what;
  Forgery forge;
  std::string told;  // part of a complaint
};

void check_told(const std::vector<Case>& cases) {
  const RunFiles sound = sound_run();
  REQUIRE(complaints_about(sound, sound) == "");
  for (const Case& each : cases) {
    INFO(each.what);
    RunFiles forged = sound;
    each.forge(forged);
    const std::string complaints = complaints_about(forged, sound);
    INFO("told: " << complaints);
    CHECK(complaints.find(each.told) != std::string::npos);
  }
}

}  // namespace

TEST_CASE("work that was not done, done twice, or by another is told", "[faults]") {
  check_told({
      {"a backward is missing in a whole step",
       [](RunFiles& run) { drop(run, computed_at(run, 3, 2, 1, 2, "G")); },
       "G of micro-batch 1 of layer 2 in step 3, view 2: 0 times"},
      {"a forward is missing in what was left of a step",
       [](RunFiles& run) { drop(run, computed_at(run, 2, 2, 2, 0, "F")); },
       "F of micro-batch 2 of layer 0 in step 2, view 2: 0 times"},
      {"a layer goes backward in vain",
       [](RunFiles& run) {
         const std::size_t at = computed_at(run, 2, 2, 2, 1, "F");
         repeat(run, at);
         run.events[at]["kind"] = "G";
       },
       "G of micro-batch 2 of layer 1 in step 2, view 2: 1 times"},
      {"a place is computed twice in one view",
       [](RunFiles& run) { repeat(run, computed_at(run, 3, 2, 0, 0, "F")); },
       "F of micro-batch 0 of layer 0 in step 3, view 2: 2 times"},
      {"and more often than views were broken off",
       [](RunFiles& run) { repeat(run, computed_at(run, 3, 2, 0, 0, "F")); },
       "F of micro-batch 0 of layer 0 in step 3: 2 times, 0 views were broken off"},
      {"another's layer",
       [](RunFiles& run) { run.events[computed_at(run, 1, 1, 0, 2, "F")]["worker"] = 0; },
       "worker 0 computes micro-batch 0 of layer 2 in view 1"},
      {"another pipeline's lane",
       [](RunFiles& run) { run.events[computed_at(run, 2, 2, 3, 0, "F")]["micro_batch"] = 1; },
       "worker 2 computes micro-batch 1 of layer 0 in view 2"},
      {"more redone than the result says",
       [](RunFiles& run) { run.result["redone_micro_batches"] = 5; },
       "6 places are redone, the result has 5"},
      {"a view that was broken off by nobody",
       [](RunFiles& run) { event(run, "worker_lost", 2)["event"] = "waiting"; },
       "1 views were broken off by 0 losses"},
      {"an older view after a newer one",
       [](RunFiles& run) { run.events[computed_at(run, 3, 2, 0, 0, "F")]["view"] = 1; },
       "worker 0 computes in view 1 after view 2"},
      {"a step in a view that is none",
       [](RunFiles& run) { event(run, "step_committed", 3)["view"] = 7; },
       "step 3 is committed in view 7, which none is"},
  });
}

TEST_CASE("sums that count as finished and are not are told", "[faults]") {
  check_told({
      {"over a lane that nobody finished",
       [](RunFiles& run) { drop(run, computed_at(run, 2, 1, 2, 1, "G")); },
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
  check_told({
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
      {"no result", [](RunFiles& run) { run.result = nullptr; }, "there is no result"},
      {"a status", [](RunFiles& run) { run.status = 1; }, "status 1"},
  });
}

TEST_CASE("strikes that were not as ordered, and the dead who work, are told", "[faults]") {
  check_told({
      {"it never struck",
       [](RunFiles& run) { event(run, "fault_injected", 2)["order"] = "kill@step=9:worker=1"; },
       "kill@step=2:worker=3:phase=forward struck 0 times"},
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
       [](RunFiles& run) { run.events[computed_at(run, 3, 2, 3, 0, "F")]["worker"] = 3; },
       "worker 3 computes after it was killed"},
      {"the result names the dead", [](RunFiles& run) { run.result["workers"][0]["id"] = 3; },
       "the result names worker 3, which is lost"},
      {"the result counts others", [](RunFiles& run) { run.result["workers_lost"] = 2; },
       "1 workers are lost, the result has 2"},
  });
}

}  // namespace planaria::test
