// host/run_files.hpp (private): the coordinator's files of a run, and who watches its events.
#pragma once

#include <functional>
#include <optional>
#include <string>

#include <planaria/base/json.hpp>
#include <planaria/base/result.hpp>
#include <planaria/observe/events.hpp>

namespace planaria::host {

/// Writes events.jsonl, ledger.jsonl and whole JSON files below a run directory, or nowhere where
/// there is none. The first fault is kept, later writes go on: a full disk must not hide the events
/// from those who watch. One thread.
class RunFiles {
 public:
  RunFiles(std::string run_dir, std::function<void(const Json&)> on_event);
  void event(const Event& event);
  void ledger_line(const Json& line);
  void whole_file(const std::string& name, const Json& content);
  /// Returns the file's path, or nothing where no directory is kept.
  [[nodiscard]] std::string path_of(const std::string& name) const;
  [[nodiscard]] const std::optional<Fault>& fault() const { return fault_; }

 private:
  void append(std::optional<JsonLines>& file, const std::string& name, const Json& line);
  void keep(const Result<void>& outcome);
  std::string run_dir_;
  std::function<void(const Json&)> on_event_;
  std::optional<JsonLines> events_;
  std::optional<JsonLines> ledger_;
  std::optional<Fault> fault_;
};

}  // namespace planaria::host
