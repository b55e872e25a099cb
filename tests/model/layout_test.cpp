#include <planaria/model/layout.hpp>

#include <functional>

#include <catch2/catch.hpp>

namespace planaria {
namespace {

LayerRange layers(int first, int last) {
  return {LayerId{first}, LayerId{last}};
}

// Two pipelines of two stages over five layers, seven micro-batches in lanes of two, one shadow.
Layout example() {
  Layout layout;
  layout.pipelines.push_back({4, {{layers(0, 2), WorkerId{0}}, {layers(3, 4), WorkerId{1}}}});
  layout.pipelines.push_back({3, {{layers(0, 1), WorkerId{3}}, {layers(2, 4), WorkerId{2}}}});
  layout.shadows.push_back({WorkerId{4}, {LayerId{3}, LayerId{1}}});
  return layout;
}

constexpr LayoutRequirements fitting{.layers = 5, .micro_batches = 7, .lane_size = 2, .workers = 5};

std::string refusal_of(const std::function<void(Layout&)>& spoil,
                       const LayoutRequirements& requirements = fitting) {
  Layout layout = example();
  spoil(layout);
  const auto result = verify(layout, requirements);
  if (result.ok()) return "fits";
  CHECK(result.fault().kind == FaultKind::invalid_input);
  return result.fault().sentence;
}

std::string reading_of(const Json& json) {
  const auto result = layout_from_json(json, "plan.json");
  return result.ok() ? "read" : result.fault().sentence;
}

}  // namespace

TEST_CASE("a layout tells who computes what", "[unit]") {
  const Layout layout = example();
  REQUIRE(place_of(layout, WorkerId{2}).has_value());
  CHECK(place_of(layout, WorkerId{2})->pipeline == 1);
  CHECK(place_of(layout, WorkerId{2})->stages == std::vector{1});
  CHECK_FALSE(place_of(layout, WorkerId{4}).has_value());  // a shadow only
  CHECK(micro_batches_of(layout, 0) == MicroBatchRange{MicroBatchId{0}, MicroBatchId{3}});
  CHECK(micro_batches_of(layout, 1) == MicroBatchRange{MicroBatchId{4}, MicroBatchId{6}});
  CHECK(active_holders(layout, LayerId{2}) == std::vector<WorkerId>{WorkerId{0}, WorkerId{2}});
  CHECK(active_holders(layout, LayerId{1}) == std::vector<WorkerId>{WorkerId{0}, WorkerId{3}});
  CHECK(active_holders(layout, LayerId{5}).empty());
  CHECK(workers_of(layout) ==
        std::vector<WorkerId>{WorkerId{0}, WorkerId{1}, WorkerId{2}, WorkerId{3}, WorkerId{4}});
}

TEST_CASE("a layout tells who shadows what, and who speaks for a layer's holders", "[unit]") {
  Layout layout = example();
  layout.shadows.push_back({WorkerId{0}, {LayerId{4}, LayerId{3}}});
  CHECK(shadows_of(layout, LayerId{3}) == std::vector<WorkerId>{WorkerId{0}, WorkerId{4}});
  CHECK(shadows_of(layout, LayerId{1}) == std::vector<WorkerId>{WorkerId{4}});
  CHECK(shadows_of(layout, LayerId{0}).empty());
  CHECK(shadowed_by(layout, WorkerId{4}) == std::vector<LayerId>{LayerId{1}, LayerId{3}});
  CHECK(shadowed_by(layout, WorkerId{0}) == std::vector<LayerId>{LayerId{3}, LayerId{4}});
  CHECK(shadowed_by(layout, WorkerId{1}).empty());
  // The lowest id, whichever pipeline comes first.
  CHECK(lowest_active_holder(layout, LayerId{3}) == WorkerId{1});
  std::swap(layout.pipelines[0], layout.pipelines[1]);
  CHECK(lowest_active_holder(layout, LayerId{3}) == WorkerId{1});
  CHECK(lowest_active_holder(layout, LayerId{0}) == WorkerId{0});
}

TEST_CASE("a layout is named by its pipelines and stages", "[unit]") {
  Layout layout = example();
  CHECK(text_of(layout) == "2 pipelines x 2 stages");
  layout.pipelines[1].stages.pop_back();
  CHECK(text_of(layout) == "pipelines of 2, 1 stages");
  layout.pipelines.erase(layout.pipelines.begin());
  CHECK(text_of(layout) == "1 pipeline x 1 stage");
  CHECK(text_of(Layout{}) == "no pipelines");
}

TEST_CASE("a layout that fits is accepted, with a shorter last lane too", "[unit]") {
  CHECK(refusal_of([](Layout&) {}) == "fits");
  CHECK(refusal_of([](Layout& l) { l.shadows[0].worker = WorkerId{1}; }) ==
        "shadows[0].layers[0]: 3, must not be a layer that worker 1 computes");
  CHECK(refusal_of([](Layout& l) { l.shadows[0] = {WorkerId{1}, {LayerId{0}}}; }) == "fits");
}

TEST_CASE("a worker may have several stages of its pipeline", "[unit]") {
  Layout layout = example();
  layout.pipelines[1].stages = {{layers(0, 0), WorkerId{3}},
                                {layers(1, 1), WorkerId{2}},
                                {layers(2, 2), WorkerId{2}},
                                {layers(3, 4), WorkerId{3}}};
  layout.shadows = {{WorkerId{3}, {LayerId{1}}}};
  CHECK(verify(layout, fitting).ok());
  CHECK(place_of(layout, WorkerId{3}) == Place{1, {0, 3}});
  CHECK(chunks_of(layout, WorkerId{2}) == std::vector{layers(1, 1), layers(2, 2)});
  CHECK(computed_by(layout, WorkerId{3}) == std::vector{LayerId{0}, LayerId{3}, LayerId{4}});
  CHECK(computed_by(layout, WorkerId{4}).empty());
  CHECK(workers_of(layout).size() == 4);
  layout.shadows = {{WorkerId{3}, {LayerId{4}}}};
  CHECK(verify(layout, fitting).fault().sentence ==
        "shadows[0].layers[0]: 4, must not be a layer that worker 3 computes");
}

TEST_CASE("pipelines may share workers where they have the same stages", "[unit]") {
  // Worker 4 would have been the second pipeline's stage 1; its micro-batches go to 1 and to 3.
  const auto cut = [](int first, int second) {
    return std::vector<StageAssignment>{{layers(0, 2), WorkerId{first}},
                                        {layers(3, 4), WorkerId{second}}};
  };
  Layout layout{{{3, cut(0, 1)}, {2, cut(2, 3)}, {1, cut(4, 1)}, {1, cut(4, 3)}, {1, cut(5, 6)}},
                {}};
  const LayoutRequirements wanted{.layers = 5, .micro_batches = 8, .lane_size = 1, .workers = 7};
  REQUIRE(verify(layout, wanted).ok());
  CHECK(shares_workers(layout));
  CHECK(joined_with(layout, 0) == std::vector{0, 1, 2, 3});
  CHECK(joined_with(layout, 2) == std::vector{0, 1, 2, 3});
  CHECK(joined_with(layout, 4) == std::vector{4});
  CHECK(places_of(layout, WorkerId{4}) == std::vector<Place>{{2, {0}}, {3, {0}}});
  CHECK(place_of(layout, WorkerId{3}) == Place{1, {1}});
  CHECK(computed_by(layout, WorkerId{1}) == std::vector{LayerId{3}, LayerId{4}});
  CHECK(active_holders(layout, LayerId{0}) ==
        std::vector{WorkerId{0}, WorkerId{2}, WorkerId{4}, WorkerId{5}});
  CHECK(text_of(layout) == "5 pipelines x 2 stages, sharing workers");
  CHECK(layout_from_json(to_json(layout), "it").value() == layout);

  Layout other = layout;
  other.pipelines[3].stages = {{layers(0, 1), WorkerId{2}}, {layers(2, 4), WorkerId{6}}};
  CHECK(verify(other, wanted).fault().sentence ==
        "pipelines[3].stages[0].worker: 2, must not be that of pipelines[1] too: they have other "
        "layers in stage 0");
  other = layout;
  other.pipelines[3].stages = {{layers(0, 4), WorkerId{3}}};
  CHECK(verify(other, wanted).fault().sentence ==
        "pipelines[3].stages[0].worker: 3, must not be that of pipelines[1] too: it has 2 stages, "
        "this one 1");
  other = layout;
  other.pipelines[3].stages = cut(3, 5);
  CHECK(verify(other, wanted).fault().sentence ==
        "pipelines[3].stages[0].worker: 3, must not be that of pipelines[1] too: the worker is in "
        "stage 0 of one alone");
}

TEST_CASE("every way in which a layout does not fit is named by its field", "[unit]") {
  using L = Layout&;
  const auto stage = [](L l, std::size_t p, std::size_t s) -> StageAssignment& {
    return l.pipelines[p].stages[s];
  };
  CHECK(refusal_of([&](L l) { stage(l, 1, 0).worker = WorkerId{7}; }) ==
        "pipelines[1].stages[0].worker: 7, must be 0 to 4");
  CHECK(refusal_of([&](L l) { stage(l, 0, 0).worker = coordinator_id; }) ==
        "pipelines[0].stages[0].worker: -1, must be 0 to 4");
  CHECK(refusal_of([&](L l) { stage(l, 1, 1).worker = WorkerId{0}; }) ==
        "pipelines[1].stages[1].worker: 0, must not be that of pipelines[0] too: they have other "
        "layers in stage 0");
  CHECK(refusal_of([](L l) { l.pipelines.clear(); }) == "pipelines: none, must be at least 1");
  CHECK(refusal_of([](L l) { l.pipelines[1].stages.clear(); }) ==
        "pipelines[1].stages: none, must be at least 1");
  CHECK(refusal_of([&](L l) { stage(l, 0, 0).layers = layers(1, 2); }) ==
        "pipelines[0].stages[0].first_layer: 1, must be 0, the layer that follows");
  CHECK(refusal_of([&](L l) { stage(l, 0, 1).layers = layers(2, 4); }) ==
        "pipelines[0].stages[1].first_layer: 2, must be 3, the layer that follows");
  CHECK(refusal_of([&](L l) { stage(l, 0, 1).layers = layers(3, 2); }) ==
        "pipelines[0].stages[1].last_layer: 2, must be 3 to 4");
  CHECK(refusal_of([&](L l) { stage(l, 0, 1).layers = layers(3, 5); }) ==
        "pipelines[0].stages[1].last_layer: 5, must be 3 to 4");
  CHECK(refusal_of([&](L l) { stage(l, 1, 1).layers = layers(2, 3); }) ==
        "pipelines[1].stages[1].last_layer: 3, must be 4, the last layer");
  CHECK(refusal_of([&](L l) { stage(l, 1, 0).layers = layers(0, 4); }) ==
        "pipelines[1].stages[1]: layers 2 to 4, must not be there: the stages before it hold all 5 "
        "layers");
}

TEST_CASE("shares must be whole lanes and sum to the step", "[unit]") {
  const auto shares = [](int first, int second) {
    return refusal_of([&](Layout& l) {
      l.pipelines[0].micro_batches = first;
      l.pipelines[1].micro_batches = second;
    });
  };
  CHECK(shares(2, 5) == "fits");
  CHECK(shares(6, 1) == "fits");
  CHECK(shares(3, 4) == "pipelines[0].micro_batches: 3, must be whole lanes of 2");
  CHECK(shares(4, 2) == "pipelines: shares of 6 micro-batches, must sum to 7");
  CHECK(shares(4, 5) == "pipelines: shares of at least 9 micro-batches, must sum to 7");
  CHECK(shares(0, 7) == "pipelines[0].micro_batches: 0, must be at least 1");
  CHECK(shares(8, -1) == "pipelines: shares of at least 8 micro-batches, must sum to 7");
  CHECK(shares(4, -4) == "pipelines[1].micro_batches: -4, must be at least 1");
  CHECK(shares(7, 1) == "pipelines: shares of at least 8 micro-batches, must sum to 7");
}

TEST_CASE("shadows must exist, once, and hold what they do not compute", "[unit]") {
  using L = Layout&;
  CHECK(refusal_of([](L l) { l.shadows[0].worker = WorkerId{5}; }) ==
        "shadows[0].worker: 5, must be 0 to 4");
  CHECK(refusal_of([](L l) { l.shadows[0].layers[1] = LayerId{5}; }) ==
        "shadows[0].layers[1]: 5, must be 0 to 4");
  CHECK(refusal_of([](L l) { l.shadows[0].layers[1] = LayerId{3}; }) ==
        "shadows[0].layers[1]: 3, must not be there twice");
  CHECK(refusal_of([](L l) { l.shadows.push_back(l.shadows[0]); }) ==
        "shadows[1].worker: 4, must not be there twice");
  CHECK(refusal_of([](L l) { l.shadows[0].worker = coordinator_id; }) ==
        "shadows[0].worker: -1, must be 0 to 4");
  CHECK(refusal_of([](L l) { l.shadows[0].layers[0] = LayerId{-1}; }) ==
        "shadows[0].layers[0]: -1, must be 0 to 4");
}

TEST_CASE("requirements that nothing can fit are refused", "[unit]") {
  const auto requiring = [](LayoutRequirements r) { return refusal_of([](Layout&) {}, r); };
  CHECK(requiring({0, 7, 2, 5}) == "layers: 0, must be at least 1");
  CHECK(requiring({5, 0, 2, 5}) == "micro_batches: 0, must be at least 1");
  CHECK(requiring({5, 7, 0, 5}) == "lane_size: 0, must be at least 1");
  CHECK(requiring({5, 7, 2, 0}) == "workers: 0, must be at least 1");
}

TEST_CASE("a layout survives its JSON, and shadows appear only where there are any", "[unit]") {
  Layout layout = example();
  CHECK(layout_from_json(to_json(layout), "plan.json").value() == layout);
  CHECK(to_json(layout).dump() ==
        R"({"pipelines":[{"micro_batches":4,"stages":[{"first_layer":0,"last_layer":2,"worker":0},)"
        R"({"first_layer":3,"last_layer":4,"worker":1}]},{"micro_batches":3,"stages":[)"
        R"({"first_layer":0,"last_layer":1,"worker":3},{"first_layer":2,"last_layer":4,"worker":2)"
        R"(}]}],"shadows":[{"layers":[3,1],"worker":4}]})");
  layout.shadows.clear();
  CHECK_FALSE(to_json(layout).contains("shadows"));
  CHECK(layout_from_json(to_json(layout), "plan.json").value() == layout);
}

TEST_CASE("a whole plan is a layout too", "[unit]") {
  const Json plan = Json::parse(R"({"version": 1, "micro_batches": 4, "micro_batch_size": 2,
    "lane_size": 1, "schedule": "1f1b", "survives": 1,
    "pipelines": [{"micro_batches": 4, "stages": [{"first_layer": 0, "last_layer": 4, "worker": 0,
      "recompute": false, "peak_memory_bytes": 123, "actions": "F0 G0"}]}],
    "shadows": [], "idle_workers": [8], "step_ms": 412.3, "samples_per_s": 155.2,
    "bound_step_ms": 401.0, "optimal": false, "search": {"candidates": 1234, "ms": 3.1},
    "explain": []})");
  const auto layout = layout_from_json(plan, "plan.json");
  REQUIRE(layout.ok());
  CHECK(layout.value().pipelines ==
        std::vector<PipelineAssignment>{{4, {{layers(0, 4), WorkerId{0}}}}});
}

TEST_CASE("JSON that is no layout is refused with its place", "[unit]") {
  const auto spoiled = [](const std::string& pointer, const Json& value) {
    Json json = to_json(example());
    json[Json::json_pointer(pointer)] = value;
    return reading_of(json);
  };
  CHECK(reading_of(Json::object()) == "plan.json: pipelines: missing, must be a list");
  CHECK(reading_of(Json::array()) == "plan.json: top level: [], must be an object");
  CHECK(spoiled("/version", 2) == "plan.json: version: 2, must be a whole number from 1 to 1");
  CHECK(spoiled("/pipeline", 2) == "plan.json: pipeline: unknown key");
  CHECK(spoiled("/pipelines/0/share", 2) == "plan.json: pipelines[0].share: unknown key");
  CHECK(spoiled("/pipelines/1/stages/0/layers", 2) ==
        "plan.json: pipelines[1].stages[0].layers: unknown key");
  CHECK(spoiled("/pipelines/1/stages/0/worker", "w3") ==
        "plan.json: pipelines[1].stages[0].worker: \"w3\", must be a whole number from 0 to "
        "1000000");
  CHECK(spoiled("/pipelines/1/stages/0", 3) ==
        "plan.json: pipelines[1].stages[0]: 3, must be an object");
  CHECK(spoiled("/pipelines/1/micro_batches", 0) ==
        "plan.json: pipelines[1].micro_batches: 0, must be a whole number from 1 to 1000000");
  CHECK(spoiled("/shadows/0/layers/1", -1) ==
        "plan.json: shadows[0].layers[1]: -1, must be a whole number from 0 to 1000000");
  CHECK(spoiled("/shadows/0/levels", 1) == "plan.json: shadows[0].levels: unknown key");
}

}  // namespace planaria
