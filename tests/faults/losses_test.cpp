// One worker is killed, in every phase of a step and in every kind of layout.
#include <catch2/catch.hpp>

#include <fmt/format.h>

#include "faults/run_rules.hpp"

namespace planaria::test {
namespace {

const std::vector<std::string> phases = {"forward", "backward", "reduce", "reported", "committed"};

// A worker of each way that computes, by number.
struct Way {
  std::string options;
  int victim;
};

}  // namespace

TEST_CASE("a pipeline of four stages survives a kill in any phase", "[faults]") {
  Training training;
  const RunFiles& undisturbed = training.undisturbed();
  for (const Way& way : {Way{"--workers 4 --width 1 --depth 4", 2}}) {
    for (const std::string& phase : phases) {
      const RunFiles run = training.run(
          way.options, fmt::format("kill@step=12:worker={}:phase={}", way.victim, phase));
      CHECK(complaints_about(run, undisturbed) == "");
    }
  }
}

}  // namespace planaria::test
