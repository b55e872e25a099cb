#include <catch2/catch.hpp>

#include <fmt/format.h>

#include <string>

#include <planaria/host/faults.hpp>

namespace planaria::host {
namespace {

// Four workers, two spares: numbers 0 to 5 from the start.
constexpr FaultBounds run_bounds{
    .workers = 4, .spares = 2, .steps = 100, .micro_batches = 8, .layers = 6};

Result<void> checked(const std::string& text, const FaultBounds& bounds = run_bounds) {
  const auto plan = faults_from_text(text);
  INFO(text);
  REQUIRE(plan.ok());
  return check_faults(plan.value(), bounds);
}

std::string refusal_of(const std::string& text, const FaultBounds& bounds = run_bounds) {
  const auto result = checked(text, bounds);
  REQUIRE_FALSE(result.ok());
  CHECK(result.fault().kind == FaultKind::invalid_input);
  return result.fault().sentence;
}

}  // namespace

TEST_CASE("orders that fit the run are let through") {
  for (const std::string text : {
           "kill@step=1:worker=0,kill@step=100:worker=5",
           "kill@s=3.5:worker=1",
           "stop@step=5:worker=1,stop@step=9:worker=1,kill@step=9:worker=1",
           "throw@step=5:micro_batch=7:layer=5,throw@step=5:micro_batch=7:layer=4",
           "join@step=9:count=2,kill@step=9:worker=7:phase=fill",
           "join@step=9,kill@step=9:worker=joined,join@s=0,kill@s=1:worker=joined",
           "stop@step=3:worker=1:for_s=2,kill@step=9:worker=joined",
           "kill@step=3:worker=1,kill@step=3:worker=promoted",
           "join@step=5:count=1,join@step=5:count=1",
           "random:kills=4:seed=1",
           "random:kills=3:stops=2:joins=2:seed=1,kill@step=3:worker=7,join@s=2",
       }) {
    const auto result = checked(text);
    INFO(text << ": " << (result.ok() ? "" : result.fault().sentence));
    CHECK(result.ok());
  }
}

TEST_CASE("a worker that does not exist is refused with those that do") {
  CHECK(refusal_of("kill@step=7:worker=6") ==
        "--faults: kill@step=7:worker=6: worker: 6, must be a whole number from 0 to 5, joined or "
        "promoted");
  // A joiner's number exists from its join on.
  CHECK(refusal_of("join@step=9:count=2,kill@step=9:worker=8") ==
        "--faults: kill@step=9:worker=8: worker: 8, must be a whole number from 0 to 7, joined or "
        "promoted");
  CHECK(refusal_of("join@step=9:count=2,kill@step=8:worker=7") ==
        "--faults: kill@step=8:worker=7: worker: 7, must be a whole number from 0 to 5, joined or "
        "promoted");
  // Whether the time comes before the step nobody knows.
  CHECK(checked("join@step=9:count=2,kill@s=8:worker=7").ok());
}

TEST_CASE("a step before the first or beyond the last is refused") {
  for (const std::string step : {"0", "101", "-3"}) {
    CHECK(refusal_of("join@step=" + step) ==
          fmt::format("--faults: join@step={0}: step: {0}, must be a whole number from 1 to 100",
                      step));
  }
  CHECK(refusal_of("kill@step=0:worker=1", {.workers = 4}) ==
        "--faults: kill@step=0:worker=1: step: 0, must be a whole number from 1");
  CHECK(checked("kill@step=1000:worker=1", {.workers = 4}).ok());
}

TEST_CASE("a throw outside the step's micro-batches or the model's layers is refused") {
  CHECK(refusal_of("throw@step=5:micro_batch=8:layer=2") ==
        "--faults: throw@step=5:micro_batch=8:layer=2: micro_batch: 8, must be a whole number from "
        "0 to 7");
  CHECK(refusal_of("throw@step=5:micro_batch=0:layer=6") ==
        "--faults: throw@step=5:micro_batch=0:layer=6: layer: 6, must be a whole number from 0 to "
        "5");
  CHECK(refusal_of("throw@step=5:micro_batch=-1:layer=6", {.workers = 4}) ==
        "--faults: throw@step=5:micro_batch=-1:layer=6: micro_batch: -1, must be a whole number "
        "from 0");
}

TEST_CASE("what comes later is said to be not supported yet") {
  const std::string now = "not supported yet, must be one of kill, stop, throw, join, random";
  CHECK(refusal_of("notice@step=5:worker=3:grace_s=2") ==
        "--faults: notice@step=5:worker=3:grace_s=2: kind: notice, " + now);
  CHECK(refusal_of("partition@step=5:worker=1:for_s=2") ==
        "--faults: partition@step=5:worker=1:for_s=2: kind: partition, " + now);
  CHECK(refusal_of("kill-coordinator@step=5") ==
        "--faults: kill-coordinator@step=5: kind: kill-coordinator, " + now);
  CHECK(refusal_of("kill@step=5:zone=b") ==
        "--faults: kill@step=5:zone=b: zone: b, not supported yet: a run's workers have no zones, "
        "must be worker=N");
}

TEST_CASE("a worker that was killed cannot be struck again") {
  CHECK(refusal_of("kill@step=3:worker=2,kill@step=5:worker=2:phase=reduce") ==
        "--faults: kill@step=5:worker=2:phase=reduce: worker: 2, is killed by "
        "kill@step=3:worker=2, must be one that lives");
  CHECK(refusal_of("kill@step=3:worker=2,kill@s=5:worker=2") ==
        "--faults: kill@s=5:worker=2: worker: 2, is killed by kill@step=3:worker=2, must be one "
        "that lives");
  CHECK(refusal_of("stop@step=5:worker=2:for_s=1,kill@step=3:worker=2") ==
        "--faults: stop@step=5:worker=2:for_s=1: worker: 2, is killed by kill@step=3:worker=2, "
        "must be one that lives");
  CHECK(checked("stop@step=2:worker=2:for_s=1,kill@step=3:worker=2").ok());
}

TEST_CASE("the same order twice is refused") {
  CHECK(refusal_of("stop@step=5:worker=2,stop@step=05:worker=2") ==
        "--faults: stop@step=05:worker=2: given twice, must be given once");
  CHECK(refusal_of("throw@step=5:micro_batch=1:layer=1,throw@step=5:layer=1:micro_batch=1") ==
        "--faults: throw@step=5:layer=1:micro_batch=1: given twice, must be given once");
}

TEST_CASE("nobody can be the latest to join where nobody joins before") {
  const std::string why =
      "worker: joined, nobody joins by then, must follow a join, or a stop with for_s";
  CHECK(refusal_of("kill@step=5:worker=joined") == "--faults: kill@step=5:worker=joined: " + why);
  CHECK(refusal_of("join@step=6,kill@step=5:worker=joined") ==
        "--faults: kill@step=5:worker=joined: " + why);
  // One that stays stopped does not come back, and an order does not serve itself.
  CHECK(refusal_of("stop@step=2:worker=1,kill@step=5:worker=joined") ==
        "--faults: kill@step=5:worker=joined: " + why);
  CHECK(refusal_of("stop@step=2:worker=joined:for_s=1") ==
        "--faults: stop@step=2:worker=joined:for_s=1: " + why);
}

TEST_CASE("nobody can be promoted where the members stay as they are") {
  const std::string why =
      "worker: promoted, nobody is promoted by then, must follow a kill, stop or join";
  CHECK(refusal_of("kill@step=5:worker=promoted") ==
        "--faults: kill@step=5:worker=promoted: " + why);
  CHECK(refusal_of("kill@step=5:worker=promoted,kill@step=6:worker=0") ==
        "--faults: kill@step=5:worker=promoted: " + why);
  CHECK(refusal_of("throw@step=1:micro_batch=1:layer=1,kill@step=5:worker=promoted") ==
        "--faults: kill@step=5:worker=promoted: " + why);
}

TEST_CASE("more kills than there are workers at some time are refused") {
  const FaultBounds two{.workers = 2, .steps = 100};
  CHECK(checked("kill@step=3:worker=0,kill@step=3:worker=1", two).ok());
  CHECK(refusal_of("kill@step=3:worker=0,kill@step=3:worker=1,kill@step=4:worker=promoted", two) ==
        "--faults: kill@step=4:worker=promoted: kills: 3 by then, must be at most 2: so many "
        "workers there are");
  // A later join does not help, an earlier one does.
  CHECK(refusal_of("kill@step=3:worker=0,kill@step=3:worker=1,kill@step=4:worker=promoted,"
                   "join@step=5",
                   two) ==
        "--faults: kill@step=4:worker=promoted: kills: 3 by then, must be at most 2: so many "
        "workers there are");
  CHECK(checked("kill@step=3:worker=0,kill@step=3:worker=1,kill@step=4:worker=promoted,join@step=4",
                two)
            .ok());
  CHECK(refusal_of("join@step=2,kill@step=3:worker=joined,kill@step=4:worker=joined") ==
        "--faults: kill@step=4:worker=joined: worker: joined, 2 such kills by then, must be at "
        "most 1: so many workers join");
  // Steps and seconds do not compare, but their sum does.
  CHECK(refusal_of("kill@step=3:worker=0,kill@step=3:worker=1,kill@s=4:worker=promoted", two) ==
        "--faults: kill@step=3:worker=0,kill@step=3:worker=1,kill@s=4:worker=promoted: kills: 3 in "
        "all, must be at most 2: so many workers there are");
}

TEST_CASE("random losses must leave two workers") {
  CHECK(checked("random:kills=4:seed=3").ok());
  CHECK(refusal_of("random:seed=03:kills=5") ==
        "--faults: random:seed=03:kills=5: kills: 5, must be at most 4: 6 workers at the start, 0 "
        "joins of its own, and 2 must stay");
  CHECK(refusal_of("random:kills=4:stops=2:joins=1:seed=3,kill@step=3:worker=1") ==
        "--faults: random:kills=4:stops=2:joins=1:seed=3: kills and stops: 6, must be at most 4: 6 "
        "workers at the start, 1 join of its own, 1 lost by other orders, and 2 must stay");
  CHECK(refusal_of("random:kills=1:seed=3", {.workers = 1, .steps = 9}) ==
        "--faults: random:kills=1:seed=3: kills: 1, must be at most 0: 1 worker at the start, 0 "
        "joins of its own, and 2 must stay");
}

TEST_CASE("more orders than an environment's text can hold are refused") {
  std::string text = "join@step=1";
  for (int i = 0; i < 1000; ++i) text += ",join@step=1";
  const std::string shown =
      "join@step=1:count=1,join@step=1:count=1,join@step=1:count=1,"
      "join@step=1:count=1,join@step=1:count=1,join@step=1:count=1";
  CHECK(refusal_of(text) ==
        "--faults: " + (shown + ",").substr(0, 120) + "...: orders: 1001, must be at most 1000");
}

}  // namespace planaria::host
