// `planaria trace generate`: records by a law that is told, or like a given one.
#include <string>
#include <vector>

#include <catch2/catch.hpp>

#include <planaria/availability/describe.hpp>
#include <planaria/availability/trace_text.hpp>
#include <planaria/base/json.hpp>
#include <planaria/base/text.hpp>

#include "support/command.hpp"
#include "support/temporary_folder.hpp"

namespace planaria::test {
namespace {

using Arguments = std::vector<std::string>;

CommandResult generate_ends(const Arguments& more) {
  Arguments argv{program("planaria"), "trace", "generate"};
  argv.insert(argv.end(), more.begin(), more.end());
  return run_command(argv);
}

std::string refused(const Arguments& more) {
  const CommandResult ended = generate_ends(more);
  CHECK(ended.status == 2);
  CHECK(ended.out.empty());
  CHECK(lines_of(ended.err).size() == 1);
  return ended.err;
}

}  // namespace

TEST_CASE("a record is made up by the law that is told, the same by the same seed") {
  const Arguments law{"--mean-machines", "10",      "--hazard", "0:2,60:0.2",
                      "--loss-bursts",   "1:1,3:1", "--hours",  "200",
                      "--zones",         "2",       "--seed",   "5"};
  const CommandResult first = generate_ends(law);
  REQUIRE(first.status == 0);
  CHECK(first.err.empty());
  CHECK(generate_ends(law).out == first.out);
  const auto trace = trace_from_text(first.out, "stdout", {.strict = true});
  REQUIRE(trace.ok());
  CHECK(describe(trace.value()).mean == Approx(10).epsilon(0.1));
  CHECK(trace.value().initial == 10);
  CHECK(describe(trace.value()).max <= 15);
  CHECK(first.out.find("b-node") != std::string::npos);
  Arguments other = law;
  other.back() = std::string("6");
  CHECK(generate_ends(other).out != first.out);
}

TEST_CASE("with -o the record goes to the file and what it says to stdout") {
  const TemporaryFolder folder;
  const std::string file = folder.file("made.json");
  const CommandResult ended = generate_ends({"--mean-machines", "4", "--hours", "10", "--to",
                                             "counts", "--tick-s", "30", "--json", "-o", file});
  REQUIRE(ended.status == 0);
  const Json json = parse_json(ended.out, "stdout").value();
  CHECK(json["version"] == 1);
  CHECK(json["law"]["mean_machines"] == 4);
  CHECK(json["law"]["machines_max"] == 7);
  CHECK(json["trace"]["duration_s"] == 36'000);
  const Json written = read_json_file(file).value();
  CHECK(written["metadata"]["gap_seconds"] == 30);
  CHECK(written["data"].size() == 1201);
  const CommandResult words = generate_ends({"--mean-machines", "4", "-o", file});
  CHECK_THAT(words.out,
             Catch::StartsWith("law: 4 machines on average, at most 7, 4 at first, 1 zone\n"));
}

TEST_CASE("a record is made up like a given one, single numbers otherwise") {
  const TemporaryFolder folder;
  const std::string given = folder.file("given.csv");
  REQUIRE(generate_ends({"--mean-machines", "10", "--hazard", "0:1.5", "--loss-bursts", "2:1",
                         "--hours", "300", "-o", given})
              .status == 0);
  const CommandResult like = generate_ends({"--like", given, "--zones", "3", "--json"});
  REQUIRE(like.status == 0);
  const Json json = parse_json(like.out, "stdout").value();
  // One at a time only where no second was left.
  const Json sizes = json["law"]["loss_bursts"];
  CHECK(sizes.back()[0] == 2);
  CHECK(sizes.back()[1].get<double>() > 100);
  CHECK(json["law"]["zones"] == 3);
  CHECK(json["law"]["mean_machines"].get<double>() == Approx(10).epsilon(0.1));
  CHECK(json["trace"]["preemptions_per_machine_hour"].get<double>() == Approx(1.5).epsilon(0.1));
  CHECK(json["trace"]["duration_s"].get<double>() == Approx(300 * 3600).epsilon(0.01));
}

TEST_CASE("a law that cannot be is refused in one sentence") {
  CHECK(refused({}) ==
        "planaria: --mean-machines: missing, must be a number above 0 where no --like FILE says "
        "it\n");
  CHECK(refused({"--mean-machines", "nan"}) ==
        "planaria: --mean-machines: nan, must be above 0 and below 10000\n");
  CHECK(refused({"--mean-machines", "8", "--machines-max", "8"}) ==
        "planaria: --mean-machines: 8, must be above 0 and below 8, the most machines there are\n");
  CHECK(refused({"--mean-machines", "8", "--hazard", "0-3"}) ==
        "planaria: --hazard: 0-3, must be minutes:losses per machine-hour such as 0:0.9,60:0.3\n");
  CHECK(refused({"--mean-machines", "8", "--hazard", "0:-1"}) ==
        "planaria: --hazard[0].per_hour: -1, must be a number from 0 to 1000\n");
  CHECK(refused({"--mean-machines", "8", "--loss-bursts", "0.5:1"}) ==
        "planaria: --loss-bursts: 0.5, must be machines:weight such as 1:0.7,4:0.3, machines from "
        "1 to 10000\n");
  CHECK(refused({"--mean-machines", "8", "--hours", "0"}) ==
        "planaria: --hours: 0, must be a number above 0, at most 24000\n");
  CHECK(refused({"--mean-machines", "8", "--to", "x"}) ==
        "planaria: --to: x, must be events or counts\n");
  CHECK(refused({"--like", "/nowhere"}) ==
        "planaria: /nowhere: cannot be read: No such file or directory\n");
}

}  // namespace planaria::test
