// What changes cost is read from a file of it, or from what a run has left.
#include <string>

#include <catch2/catch.hpp>

#include <planaria/liveput/migration_costs.hpp>

namespace planaria {
namespace {

Result<MigrationCosts> read(const std::string& text) {
  return migration_costs_from_json(Json::parse(text), "costs.json");
}

}  // namespace

TEST_CASE("what is not given stays as it was measured", "[unit]") {
  CHECK(read(R"({"version": 1})").value() == MigrationCosts{});
  const MigrationCosts some =
      read(R"({"version": 1, "detect_ms": 20, "view_ms": 3, "cut_over_ms": 1, "start_ms": 9,
               "build_ms": 8, "redo_steps": 1, "layers_per_step": 0, "rolled_back_ms": 7,
               "checkpoint_ms": 6, "growth": "stop"})")
          .value();
  MigrationCosts expected{.detect_ms = 20, .view_ms = 3, .cut_over_ms = 1, .start_ms = 9};
  expected.build_ms = 8;
  expected.redo_steps = 1;
  expected.layers_per_step = 0;
  expected.rolled_back_ms = 7;
  expected.checkpoint_ms = 6;
  expected.growth = Growth::stop;
  CHECK(some == expected);
}

TEST_CASE("a run's result tells the medians of its losses and joins", "[unit]") {
  const MigrationCosts costs = read(R"({"version": 1, "steps": 9, "anything": [],
               "recoveries": [
                 {"worker": 1, "detect_ms": 10, "view_ms": 10, "transfer_ms": 30, "resume_ms": 90},
                 {"worker": 2, "detect_ms": 20, "view_ms": 25, "transfer_ms": null, "resume_ms": 9},
                 {"worker": 3, "detect_ms": null, "view_ms": null, "transfer_ms": null,
                  "resume_ms": null},
                 {"worker": 4, "detect_ms": 60, "view_ms": 61, "transfer_ms": 70, "resume_ms": 99}],
               "joins": [{"worker": 5, "fill_ms": 700, "waited_ms": 2},
                         {"worker": 6, "fill_ms": null, "waited_ms": 4}]})")
                                   .value();
  CHECK(costs.detect_ms == 20);
  CHECK(costs.view_ms == 10);  // of 20, 5 and 10
  CHECK(costs.cut_over_ms == 3);
  CHECK(costs.start_ms == MigrationCosts{}.start_ms);
  CHECK(read(R"({"version": 1, "recoveries": []})").value() == MigrationCosts{});
}

TEST_CASE("costs are refused by path, value and what is allowed", "[unit]") {
  const auto refused = [](const std::string& text) { return read(text).fault().sentence; };
  CHECK(refused(R"({"version": 1, "growth": "slow"})") ==
        "costs.json: growth: slow, must be background or stop");
  CHECK(refused(R"({"version": 1, "detect_ms": -1})") ==
        "costs.json: detect_ms: -1, must be a number from 0 to 1000000000");
  CHECK(refused(R"({"version": 1, "redo_steps": 2})") ==
        "costs.json: redo_steps: 2, must be a number from 0 to 1");
  CHECK(refused(R"({"version": 1, "view": 2})") == "costs.json: view: unknown key");
  CHECK(refused(R"({"version": 1, "recoveries": 3})") == "costs.json: recoveries: must be a list");
  CHECK(refused(R"({"version": 1, "recoveries": [{"detect_ms": "x"}]})")
            .starts_with("costs.json: recoveries[0].detect_ms: "));
  CHECK(refused(R"({"version": 1, "recoveries": [], "joins": 3})") ==
        "costs.json: joins: must be a list");
  CHECK(refused(R"({"version": 1, "recoveries": [], "joins": [{"waited_ms": -2}]})")
            .starts_with("costs.json: joins[0].waited_ms: -2"));
}

}  // namespace planaria
