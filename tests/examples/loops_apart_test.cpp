// Loops that are not the same on every worker end the run; they do not wait for each other.
#include <catch2/catch.hpp>

#include "examples/gpt_command.hpp"

namespace planaria::test {

TEST_CASE("a worker that skips an evaluation ends the run with a sentence that names it",
          "[conformance]") {
  TemporaryFolder folder;
  const bool pipelines = GENERATE(true, false);
  const std::string skips = GENERATE(std::string("0"), std::string("1"), std::string("2"));
  INFO((pipelines ? "3 pipelines" : "3 stages") << ", worker " << skips << " skips");
  const auto ended = run_command({"/usr/bin/env", "PLANARIA_SKIPS=" + skips, program("planaria"),
                                  "run", "--workers", "3", "--width", pipelines ? "3" : "1",
                                  "--depth", pipelines ? "1" : "3", "--run-dir", folder.file("run"),
                                  "--", program("loop_apart")});
  INFO(ended.out << ended.err);
  CHECK(ended.status == 1);
  CHECK_THAT(ended.err, Catch::Contains("worker " + skips + ": went on to step 4, worker "));
  CHECK_THAT(ended.err, Catch::Contains("evaluates level 3: the same steps must be evaluated on "
                                        "every worker"));
}

TEST_CASE("the same loop without a skip trains to its end", "[conformance]") {
  TemporaryFolder folder;
  const auto ended = run_command({program("planaria"), "run", "--workers", "3", "--run-dir",
                                  folder.file("run"), "--", program("loop_apart")});
  INFO(ended.out << ended.err);
  CHECK(ended.status == 0);
  CHECK(result_of(folder.file("run")).at("steps") == 20);
}

}  // namespace planaria::test
