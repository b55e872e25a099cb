#include <planaria/model/profile.hpp>

#include <functional>

#include <catch2/catch.hpp>

namespace planaria {
namespace {

Json layer(const std::string& name) {
  return {{"name", name},
          {"parameter_bytes", 400},
          {"state_bytes", 800},
          {"gradient_bytes", 400},
          {"boundary_bytes", {16, 32}},
          {"activation_bytes", {100, 200}},
          {"weight_gradient_bytes", {0, 7}},
          {"forward_ms", {1.5, 2.75}},
          {"backward_input_ms", {2, 3}},
          {"backward_weight_ms", {1, 2.5}},
          {"optimizer_ms", 0.25},
          {"tied_to", nullptr}};
}

Json example() {
  return {{"version", 1},
          {"model", "toy"},
          {"device", "cpu x 1 thread"},
          {"micro_batch_sizes", {1, 2}},
          {"layers", {layer("first"), layer("last")}},
          {"transfer", {{{"bytes", 4}, {"ms", 0.5}}, {{"bytes", 104}, {"ms", 1.5}}}}};
}

std::string refusal(const std::function<void(Json&)>& spoil) {
  Json json = example();
  spoil(json);
  const auto read = profile_from_json(json, "p.json");
  if (read.ok()) return "read";
  CHECK(read.fault().kind == FaultKind::invalid_input);
  return read.fault().sentence;
}

}  // namespace

TEST_CASE("a profile is written as it is read", "[unit]") {
  Json json = example();
  json["layers"][1]["tied_to"] = "first";
  CHECK(to_json(profile_from_json(json, "p.json").value()) == json);
}

TEST_CASE("a profile is read as it is written", "[unit]") {
  Json json = example();
  json["layers"][1]["tied_to"] = "first";
  const Profile profile = profile_from_json(json, "p.json").value();
  CHECK(profile.model == "toy");
  CHECK(profile.device == "cpu x 1 thread");
  CHECK(profile.at_size(1) == 0U);
  CHECK(profile.at_size(2) == 1U);
  CHECK_FALSE(profile.at_size(3).has_value());
  REQUIRE(profile.layers.size() == 2);
  const LayerProfile& last = profile.layers[1];
  CHECK(last.name == "last");
  CHECK(last.parameter_bytes == 400);
  CHECK(last.state_bytes == 800);
  CHECK(last.gradient_bytes == 400);
  CHECK(last.boundary_bytes == std::vector<std::int64_t>{16, 32});
  CHECK(last.activation_bytes == std::vector<std::int64_t>{100, 200});
  CHECK(last.weight_gradient_bytes == std::vector<std::int64_t>{0, 7});
  CHECK(last.forward_ms == std::vector<double>{1.5, 2.75});
  CHECK(last.backward_input_ms == std::vector<double>{2, 3});
  CHECK(last.backward_weight_ms == std::vector<double>{1, 2.5});
  CHECK(last.optimizer_ms == 0.25);
  CHECK(last.tied_to == "first");
  CHECK_FALSE(profile.layers[0].tied_to.has_value());
  CHECK(profile.transfer == std::vector<TransferPoint>{{4, 0.5}, {104, 1.5}});
}

TEST_CASE("what a profile must not say is refused by its path", "[unit]") {
  CHECK(refusal([](Json& json) { json["layers"][1]["foo"] = 1; }) ==
        "p.json: layers[1].foo: unknown key");
  CHECK(refusal([](Json& json) { json["speed"] = 1; }) == "p.json: speed: unknown key");
  CHECK(refusal([](Json& json) { json["version"] = 2; }) ==
        "p.json: version: 2, must be a whole number from 1 to 1");
  CHECK(refusal([](Json& json) { json["layers"][0].erase("forward_ms"); }) ==
        "p.json: layers[0].forward_ms: missing, must be a list");
  CHECK(refusal([](Json& json) { json["layers"][0]["forward_ms"] = {1}; }) ==
        "p.json: layers[0].forward_ms: 1 numbers, must be 2, one for each of micro_batch_sizes");
  CHECK(refusal([](Json& json) { json["layers"][0]["forward_ms"][1] = -1; }) ==
        "p.json: layers[0].forward_ms[1]: -1, must be a number from 0 to 1000000000");
  CHECK(refusal([](Json& json) { json["layers"][0]["forward_ms"][1] = "1"; }) ==
        "p.json: layers[0].forward_ms[1]: \"1\", must be a number from 0 to 1000000000");
  CHECK(refusal([](Json& json) { json["layers"][0]["activation_bytes"][0] = 1.5; }) ==
        "p.json: layers[0].activation_bytes[0]: 1.5, must be a whole number from 0 to "
        "1000000000000000");
  CHECK(refusal([](Json& json) { json["layers"][1]["name"] = "first"; }) ==
        "p.json: layers[1].name: first, must not be there twice");
  CHECK(refusal([](Json& json) { json["layers"][0]["name"] = ""; }) ==
        "p.json: layers[0].name: empty, must be a name");
  CHECK(refusal([](Json& json) { json["layers"][0]["tied_to"] = "last"; }) ==
        "p.json: layers[0].tied_to: last, must be the name of a layer before it");
  CHECK(refusal([](Json& json) { json["layers"] = Json::array(); }) ==
        "p.json: layers: none, must be at least 1");
  CHECK(refusal([](Json& json) {
          json["micro_batch_sizes"] = {2, 2};
        }) == "p.json: micro_batch_sizes[1]: 2, must be above 2, the one before");
  CHECK(refusal([](Json& json) {
          json["micro_batch_sizes"] = {0, 2};
        }) == "p.json: micro_batch_sizes[0]: 0, must be a whole number from 1 to 1000000");
  CHECK(refusal([](Json& json) { json["transfer"] = Json::array(); }) ==
        "p.json: transfer: none, must be at least 1");
  CHECK(refusal([](Json& json) { json["transfer"][1]["bytes"] = 4; }) ==
        "p.json: transfer[1]: 4, must be above 4, the one before");
  CHECK(refusal([](Json& json) { json["transfer"][0]["bytes"] = 0; }) ==
        "p.json: transfer[0].bytes: 0, must be a whole number from 1 to 1000000000000000");
  CHECK(profile_from_json(Json::array(), "p.json").fault().sentence ==
        "p.json: top level: [], must be an object");
}

TEST_CASE("a transfer's time is linear between points and proportional beyond", "[unit]") {
  const std::vector<TransferPoint> points{{4, 0.5}, {104, 1.5}, {204, 1.75}};
  CHECK(transfer_ms(points, 0) == 0);
  CHECK(transfer_ms(points, 1) == 0.5);
  CHECK(transfer_ms(points, 4) == 0.5);
  CHECK(transfer_ms(points, 54) == 1.0);
  CHECK(transfer_ms(points, 104) == 1.5);
  CHECK(transfer_ms(points, 154) == 1.625);
  CHECK(transfer_ms(points, 204) == 1.75);
  CHECK(transfer_ms(points, 408) == 3.5);
  CHECK(transfer_ms({{10, 2.0}}, 25) == 5.0);
}

}  // namespace planaria
