// Runs a program as a person would: arguments in, exit status and both outputs out.
#pragma once

#include <map>
#include <string>
#include <vector>

namespace planaria::test {

struct CommandResult {
  int status = 0;  // exit status; 128 + signal where one ended it
  std::string out;
  std::string err;
};

/// Runs argv[0] (a path) with `environment` added to this process's own and nothing on its input.
[[nodiscard]] CommandResult run_command(const std::vector<std::string>& argv,
                                        const std::map<std::string, std::string>& environment = {});

/// Returns the path of a program of this build (PLANARIA_BIN, set by ctest).
[[nodiscard]] std::string program(const std::string& name);

/// Returns the text's lines that are not empty.
[[nodiscard]] std::vector<std::string> lines_of(const std::string& text);

}  // namespace planaria::test
