// A policy of one's own, as its example shows it.
#include <fstream>
#include <string>
#include <vector>

#include <catch2/catch.hpp>

#include "support/command.hpp"
#include "support/temporary_folder.hpp"

namespace planaria::test {
namespace {

/// One worker trains 10 samples a second, two side by side 20. To begin or to grow takes 10 s, to
/// shrink 1 s; state is next to nothing.
constexpr const char* setting = R"({
  "version": 1, "model": "a layer", "samples_per_step": 8, "micro_batch_size": 1,
  "interval_s": 60, "max_workers": 2, "layer_parameters": [1],
  "state_bytes_per_parameter": 1, "partition_rule": "in words",
  "allowed_depths": [1], "allowed_widths": [1, 2],
  "throughput": [{"width": 1, "depth": 1, "step_ms": 800, "samples_per_s": 10},
                 {"width": 2, "depth": 1, "step_ms": 400, "samples_per_s": 20}],
  "transfer": [{"bytes": 1, "ms": 0.001}],
  "rendezvous_ms": 9000, "growth_extra_ms": 0, "process_ms": 500, "checkpoint_ms": 0,
  "model_build": [{"depth": 1, "ms": 0}],
  "regroup": [{"width": 1, "depth": 1, "grow_ms": 500, "shrink_ms": 500},
              {"width": 2, "depth": 1, "grow_ms": 500, "shrink_ms": 500}]})";

}  // namespace

TEST_CASE("a policy of one's own is simulated beside reacting at once", "[unit]") {
  const TemporaryFolder folder;
  std::ofstream(folder.file("setting.json")) << setting;
  // A second machine comes for a minute, and comes again for four.
  std::ofstream(folder.file("record.csv"))
      << "0,add,a\n60000,add,b\n120000,remove,b\n180000,add,c\n420000,remove,c\n";
  const CommandResult ended =
      run_command({program("own_policy"), folder.file("setting.json"), folder.file("record.csv")});
  CHECK(ended.err.empty());
  REQUIRE(ended.status == 0);
  // Ideal: 3 x 600 + 5 x 1200 = 7800.
  // Reacting: 10 x 50, 20 x 50, 10 x 59, 20 x 50, 3 x 1200, 10 x 59.
  // Waiting for two calm minutes: 10 x 50, 600; the loss takes the one that trains with a half, 1 s
  // or 10 s: 10 x 54.5; 2 x 600; then 20 x 50, 1200, 10 x 59.
  CHECK(lines_of(ended.out) == std::vector<std::string>{"reactive: 7280 samples, 0.933 of ideal",
                                                        "own: 5635 samples, 0.722 of ideal"});
}

TEST_CASE("the example says what it does not understand", "[unit]") {
  const CommandResult none = run_command({program("own_policy")});
  CHECK(none.status == 2);
  CHECK(none.err == "own_policy: 0 arguments, must be 2: SETTING TRACE\n");
  const CommandResult missing = run_command({program("own_policy"), "nowhere.json", "nowhere.csv"});
  CHECK(missing.status == 2);
  CHECK(missing.err.find("nowhere.json") != std::string::npos);
}

}  // namespace planaria::test
