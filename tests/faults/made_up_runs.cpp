#include "faults/made_up_runs.hpp"

#include <catch2/catch.hpp>

#include <fmt/format.h>

namespace planaria::test {
namespace {

Json stage(int first_layer, int last_layer, int worker) {
  return {{"first_layer", first_layer}, {"last_layer", last_layer}, {"worker", worker}};
}

Json pipeline(int micro_batches, const std::vector<Json>& stages) {
  return {{"micro_batches", micro_batches}, {"stages", Json(stages)}};
}

Json layout_of(const std::vector<Json>& pipelines) {
  return {{"pipelines", Json(pipelines)}};
}

// Writes the events of a run in their order, one a millisecond.
class Diary {
 public:
  void view(int number, std::int64_t first_step, const Json& layout,
            const std::vector<int>& workers) {
    view_ = number;
    Json members = Json::array();
    for (const int worker : workers) members.push_back({{"worker", worker}, {"address", "x"}});
    add(first_step - 1, "view",
        {{"layout", layout},
         {"members", std::move(members)},
         {"first_step", first_step},
         {"planned", false}});
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
  // Micro-batches [first, last] of layers 0 to `last_layer`, by whoever has them.
  void whole(int step, std::pair<int, int> micro_batches, int last_layer,
             const std::function<int(int, int)>& worker_of) {
    for (int i = micro_batches.first; i <= micro_batches.second; ++i) {
      for (int layer = 0; layer <= last_layer; ++layer) {
        computed(step, "FG", i, layer, worker_of(i, layer));
      }
    }
  }
  void killed(int step, int worker) {
    add(step, "fault_injected",
        {{"worker", worker},
         {"kind", "kill"},
         {"order", fmt::format("kill@step={}:worker={}:phase=forward", step, worker)},
         {"phase", "forward"}});
    add(step, "worker_lost", {{"worker", worker}, {"why", "its connection ended"}});
  }
  void resumed(int step, const Json& sums, const Json& lanes) {
    add(step, "resumed", {{"moved", 0}, {"salvage", {{"sums", sums}, {"lanes", lanes}}}});
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

struct Asked {
  int micro_batches = 0;
  int lane_size = 1;
  std::vector<std::string> layers;
};

// Three steps; who is not lost is left in the end.
RunFiles run_of(const Diary& diary, const Asked& asked, const std::vector<int>& left,
                int redone_micro_batches) {
  RunFiles run;
  run.events = diary.events;
  for (int step = 1; step <= 3; ++step) run.ledger.push_back({{"step", step}});
  run.asked = {{"micro_batches", asked.micro_batches},
               {"lane_size", asked.lane_size},
               {"layers", asked.layers}};
  run.result = {{"version", 1},
                {"steps", 3},
                {"samples", 6 * asked.micro_batches},
                {"final_loss", 1.0 / 3},
                {"holders_agree", true},
                {"weights_xxh3_128", "a"},
                {"workers_lost", events_named(run, "worker_lost").size()},
                {"state_xxh3_128", "b"},
                {"redone_micro_batches", redone_micro_batches}};
  run.result["workers"] = Json::array();
  for (const int id : left) run.result["workers"].push_back({{"id", id}});
  run.model = "bytes";
  for (const Json& strike : events_named(run, "fault_injected")) {
    run.faults += (run.faults.empty() ? "" : ",") + strike.at("order").get<std::string>();
  }
  return run;
}

}  // namespace

RunFiles run_with_a_loss() {
  Diary diary;
  diary.view(1, 1,
             layout_of({pipeline(2, {stage(0, 1, 0), stage(2, 3, 1)}),
                        pipeline(2, {stage(0, 1, 2), stage(2, 3, 3)})}),
             {0, 1, 2, 3});
  const auto by_square = [](int i, int layer) { return (i < 2 ? 0 : 2) + (layer < 2 ? 0 : 1); };
  diary.whole(1, {0, 3}, 3, by_square);
  diary.committed(1);
  diary.whole(2, {0, 2}, 3, by_square);
  diary.computed(2, "F", 3, 0, 2);
  diary.computed(2, "F", 3, 1, 2);
  diary.killed(2, 3);

  diary.view(
      2, 2,
      layout_of({pipeline(2, {stage(0, 1, 0), stage(2, 3, 1)}), pipeline(2, {stage(0, 3, 2)})}),
      {0, 1, 2});
  diary.resumed(2,
                {sum(0, 0, 2, 2), sum(0, 1, 0, 0), sum(1, 0, 2, 2), sum(1, 1, 0, 0),
                 sum(2, 1, 0, 1), sum(3, 1, 0, 1)},
                {{2}, {3}});
  for (int layer = 0; layer < 4; ++layer) {
    diary.computed(2, layer < 2 ? "F" : "FG", 2, layer, layer < 2 ? 0 : 1);
    diary.computed(2, "FG", 3, layer, 2);
  }
  diary.committed(2);
  diary.whole(3, {0, 3}, 3, [](int i, int layer) { return i < 2 ? (layer < 2 ? 0 : 1) : 2; });
  diary.committed(3);
  return run_of(diary, {4, 1, {"in", "first", "second", "out"}}, {0, 1, 2}, 6);
}

RunFiles run_with_a_step_begun_three_times() {
  Diary diary;
  diary.view(
      1, 1,
      layout_of({pipeline(4, {stage(0, 1, 0)}), pipeline(1, {stage(0, 0, 1), stage(1, 1, 2)})}),
      {0, 1, 2});
  const auto by_all = [](int i, int layer) { return i < 4 ? 0 : 1 + layer; };
  diary.whole(1, {0, 4}, 1, by_all);
  diary.committed(1);
  diary.whole(2, {0, 3}, 1, by_all);
  diary.computed(2, "F", 4, 0, 1);
  diary.computed(2, "FG", 4, 1, 2);
  diary.killed(2, 1);

  diary.view(2, 2, layout_of({pipeline(2, {stage(0, 1, 0)}), pipeline(3, {stage(0, 1, 2)})}),
             {0, 2});
  diary.resumed(2, {sum(0, 1, 0, 0), sum(1, 0, 2, 2), sum(1, 1, 0, 0)},
                {Json::array(), Json::array({2})});
  diary.computed(2, "F", 4, 0, 2);
  diary.computed(2, "FG", 4, 1, 2);
  diary.killed(2, 2);

  diary.view(3, 2, layout_of({pipeline(5, {stage(0, 1, 0)})}), {0});
  diary.resumed(2, {sum(0, 1, 0, 0), sum(1, 1, 0, 0)}, Json::array({Json::array({2})}));
  diary.whole(2, {4, 4}, 1, [](int, int) { return 0; });
  diary.committed(2);
  diary.whole(3, {0, 4}, 1, [](int, int) { return 0; });
  diary.committed(3);
  return run_of(diary, {5, 2, {"in", "out"}}, {0}, 2);
}

RunFiles run_that_goes_back() {
  Diary diary;
  diary.view(1, 1, layout_of({pipeline(2, {stage(0, 0, 0), stage(1, 1, 1)})}), {0, 1, 2});
  const auto by_layer = [](int, int layer) { return layer; };
  for (const int step : {1, 2}) {
    diary.whole(step, {0, 1}, 1, by_layer);
    diary.committed(step);
  }
  diary.whole(3, {0, 0}, 1, by_layer);
  diary.killed(3, 1);
  diary.add(2, "rolled_back", {{"from", 2}, {"to", 0}, {"layers", {1}}});

  diary.view(2, 1, layout_of({pipeline(1, {stage(0, 1, 0)}), pipeline(1, {stage(0, 1, 2)})}),
             {0, 2});
  diary.add(1, "resumed", {{"moved", 0}});
  for (const int step : {1, 2}) {
    diary.whole(step, {0, 1}, 1, [](int i, int) { return 2 * i; });
    diary.committed(step);
  }
  diary.computed(3, "F", 0, 0, 0);
  diary.computed(3, "F", 1, 0, 2);
  diary.killed(3, 2);

  diary.view(3, 3, layout_of({pipeline(2, {stage(0, 1, 0)})}), {0});
  diary.add(3, "resumed", {{"moved", 0}});
  diary.whole(3, {0, 1}, 1, [](int, int) { return 0; });
  diary.committed(3);
  return run_of(diary, {2, 1, {"in", "out"}}, {0}, 11);
}

std::vector<std::size_t> positions(const RunFiles& run,
                                   const std::function<bool(const Json&)>& is) {
  std::vector<std::size_t> found;
  for (std::size_t i = 0; i < run.events.size(); ++i) {
    if (is(run.events[i])) found.push_back(i);
  }
  return found;
}

Json& event(RunFiles& run, const std::string& name, int step, int view) {
  const auto found = positions(run, [&](const Json& each) {
    return each.at("event") == name && (step == 0 || each.at("step") == step) &&
           (view == 0 || each.at("view") == view);
  });
  REQUIRE(found.size() == 1);
  return run.events[found[0]];
}

std::size_t computed_at(const RunFiles& run, const Deed& deed) {
  const auto found = positions(run, [&](const Json& each) {
    return each.at("event") == "computed" && each.at("step") == deed.step &&
           each.at("view") == deed.view && each.at("micro_batch") == deed.micro_batch &&
           each.at("layer") == deed.layer && each.at("kind") == deed.kind;
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

Json& salvage(RunFiles& run, int step, int view) {
  return event(run, "resumed", step, view).at("salvage");
}

Json sum(int layer, int height, int index, int worker) {
  return {{"layer", layer}, {"height", height}, {"index", index}, {"worker", worker}};
}

}  // namespace planaria::test
