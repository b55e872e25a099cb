// Workers join, are killed before they are of use, and come back after they were given up.
#include <catch2/catch.hpp>

#include <algorithm>

#include "faults/run_rules.hpp"

namespace planaria::test {
namespace {

// Steps enough that a process has time to start: what it does then is asked of it, not of a clock.
const std::string long_enough = "--steps 400 --blocks 4 --micro-batches 4";

bool is_member(const Json& view, const Json& worker) {
  return std::ranges::any_of(view.at("members"),
                             [&](const Json& member) { return member.at("worker") == worker; });
}

}  // namespace

TEST_CASE("a newcomer computes with the others in the end", "[faults]") {
  Training training(long_enough);
  const RunFiles run = training.run("--workers 2", "kill@step=5:worker=1,join@step=6:count=1");
  CHECK(complaints_about(run, training.undisturbed()) == "");
  REQUIRE(events_named(run, "worker_joined").size() == 3);
  const Json newcomer = events_named(run, "worker_joined")[2].at("worker");
  CHECK(newcomer == 2);
  CHECK(is_member(events_named(run, "view").back(), newcomer));
  CHECK(std::ranges::any_of(events_named(run, "computed"),
                            [&](const Json& done) { return done.at("worker") == newcomer; }));
}

TEST_CASE("a newcomer killed while it is filled disturbs nobody", "[faults]") {
  Training training(long_enough);
  const RunFiles run = training.run("--workers 2",
                                    "kill@step=5:worker=1,join@step=6:count=1,"
                                    "kill@step=7:worker=joined:phase=fill");
  CHECK(complaints_about(run, training.undisturbed()) == "");
  CHECK(events_named(run, "worker_lost").size() == 2);
  CHECK(events_named(run, "rolled_back").empty());
}

TEST_CASE("who was silent too long comes back as another", "[faults]") {
  Training training(long_enough);
  const RunFiles run = training.run("--workers 3 --silence-max-ms 300",
                                    "stop@step=10:worker=1:phase=backward:for_s=1");
  CHECK(complaints_about(run, training.undisturbed()) == "");
  const auto lost = events_named(run, "worker_lost");
  REQUIRE(lost.size() == 1);
  CHECK_THAT(lost[0].at("why").get<std::string>(), Catch::Contains("not heard from"));
  const auto joined = events_named(run, "worker_joined");
  REQUIRE(joined.size() == 4);
  CHECK(joined[3].at("worker") == 3);
  const auto first =
      std::ranges::find(joined, Json(1), [](const Json& j) { return j.at("worker"); });
  REQUIRE(first != joined.end());
  CHECK(joined[3].at("process") == first->at("process"));
}

TEST_CASE("who is stopped to the end of the run holds up nobody", "[faults]") {
  Training training;
  const RunFiles run = training.run("--workers 3", "stop@step=10:worker=2:phase=reported");
  CHECK(complaints_about(run, training.undisturbed()) == "");
  CHECK(events_named(run, "worker_lost").size() == 1);
}

TEST_CASE("what throws everywhere stops the run with the model of the step before", "[faults]") {
  Training training;
  Training shorter("--steps 8");
  const RunFiles run =
      training.run("--workers 4 --width 1 --depth 4", "throw@step=9:micro_batch=3:layer=2");
  INFO(run.command << run.errors);
  CHECK(run.status == 1);
  CHECK_THAT(run.errors, Catch::Contains("thrown on purpose: throw@step=9:micro_batch=3:layer=2"));
  std::vector<Json> where;
  for (const Json& strike : events_named(run, "fault_injected"))
    where.push_back(strike.at("worker"));
  REQUIRE(where.size() == 2);  // the same on a second worker: then it is not the worker
  CHECK(where[0] != where[1]);
  const RunFiles& until = shorter.undisturbed();
  CHECK(run.model.size() > 1000);
  CHECK(run.model == until.model);
  CHECK(run.ledger == until.ledger);
  REQUIRE(run.result.is_object());
  for (const char* field : {"steps", "weights_xxh3_128", "state_xxh3_128"}) {
    CHECK(run.result.at(field) == until.result.at(field));
  }
  CHECK(wrong_work(run) == Complaints{});
  CHECK(disorder(run, 2) == Complaints{});
}

}  // namespace planaria::test
