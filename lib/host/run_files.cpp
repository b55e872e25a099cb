#include "host/run_files.hpp"

#include <utility>

#include <planaria/base/text.hpp>

namespace planaria::host {

RunFiles::RunFiles(std::string run_dir, std::function<void(const Json&)> on_event)
    : run_dir_(std::move(run_dir)), on_event_(std::move(on_event)) {}

std::string RunFiles::path_of(const std::string& name) const {
  return run_dir_.empty() ? std::string() : run_dir_ + "/" + name;
}

void RunFiles::keep(const Result<void>& outcome) {
  if (!outcome.ok() && !fault_) fault_ = outcome.fault();
}

void RunFiles::append(std::optional<JsonLines>& file, const std::string& name, const Json& line) {
  if (run_dir_.empty()) return;
  if (!file) {
    auto opened = JsonLines::open(path_of(name));
    if (!opened.ok()) return keep(opened.fault());
    file.emplace(std::move(opened).value());
  }
  keep(file->write(line));
}

void RunFiles::event(const Event& event) {
  const Json line = to_json(event);
  append(events_, "events.jsonl", line);
  if (on_event_) on_event_(line);
}

void RunFiles::ledger_line(const Json& line) {
  append(ledger_, "ledger.jsonl", line);
}

void RunFiles::whole_file(const std::string& name, const Json& content) {
  if (!run_dir_.empty()) keep(write_file_atomically(path_of(name), content.dump() + "\n"));
}

}  // namespace planaria::host
