// Losses beside everything else a training may do.
#include <catch2/catch.hpp>

#include <algorithm>

#include "faults/run_rules.hpp"

namespace planaria::test {
namespace {

const std::string two_kills =
    "kill@step=10:worker=1:phase=reduce,kill@step=25:worker=0:phase=committed";

void survives(const std::string& training_options, const std::string& run_options,
              const std::string& faults = two_kills) {
  Training training(training_options);
  const RunFiles run = training.run(run_options, faults);
  CHECK(complaints_about(run, training.undisturbed()) == "");
  CHECK(events_named(run, "rolled_back").empty());
}

}  // namespace

TEST_CASE("SGD with momentum, over TCP", "[faults]") {
  survives("--optimizer sgd --momentum 0.9 --learning-rate 0.05",
           "--workers 4 --width 2 --depth 2 --transport tcp");
}

TEST_CASE("tied parameters and hard clipping, over TCP", "[faults]") {
  survives("--tied --clip-norm 0.05", "--workers 4 --width 1 --depth 4 --transport tcp");
}

TEST_CASE("Adam without clipping, lanes of two, over Unix sockets", "[faults]") {
  survives("--optimizer adam --clip-norm 0 --lane-size 2",
           "--workers 4 --width 2 --depth 2 --transport unix --schedule gpipe");
}

TEST_CASE("backwards in halves, and evaluations", "[faults]") {
  Training training("--evaluate-every 5");
  const RunFiles run = training.run("--workers 4 --width 2 --depth 2 --schedule zb-h2", two_kills);
  CHECK(complaints_about(run, training.undisturbed()) == "");
}

TEST_CASE("several chunks a worker, before and after losses and with newcomers", "[faults]") {
  const std::string schedule = GENERATE(std::string("zb-v"), "interleaved", "dualpipe-v");
  INFO(schedule);
  Training training("--blocks 6 --evaluate-every 5");
  const RunFiles run =
      training.run("--workers 4 --width 2 --depth 2 --spares 1 --schedule " + schedule,
                   "kill@step=7:worker=3:phase=backward,kill@step=15:worker=0:phase=reduce,"
                   "join@step=20:count=1,join@step=21:count=1,kill@step=30:worker=1:phase=forward");
  CHECK(complaints_about(run, training.undisturbed()) == "");
  CHECK(events_named(run, "worker_lost").size() == 3);
}

TEST_CASE("activations are recomputed, also of a step that begins again", "[faults]") {
  survives("--dropout 0.1", "--workers 4 --width 1 --depth 4 --schedule varuna-jit");
}

TEST_CASE("evaluations have the same losses, once a level", "[faults]") {
  Training training("--evaluate-every 5");
  for (const char* faults :
       {"kill@step=5:worker=1:phase=committed,kill@step=21:worker=2:phase=forward",
        "kill@s=0.1:worker=3,kill@step=30:worker=0:phase=reported"}) {
    const RunFiles run = training.run("--workers 4 --width 1 --depth 4", faults);
    CHECK(complaints_about(run, training.undisturbed()) == "");
    CHECK(events_named(run, "evaluated").size() >= 7);
  }
}

TEST_CASE("evaluations survive a roll-back", "[faults]") {
  Training training("--evaluate-every 5");
  const RunFiles run = training.run("--workers 3 --width 1 --depth 3 --commit-domains 1",
                                    "kill@step=12:worker=1:phase=backward");
  CHECK(complaints_about(run, training.undisturbed(), 1) == "");
  CHECK(events_named(run, "rolled_back").size() == 1);
}

TEST_CASE("a worker that holds few layers needs less memory than one that holds all", "[faults]") {
  Training training("--d-model 256 --steps 12 --blocks 8");
  const RunFiles run =
      training.run("--workers 5 --width 1 --depth 5", "kill@step=5:worker=2:phase=backward");
  CHECK(complaints_about(run, training.undisturbed()) == "");
  REQUIRE(run.result.is_object());
  const auto all = training.undisturbed().result.at("workers")[0].at("peak_resident_bytes");
  for (const Json& worker : run.result.at("workers")) {
    const std::size_t held = worker.at("layers").size() + worker.at("shadows").size();
    INFO(worker.dump() << " against " << all);
    if (held <= 6) CHECK(worker.at("peak_resident_bytes") < all);
  }
}

}  // namespace planaria::test
