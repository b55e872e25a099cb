// What a run left behind, and runs of train_gpt that are made to lose workers.
#pragma once

#include <filesystem>
#include <optional>
#include <string>
#include <vector>

#include <planaria/base/json.hpp>

#include "support/temporary_folder.hpp"

namespace planaria::test {

/// Everything that is looked at once a run has ended.
struct RunFiles {
  std::string command;  // repeats the run in a shell
  std::string faults;   // as ordered; empty: none
  int status = 0;
  std::string errors;  // what it wrote on stderr
  std::vector<Json> events;
  std::vector<Json> ledger;
  Json asked;         // run.json; null where there is none
  Json result;        // null where there is none
  std::string model;  // the bytes of model.safetensors; empty where there is none
};

/// Reads a run directory; what is not there stays empty.
[[nodiscard]] RunFiles read_run(const std::string& run_dir);

/// Returns the events of one kind, in order.
[[nodiscard]] std::vector<Json> events_named(const RunFiles& run, const std::string& name);

/// Returns the layout of the first view.
[[nodiscard]] const Json& first_layout(const RunFiles& run);

/// Returns the words of a text, parted by spaces.
[[nodiscard]] std::vector<std::string> words(const std::string& text);

/// One training, run as often as one likes: alone in one process, and under `planaria run`.
class Training {
 public:
  /// Six blocks of width 32 with dropout and clipping, 40 steps; `more` in train_gpt's own options,
  /// which replace those.
  explicit Training(const std::string& more = "");

  /// Returns what the training leaves behind alone, in one process; it is run once.
  [[nodiscard]] const RunFiles& undisturbed();
  /// Runs it with `options` of `planaria run`, and faults. A run that hangs for minutes is killed
  /// and ends with status 124.
  [[nodiscard]] RunFiles run(const std::string& options, const std::string& faults = "");

 private:
  [[nodiscard]] std::vector<std::string> program_words() const;
  TemporaryFolder folder_;
  std::string text_;
  std::vector<std::pair<std::string, std::string>> options_;  // the value is empty for a flag
  std::optional<RunFiles> undisturbed_;
  int runs_ = 0;
};

}  // namespace planaria::test
