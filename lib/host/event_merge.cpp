// A run's last act: the events of all its processes in one file, a timeline, and what they add up
// to.
#include <algorithm>
#include <filesystem>
#include <fstream>
#include <set>
#include <string>
#include <system_error>
#include <utility>
#include <vector>

#include <fmt/format.h>

#include <planaria/base/text.hpp>
#include <planaria/host/run_directory.hpp>

#include "host/loss_figures.hpp"
#include "host/step_prediction.hpp"
#include "host/worker_events.hpp"

namespace planaria::host {
namespace fs = std::filesystem;
namespace {

/// One file of events, read line by line.
class EventFile {
 public:
  explicit EventFile(std::string path) : path_(std::move(path)), in_(path_) {}

  /// Moves to the next line; false at the end. A last line that was torn by a kill is dropped.
  [[nodiscard]] Result<bool> next() {
    if (!std::getline(in_, line_)) return false;
    ++number_;
    event_ = Json::parse(line_, nullptr, false);
    const bool whole = event_.is_object() && event_.contains("t_ms") && event_["t_ms"].is_number();
    if (whole) return true;
    if (in_.eof() || in_.peek() == std::ifstream::traits_type::eof()) return false;
    return Fault::corrupt(fmt::format("{}: line {} is not an event", path_, number_));
  }
  [[nodiscard]] double t_ms() const { return event_.at("t_ms").get<double>(); }
  [[nodiscard]] const std::string& line() const { return line_; }
  [[nodiscard]] const Json& event() const { return event_; }

 private:
  std::string path_;
  std::ifstream in_;
  std::string line_;
  Json event_;
  std::int64_t number_ = 0;
};

std::vector<std::string> worker_files(const RunDirectory& directory) {
  std::vector<std::pair<int, std::string>> found;
  std::error_code error;
  for (const auto& entry : fs::directory_iterator(directory.file("workers"), error)) {
    const std::string stem = entry.path().stem().string();
    const bool number = !stem.empty() && stem.size() < 9 &&
                        stem.find_first_not_of("0123456789") == std::string::npos;
    if (entry.path().extension() == ".jsonl" && number) {
      found.emplace_back(std::stoi(stem), entry.path().string());
    }
  }
  std::sort(found.begin(), found.end());
  std::vector<std::string> paths;
  paths.reserve(found.size());
  for (auto& [worker, path] : found) paths.push_back(std::move(path));
  return paths;
}

/// Writes a file under a temporary name, so that a half-written one never has the real one.
class PartialFile {
 public:
  explicit PartialFile(std::string path)
      : path_(std::move(path)), out_(path_ + ".partial", std::ios::trunc) {}
  std::ofstream& out() { return out_; }
  [[nodiscard]] Result<void> close() {
    out_.close();
    std::error_code error;
    if (out_) fs::rename(path_ + ".partial", path_, error);
    if (!out_ || error) return Fault::exhausted(fmt::format("{}: cannot be written", path_));
    return {};
  }

 private:
  std::string path_;
  std::ofstream out_;
};

constexpr int predicted_row = 1;

Json name_row(std::int64_t worker, int row, const char* name) {
  return {{"name", "thread_name"},
          {"ph", "M"},
          {"pid", worker},
          {"tid", row},
          {"args", {{"name", name}}}};
}

Json slice_of(const PredictedStep& step, std::int64_t worker, const StepAction& action) {
  constexpr double microseconds_per_ms = 1000.0;
  const std::string name = fmt::format("{}{}", action.kind, action.micro_batch);
  return {{"name", action.chunk == 0 ? name : fmt::format("{}{}", action.chunk, name)},
          {"cat", "predicted"},
          {"ph", "X"},
          {"ts", action.begin_ms * microseconds_per_ms},
          {"dur", (action.end_ms - action.begin_ms) * microseconds_per_ms},
          {"pid", worker},
          {"tid", predicted_row},
          {"args", {{"step", step.step}, {"micro_batch", action.micro_batch}}}};
}

/// What is written while the lines pass by in order of time.
struct MergeOutput {
  PartialFile events;
  PartialFile timeline;
  Timeline slices;
  StepPredictions predictions;
  RedoneCounter redone;
  LossFigures losses;
  std::set<std::int64_t> named;
  bool first_slice = true;

  explicit MergeOutput(const RunDirectory& directory)
      : events(directory.file("events.jsonl")), timeline(directory.file("timeline.json")) {
    timeline.out() << "{\"displayTimeUnit\":\"ms\",\"traceEvents\":[";
  }
  void write(const Json& slice) {
    timeline.out() << (first_slice ? "\n" : ",\n") << slice.dump();
    first_slice = false;
  }
  // So that a viewer calls its rows "worker 2" and sorts them by number.
  void name_worker(std::int64_t worker) {
    if (!named.insert(worker).second) return;
    write({{"name", "process_name"},
           {"ph", "M"},
           {"pid", worker},
           {"args", {{"name", fmt::format("worker {}", worker)}}}});
    write({{"name", "process_sort_index"},
           {"ph", "M"},
           {"pid", worker},
           {"args", {{"sort_index", worker}}}});
  }
  void take(const EventFile& file) {
    if (is_span(file.event())) {
      if (predictions.add_span(file.event())) return;
      name_worker(file.event().at("worker").get<std::int64_t>());
      write(slices.add_span(file.event()));
      return;
    }
    predictions.add_view(file.event());
    events.out() << file.line() << '\n';
    losses.add(file.event());
    if (!is_computed(file.event())) return;
    redone.add(file.event());
    name_worker(file.event().at("worker").get<std::int64_t>());
    if (const auto slice = slices.add(file.event())) write(*slice);
  }
  // A row below each worker's own, and what both ways came to.
  Json write_predictions() {
    Json steps = Json::array();
    std::set<std::int64_t> rows;
    for (const PredictedStep& step : predictions.predicted()) {
      for (const auto& [worker, actions] : step.predicted) {
        if (rows.insert(worker).second) {
          write(name_row(worker, 0, "measured"));
          write(name_row(worker, predicted_row, "predicted"));
        }
        for (const StepAction& action : actions) write(slice_of(step, worker, action));
      }
      steps.push_back({{"step", step.step},
                       {"pipeline", step.pipeline},
                       {"measured_ms", step.measured_ms},
                       {"predicted_ms", step.predicted_ms},
                       {"send_ms", step.send_ms}});
    }
    return steps;
  }
  [[nodiscard]] Result<void> close() {
    for (const Json& slice : slices.finish()) write(slice);
    const Json steps = write_predictions();
    timeline.out() << "\n],\"otherData\":{\"predicted_steps\":" << steps.dump() << "}}\n";
    PLANARIA_TRY_VOID(timeline.close());
    return events.close();
  }
};

Result<void> merge_by_time(const std::vector<std::string>& paths, MergeOutput& output) {
  std::vector<EventFile> waiting;  // each stands on a line not yet taken
  for (const std::string& path : paths) {
    EventFile file(path);
    PLANARIA_TRY(has_line, file.next());
    if (has_line) waiting.push_back(std::move(file));
  }
  while (!waiting.empty()) {
    // The first of equals: the coordinator's events before the workers', those by id.
    const auto first = std::min_element(
        waiting.begin(), waiting.end(),
        [](const EventFile& a, const EventFile& b) { return a.t_ms() < b.t_ms(); });
    output.take(*first);
    PLANARIA_TRY(has_line, first->next());
    if (!has_line) waiting.erase(first);
  }
  return {};
}

}  // namespace

Result<void> merge_worker_events(const RunDirectory& directory) {
  std::vector<std::string> paths = {directory.file("events.jsonl"), directory.launcher_events()};
  for (std::string& path : worker_files(directory)) paths.push_back(std::move(path));
  MergeOutput output(directory);
  PLANARIA_TRY_VOID(merge_by_time(paths, output));
  PLANARIA_TRY_VOID(output.close());
  std::error_code error;
  fs::remove_all(directory.file("workers"), error);

  const std::string result_path = directory.file("result.json");
  if (!fs::exists(result_path, error)) return {};
  PLANARIA_TRY(result, read_json_file(result_path));
  result["redone_micro_batches"] = output.redone.count();
  result.update(output.losses.fields());
  return write_file_atomically(result_path, result.dump() + "\n");
}

}  // namespace planaria::host
