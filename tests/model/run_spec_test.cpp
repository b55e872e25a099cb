#include <planaria/model/run_spec.hpp>

#include <functional>

#include <catch2/catch.hpp>

namespace planaria {
namespace {

RunSpec example() {
  return {.steps = 100,
          .micro_batches = 16,
          .micro_batch_size = 4,
          .lane_size = 2,
          .dataset_samples = 34'567,
          .seed = 0xfedcba9876543210ULL,
          .skips_max = 10,
          .layers = {{"embedding", 0.1, 65'536, ""}, {"head", 1e-300, 65'536, "embedding"}},
          .identity = {{"build", "1a2b"}, {"threads", "1"}}};
}

std::string difference(const std::function<void(RunSpec&)>& change) {
  RunSpec theirs = example();
  change(theirs);
  return first_difference(theirs, example()).value_or("fits");
}

std::string reading_of(const std::string& pointer, const Json& value) {
  Json json = to_json(example());
  json[Json::json_pointer(pointer)] = value;
  const auto result = run_spec_from_json(json, "join");
  return result.ok() ? "read" : result.fault().sentence;
}

}  // namespace

TEST_CASE("a run survives its JSON, to the last bit of seed and cost", "[unit]") {
  const RunSpec spec = example();
  const auto again = run_spec_from_json(parse_json(to_json(spec).dump(), "join").value(), "join");
  REQUIRE(again.ok());
  CHECK(first_difference(again.value(), spec) == std::nullopt);
  CHECK(again.value().seed == spec.seed);
  CHECK(again.value().layers == spec.layers);
  CHECK(again.value().identity == spec.identity);
  CHECK(to_json(again.value()) == to_json(spec));
  CHECK(run_spec_from_json(to_json(spec), "join").ok());  // without a detour over text, too
}

TEST_CASE("a worker that differs is told the first property and both values", "[unit]") {
  using S = RunSpec&;
  CHECK(difference([](S) {}) == "fits");
  CHECK(difference([](S s) { s.identity[1].value = "2"; }) == "threads: 2 here, 1 in this run");
  CHECK(difference([](S s) { s.steps = 9; }) == "steps: 9 here, 100 in this run");
  CHECK(difference([](S s) { s.micro_batches = 8; }) == "micro_batches: 8 here, 16 in this run");
  CHECK(difference([](S s) { s.micro_batch_size = 1; }) ==
        "micro_batch_size: 1 here, 4 in this run");
  CHECK(difference([](S s) { s.lane_size = 1; }) == "lane_size: 1 here, 2 in this run");
  CHECK(difference([](S s) { s.dataset_samples = 1; }) ==
        "dataset_samples: 1 here, 34567 in this run");
  CHECK(difference([](S s) { s.seed = 1; }) == "seed: 1 here, 18364758544493064720 in this run");
  CHECK(difference([](S s) { s.skips_max = 3; }) == "skips_max: 3 here, 10 in this run");
  CHECK(difference([](S s) { s.layers.pop_back(); }) == "layers: 1 here, 2 in this run");
  CHECK(difference([](S s) { s.layers[1].name = "tail"; }) ==
        "layers[1].name: tail here, head in this run");
  CHECK(difference([](S s) { s.layers[0].cost = 0.2; }) ==
        "layers[0].cost (embedding): 0.2 here, 0.1 in this run");
  CHECK(difference([](S s) { s.layers[0].parameter_bytes = 8; }) ==
        "layers[0].parameter_bytes (embedding): 8 here, 65536 in this run");
  CHECK(difference([](S s) { s.layers[1].tied_to = ""; }) ==
        "layers[1].tied_to (head): nothing here, embedding in this run");
}

TEST_CASE("the first of several differences is the one told", "[unit]") {
  CHECK(difference([](RunSpec& s) {
          s.identity[0].value = "3c4d";
          s.layers[1].cost = 7;
          s.seed = 2;
        }) == "seed: 2 here, 18364758544493064720 in this run");
  CHECK(difference([](RunSpec& s) {
          s.identity[0].value = "3c4d";
          s.layers[1].cost = 7;
        }) == "layers[1].cost (head): 7 here, 1e-300 in this run");
}

TEST_CASE("a property that one side lacks is a difference; their order is none", "[unit]") {
  CHECK(difference([](RunSpec& s) { s.identity.pop_back(); }) ==
        "threads: not given here, 1 in this run");
  CHECK(difference([](RunSpec& s) {
          s.identity.push_back({"device", "cpu"});
        }) == "device: cpu here, not given in this run");
  CHECK(difference([](RunSpec& s) { s.identity[0].value = ""; }) ==
        "build: empty here, 1a2b in this run");
  CHECK(difference([](RunSpec& s) {
          s.identity.push_back({"device", ""});
        }) == "device: empty here, not given in this run");
  CHECK(difference([](RunSpec& s) { std::swap(s.identity[0], s.identity[1]); }) == "fits");
}

TEST_CASE("JSON that is no run is refused with its place", "[unit]") {
  CHECK(reading_of("/version", 2) == "join: version: 2, must be a whole number from 1 to 1");
  CHECK(reading_of("/colour", "red") == "join: colour: unknown key");
  CHECK(reading_of("/steps", -1) ==
        "join: steps: -1, must be a whole number from 0 to 9223372036854775807");
  CHECK(reading_of("/lane_size", 0) ==
        "join: lane_size: 0, must be a whole number from 1 to 1000000");
  CHECK(reading_of("/seed", -1) ==
        "join: seed: -1, must be a whole number from 0 to 18446744073709551615");
  CHECK(reading_of("/layers/1/name", "embedding") ==
        "join: layers[1].name: embedding, must not be there twice");
  CHECK(reading_of("/layers/0/tied_to", "head") ==
        "join: layers[0].tied_to: head, must name an earlier layer");
  CHECK(reading_of("/layers/0/cost", -1) ==
        "join: layers[0].cost: -1, must be a number from 0 to 1.7976931348623157e+308");
  CHECK(reading_of("/layers/0/flops", 1) == "join: layers[0].flops: unknown key");
  CHECK(reading_of("/identity/1/name", "build") ==
        "join: identity[1].name: build, must not be there twice");
  CHECK(reading_of("/identity/0/value", 3) == "join: identity[0].value: 3, must be a text");
}

}  // namespace planaria
