// Everything that is known to be wrong with a setting, a record or prices, through the command: the
// corpus of tests/fuzz, whose sentences refusals.txt has.
#include <algorithm>
#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <map>
#include <string>
#include <vector>

#include <catch2/catch.hpp>

#include <planaria/base/text.hpp>

#include "support/command.hpp"
#include "support/temporary_folder.hpp"

namespace planaria::test {
namespace {

std::string fuzz_file(const std::string& name) {
  const char* const source = std::getenv("PLANARIA_SOURCE");
  REQUIRE(source != nullptr);  // set by ctest
  return (std::filesystem::path(source) / "tests" / "fuzz" / name).string();
}

/// Of one reader: what stands behind the file's name, by that name.
std::map<std::string, std::string> sentences_of(const std::string& reader) {
  std::map<std::string, std::string> sentences;
  for (const std::string& line : split(read_file(fuzz_file("refusals.txt")).value(), '\n')) {
    const std::size_t at = line.find(": ");
    if (line.starts_with(reader + "/")) sentences.emplace(line.substr(0, at), line.substr(at + 2));
  }
  return sentences;
}

CommandResult simulated(const std::vector<std::string>& more) {
  std::vector<std::string> all{program("planaria"), "simulate", "--policy", "reactive"};
  all.insert(all.end(), more.begin(), more.end());
  return run_command(all);
}

void check_refused(const CommandResult& ended, const std::string& file,
                   const std::string& sentence) {
  INFO(file);
  CHECK(ended.status == 2);
  CHECK(ended.out.empty());
  CHECK(lines_of(ended.err).size() == 1);
  CHECK_THAT(ended.err, Catch::StartsWith("planaria: " + file + ":"));
  CHECK_THAT(ended.err, Catch::EndsWith(sentence + "\n"));
}

}  // namespace

TEST_CASE("simulate refuses every wrong setting, record and prices in one sentence", "[unit]") {
  const std::string setting = fuzz_file("corpus/setting/valid_small.json");
  const std::string trace = fuzz_file("corpus/trace/valid_events.csv");
  for (const auto& [name, sentence] : sentences_of("setting")) {
    const std::string file = fuzz_file("corpus/" + name);
    check_refused(simulated({"--setting", file, "--trace", trace}), file, sentence);
  }
  for (const auto& [name, sentence] : sentences_of("trace")) {
    const std::string file = fuzz_file("corpus/" + name);
    check_refused(simulated({"--setting", setting, "--trace", file}), file, sentence);
  }
  for (const auto& [name, sentence] : sentences_of("prices")) {
    const std::string file = fuzz_file("corpus/" + name);
    check_refused(simulated({"--setting", setting, "--trace", trace, "--prices", file}), file,
                  sentence);
  }
}

TEST_CASE("more machines than the setting knows are refused with their interval", "[unit]") {
  const TemporaryFolder folder;
  const std::string setting = fuzz_file("corpus/setting/valid_small.json");
  const std::string trace = folder.file("record.csv");
  std::ofstream(trace) << "0,add,a\n60000,add,b\n60000,add,c\n60000,add,d\n60000,add,e\n";
  check_refused(simulated({"--setting", setting, "--trace", trace}), trace,
                " 5 machines in interval 1, must be at most 4, max_workers of " + setting);
}

}  // namespace planaria::test
