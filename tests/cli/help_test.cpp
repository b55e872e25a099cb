// docs/options.md says what --help says, and --help is good to read.
#include <catch2/catch.hpp>

#include <cstdlib>
#include <map>
#include <regex>
#include <sstream>

#include <planaria/base/text.hpp>

#include "host/processes.hpp"

namespace planaria::test {
namespace {

/// Option as it is written, and its description with single spaces.
using Options = std::map<std::string, std::string>;

const std::vector<std::string> commands = {
    "run",      "profile", "schedule", "plan",    "templates", "trace", "forecast",
    "survival", "liveput", "simulate", "compare", "export",    "init",  "doctor"};
const std::vector<std::string> trace_commands = {"trace describe", "trace convert",
                                                 "trace generate", "trace plot"};

/// Those with options of their own.
std::vector<std::string> commands_with_options() {
  std::vector<std::string> all = trace_commands;
  for (const std::string& command : commands) {
    if (command != "trace") all.push_back(command);
  }
  return all;
}

Ended help_of(const std::string& command) {
  std::vector<std::string> arguments = split(command, ' ');
  arguments.emplace_back("--help");
  return planaria_ends(arguments);
}

std::string one_line(const std::string& text) {
  std::istringstream words(text);
  std::string line;
  for (std::string word; words >> word;) line += (line.empty() ? "" : " ") + word;
  return line;
}

// "  --width D      How many …" and lines that go on further right.
Options options_of_help(const std::string& command) {
  const Ended help = help_of(command);
  REQUIRE(help.status == 0);
  const std::regex begins("^  (\\S.*?)(?:  +(\\S.*))?$");
  Options options;
  std::string current;
  bool listing = false;
  for (const std::string& line : lines_of(help.out)) {
    if (line == "Options:" || line == "Positionals:") {
      listing = true;
      current.clear();
      continue;
    }
    if (line.empty()) listing = false;
    if (!listing) continue;
    std::smatch found;
    if (std::regex_match(line, found, begins)) {
      current = found[1];
      options[current] = found[2];
    } else {
      options[current] += " " + line;
    }
  }
  options.erase("-h,--help");
  for (auto& [name, description] : options) description = one_line(description);
  return options;
}

// Rows "| `--width D` | How many … |" below "## planaria <command>".
Options options_of_docs(const std::string& command) {
  const char* source = std::getenv("PLANARIA_SOURCE");
  REQUIRE(source != nullptr);
  const auto text = read_file(std::string(source) + "/docs/options.md");
  REQUIRE(text.ok());
  const std::regex row("^\\| `([^`]+)` \\| (.*) \\|$");
  Options options;
  bool inside = false;
  for (const std::string& line : lines_of(text.value())) {
    if (line.starts_with("## ")) inside = line.starts_with("## planaria " + command + " ");
    std::smatch found;
    if (inside && std::regex_match(line, found, row)) options[found[1]] = found[2];
  }
  return options;
}

}  // namespace

TEST_CASE("docs/options.md lists every option with the words of --help") {
  for (const std::string& command : commands_with_options()) {
    INFO(command);
    const Options help = options_of_help(command);
    CHECK(!help.empty());
    CHECK(options_of_docs(command) == help);
  }
}

TEST_CASE("help fits a hundred columns and does not show what serves nobody") {
  std::vector<std::string> all = commands_with_options();
  all.emplace_back("trace");
  for (const std::string& command : all) {
    for (const auto& line : lines_of(help_of(command).out)) {
      INFO(line);
      CHECK(line.size() <= 100);
    }
  }
  const Ended help = planaria_ends({"--help"});
  CHECK(help.status == 0);
  CHECK(help.out.find("coordinator") == std::string::npos);
  for (const std::string& command : commands) {
    CHECK(help.out.find("\n  " + command + " ") != std::string::npos);
  }
}

TEST_CASE("the version is said") {
  const Ended version = planaria_ends({"--version"});
  CHECK(version.status == 0);
  CHECK(std::regex_match(version.out, std::regex("planaria \\d+\\.\\d+\\.\\d+\n")));
}

TEST_CASE("a command line that cannot be read gets one sentence and status 2") {
  const std::vector<std::pair<std::vector<std::string>, std::string>> cases = {
      {{}, "planaria: no command; planaria --help lists them"},
      {{"fly"},
       "planaria: fly: no such command, must be run, profile, schedule, plan, templates, trace, "
       "forecast, survival, liveput, simulate, compare, export, init or doctor"},
      {{"--fly"}, "planaria: --fly: no such option, see planaria --help"},
      {{"run", "--fly", "--", "true"},
       "planaria: The following argument was not expected: --fly; the program and its arguments go "
       "behind --, see planaria run --help"},
      {{"run", "./train"},
       "planaria: The following argument was not expected: ./train; the program and its arguments "
       "go behind --, see planaria run --help"},
      {{"profile", "./train"},
       "planaria: The following argument was not expected: ./train; the program and its arguments "
       "go behind --, see planaria profile --help"},
      {{"profile", "--repeats", "0", "--", "true"},
       "planaria: --repeats: Value 0 not in range 1 to 999; see planaria profile --help"},
      {{"run", "--workers", "0", "--", "true"},
       "planaria: --workers: Value 0 not in range 1 to 4096; see planaria run --help"},
      {{"run", "--workers", "two", "--", "true"},
       "planaria: --workers: Value two not in range 1 to 4096; see planaria run --help"},
      {{"run", "--layout", "a.json", "--width", "2", "--", "true"},
       "planaria: --width excludes --layout; see planaria run --help"},
      {{"run", "--schedule", "1f1b", "--schedule-file", "a", "--", "true"},
       "planaria: --schedule excludes --schedule-file; see planaria run --help"},
      {{"run", "--commit-domains", "0", "--", "true"},
       "planaria: --commit-domains: Value 0 not in range 1 to 4096; see planaria run --help"},
      {{"run", "--min-workers", "5000", "--", "true"},
       "planaria: --min-workers: Value 5000 not in range 1 to 4096; see planaria run --help"},
      {{"run", "--workers", "2", "--spares", "1", "--min-workers", "4", "--", "true"},
       "planaria: --min-workers: 4, must be at most 3, the number of workers and spares"},
      {{"run", "--wait-s", "-1", "--", "true"},
       "planaria: --wait-s: Value -1 not in range 0 to 31536000; see planaria run --help"},
      {{"run", "--wait-s", "nan", "--", "true"},
       "planaria: --wait-s: Value nan not in range 0 to 31536000; see planaria run --help"},
      {{"run", "--silence-max-ms", "99", "--", "true"},
       "planaria: --silence-max-ms: Value 99 not in range 100 to 3600000; see planaria run --help"},
      {{"run", "--faults", "", "--", "true"},
       "planaria: --faults: empty, must be an order such as kill@step=7:worker=2"},
      {{"run", "--faults", "kil@step=7:worker=2", "--", "true"},
       "planaria: --faults: kil@step=7:worker=2: kind: kil, must be one of kill, stop, throw, "
       "join, "
       "notice, partition, kill-coordinator, random"},
      {{"run", "--faults", "notice@step=5:worker=3:grace_s=2", "--", "true"},
       "planaria: --faults: notice@step=5:worker=3:grace_s=2: kind: notice, not supported yet, "
       "must "
       "be one of kill, stop, throw, join, random"},
      {{"templates", "--profile", "p", "--nodes-min", "1"},
       "planaria: --nodes-max is required; see planaria templates --help"},
      {{"templates", "--nodes-min", "0"},
       "planaria: --nodes-min: Value 0 not in range 1 to 4096; see planaria templates --help"},
      {{"trace"}, "planaria: A subcommand is required; see planaria trace --help"},
      {{"trace", "plot", "a"}, "planaria: -o is required; see planaria trace plot --help"},
      {{"compare", "a"}, "planaria: B is required; see planaria compare --help"},
      {{"compare", "no-a", "no-b"}, "planaria: run directory no-a: no such folder"},
      {{"export", "no-a"}, "planaria: -o is required; see planaria export --help"},
      {{"export", "no-a", "-o", "x"}, "planaria: run directory no-a: no such folder"},
      {{"init"}, "planaria: DIR is required; see planaria init --help"},
      {{"init", ""}, "planaria: DIR: empty, must name a new or an empty folder"},
      {{"doctor", "me"},
       "planaria: The following argument was not expected: me; see planaria doctor --help"},
      {{"coordinator"},
       "planaria: PLANARIA_PROGRESS_FD: not set; `planaria coordinator` is started by `planaria "
       "run`"},
  };
  for (const auto& [arguments, sentence] : cases) {
    INFO(join(arguments, " "));
    const Ended ended = planaria_ends(arguments);
    CHECK(ended.status == 2);
    CHECK(ended.out.empty());
    CHECK(ended.err == sentence + "\n");
  }
}

TEST_CASE("what is behind the two dashes belongs to the program, whatever it looks like") {
  const TemporaryFolder folder;
  const Ended ended = planaria_ends({"run", "--workers", "1", "--run-dir", folder.file("run"), "--",
                                     "echo", "--workers", "--", "--help"});
  CHECK(ended.status == 1);  // echo joins no run
  CHECK(ended.out == "--workers -- --help\n");
}

}  // namespace planaria::test
