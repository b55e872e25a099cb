// tests/host/processes.hpp: whole runs as processes, and what they leave behind.
#pragma once

#include <filesystem>
#include <functional>
#include <string>
#include <vector>

#include <planaria/base/json.hpp>

#include "host/child_process.hpp"
#include "host/worker_output.hpp"
#include "support/temporary_folder.hpp"

namespace planaria::test {

/// How a program ended, and all it said.
struct Ended {
  int status = 0;
  std::string out;
  std::string err;
};

/// `planaria` with arguments, running.
class RunningPlanaria {
 public:
  explicit RunningPlanaria(const std::vector<std::string>& arguments,
                           const std::vector<host::EnvironmentChange>& environment = {});
  /// Reads what comes until `condition` holds or the program has ended; returns whether it held.
  bool wait_until(const std::function<bool()>& condition);
  [[nodiscard]] Ended wait();
  void signal(int number) { child_.signal(number); }

 private:
  void read_for_a_while();
  host::ChildProcess child_;
  Ended ended_;
};

[[nodiscard]] Ended planaria_ends(const std::vector<std::string>& arguments,
                                  const std::vector<host::EnvironmentChange>& environment = {});

/// The path of a program of the build.
[[nodiscard]] std::string built(const std::string& name);
/// `planaria run` of the toy trainer: options of planaria, then of the toy.
[[nodiscard]] std::vector<std::string> toy_run(const std::vector<std::string>& options,
                                               const std::vector<std::string>& toy);

/// Reads the whole lines of a file of JSON lines that may still grow; none where there is no file.
[[nodiscard]] std::vector<Json> whole_lines(const std::string& path);
/// The events named `name` in a run directory.
[[nodiscard]] std::vector<Json> events_of(const std::string& run_dir, const std::string& name);
[[nodiscard]] std::vector<std::string> lines_of(const std::string& text);

}  // namespace planaria::test
