// `planaria schedule` and what it says, for tests.
#pragma once

#include <fstream>
#include <string>
#include <utility>
#include <vector>

#include <catch2/catch.hpp>

#include <planaria/base/json.hpp>
#include <planaria/base/text.hpp>

#include "support/command.hpp"
#include "support/temporary_folder.hpp"

namespace planaria::test {

/// A folder with files of one's own, and the command run with their names.
class ScheduleStory {
 public:
  std::string write(const std::string& name, const std::string& text) const {
    std::ofstream(folder_.file(name)) << text;
    return folder_.file(name);
  }
  std::string write_json(const std::string& name, const Json& json) const {
    return write(name, json.dump());
  }
  [[nodiscard]] std::string file(const std::string& name) const { return folder_.file(name); }
  [[nodiscard]] int files() const { return folder_.size(); }

  [[nodiscard]] static CommandResult run(std::vector<std::string> arguments) {
    arguments.insert(arguments.begin(), {program("planaria"), "schedule"});
    return run_command(arguments);
  }
  /// The object that --json prints; the command must end well.
  [[nodiscard]] static Json json(std::vector<std::string> arguments) {
    arguments.emplace_back("--json");
    const CommandResult ended = run(arguments);
    INFO(join(arguments, " ") << ": " << ended.err);
    REQUIRE(ended.status == 0);
    CHECK(ended.err.empty());
    CHECK(lines_of(ended.out).size() == 1);
    return parse_json(ended.out, "schedule").value();
  }
  /// The sentence of a command line that is refused, without "planaria: " and its end.
  [[nodiscard]] static std::string refused(const std::vector<std::string>& arguments,
                                           int status = 2) {
    const CommandResult ended = run(arguments);
    INFO(join(arguments, " ") << ": " << ended.err);
    CHECK(ended.status == status);
    CHECK(ended.out.empty());
    REQUIRE(lines_of(ended.err).size() == 1);
    REQUIRE(ended.err.starts_with("planaria: "));
    return ended.err.substr(10, ended.err.size() - 11);
  }

 private:
  TemporaryFolder folder_;
};

/// Options of a schedule of that shape, then others.
inline std::vector<std::string> shape(const std::string& kind, int stages, int micro_batches,
                                      const std::vector<std::string>& others = {}) {
  std::vector<std::string> arguments{"--kind",          kind,
                                     "--stages",        std::to_string(stages),
                                     "--micro-batches", std::to_string(micro_batches)};
  arguments.insert(arguments.end(), others.begin(), others.end());
  return arguments;
}

}  // namespace planaria::test
