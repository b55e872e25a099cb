#include "host/worker_events.hpp"

#include <algorithm>
#include <cstdio>
#include <filesystem>
#include <fstream>
#include <set>
#include <system_error>
#include <utility>

#include <fmt/format.h>

#include <planaria/base/text.hpp>
#include <planaria/host/run_directory.hpp>

namespace planaria::host {
namespace fs = std::filesystem;

bool is_computed(const Json& event) {
  if (!event.is_object() || event.value("event", "") != "computed") return false;
  for (const char* field : {"step", "worker", "micro_batch", "layer"}) {
    const auto found = event.find(field);
    if (found == event.end() || !found->is_number_integer()) return false;
  }
  const auto kind = event.find("kind");
  const auto time = event.find("t_ms");
  return kind != event.end() && kind->is_string() &&
         kind->get_ref<const std::string&>().size() == 1 && time != event.end() &&
         time->is_number();
}

bool is_span(const Json& event) {
  if (!event.is_object() || event.value("event", "") != "span") return false;
  for (const char* field : {"step", "worker", "micro_batch"}) {
    const auto found = event.find(field);
    if (found == event.end() || !found->is_number_integer()) return false;
  }
  for (const char* field : {"t_ms", "ms"}) {
    const auto found = event.find(field);
    if (found == event.end() || !found->is_number()) return false;
  }
  const auto kind = event.find("kind");
  return kind != event.end() && kind->is_string();
}

void RedoneCounter::add(const Json& computed) {
  keys_.push_back({.step = computed.at("step").get<std::int64_t>(),
                   .micro_batch = computed.at("micro_batch").get<std::int32_t>(),
                   .layer = computed.at("layer").get<std::int32_t>(),
                   .kind = computed.at("kind").get_ref<const std::string&>().front()});
}

std::int64_t RedoneCounter::count() const {
  std::vector<Key> sorted = keys_;
  std::sort(sorted.begin(), sorted.end());
  std::int64_t redone = 0;
  std::optional<Key> last;  // the last place counted, so that a redone F and B count once
  for (std::size_t i = 1; i < sorted.size(); ++i) {
    if (sorted[i] != sorted[i - 1]) continue;
    const Key& key = sorted[i];
    if (last && last->step == key.step && last->micro_batch == key.micro_batch &&
        last->layer == key.layer) {
      continue;
    }
    last = key;
    ++redone;
  }
  return redone;
}

namespace {

constexpr double microseconds_per_ms = 1000.0;

Json slice_of(const Json& computed) {
  const double begin_ms = computed.at("t_ms").get<double>();
  const auto duration = computed.find("ms");
  const bool known = duration != computed.end() && duration->is_number();
  const std::string action = fmt::format("{}{}", computed.at("kind").get<std::string>(),
                                         computed.at("micro_batch").get<std::int64_t>());
  const auto layer = computed.at("layer").get<std::int64_t>();
  return {{"name", fmt::format("{} layer {}", action, layer)},
          {"ph", "X"},
          {"ts", begin_ms * microseconds_per_ms},
          {"dur", known ? duration->get<double>() * microseconds_per_ms : -1.0},
          {"pid", computed.at("worker")},
          {"tid", 0},
          {"args",
           {{"step", computed.at("step")},
            {"view", computed.value("view", Json())},
            {"action", action},
            {"first_layer", layer},
            {"last_layer", layer}}}};
}

bool same_action(const Json& open, const Json& next) {
  return open.at("ts") == next.at("ts") && open.at("dur").get<double>() < 0 &&
         open.at("args").at("step") == next.at("args").at("step") &&
         open.at("args").at("action") == next.at("args").at("action");
}

void extend(Json& open, std::int64_t layer) {
  Json& args = open.at("args");
  args["first_layer"] = std::min(args.at("first_layer").get<std::int64_t>(), layer);
  args["last_layer"] = std::max(args.at("last_layer").get<std::int64_t>(), layer);
  open["name"] = fmt::format("{} layers {}-{}", args.at("action").get<std::string>(),
                             args.at("first_layer").get<std::int64_t>(),
                             args.at("last_layer").get<std::int64_t>());
}

// "F3" where the worker computes micro-batch 3, "wait 3" where it waits for it, "reduce".
std::string name_of_span(const Json& span) {
  const std::string kind = span.at("kind").get<std::string>();
  const auto micro_batch = span.at("micro_batch").get<std::int64_t>();
  if (micro_batch < 0) return kind;
  if (kind == "forward") return fmt::format("F{}", micro_batch);
  if (kind == "backward") return fmt::format("G{}", micro_batch);
  return fmt::format("{} {}", kind, micro_batch);
}

Json slice_of_span(const Json& span) {
  const double length_us = span.at("ms").get<double>() * microseconds_per_ms;
  const double end_us = span.at("t_ms").get<double>() * microseconds_per_ms;
  return {{"name", name_of_span(span)},
          {"cat", span.at("kind")},
          {"ph", "X"},
          {"ts", end_us - length_us},
          {"dur", length_us},
          {"pid", span.at("worker")},
          {"tid", 0},
          {"args",
           {{"step", span.at("step")},
            {"micro_batch", span.at("micro_batch")},
            {"view", span.value("view", Json())}}}};
}

}  // namespace

std::optional<Json> Timeline::add(const Json& computed) {
  Json slice = slice_of(computed);
  const auto worker = computed.at("worker").get<std::int64_t>();
  const auto open = open_.find(worker);
  if (open == open_.end()) {
    open_.emplace(worker, std::move(slice));
    return std::nullopt;
  }
  if (same_action(open->second, slice)) {
    extend(open->second, computed.at("layer").get<std::int64_t>());
    return std::nullopt;
  }
  Json completed = std::exchange(open->second, std::move(slice));
  if (completed.at("dur").get<double>() < 0) {
    completed.at("dur") =
        std::max(0.0, open->second.at("ts").get<double>() - completed.at("ts").get<double>());
  }
  return completed;
}

Json Timeline::add_span(const Json& span) {
  Json slice = slice_of_span(span);
  const auto open = open_.find(span.at("worker").get<std::int64_t>());
  if (open != open_.end() && open->second.at("args").at("action") == slice.at("name")) {
    open_.erase(open);
  }
  return slice;
}

std::vector<Json> Timeline::finish() {
  std::vector<Json> rest;
  for (auto& [worker, slice] : open_) {
    if (slice.at("dur").get<double>() < 0) slice.at("dur") = 0.0;
    rest.push_back(std::move(slice));
  }
  open_.clear();
  return rest;
}

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

/// What is written while the lines pass by in order of time.
struct MergeOutput {
  PartialFile events;
  PartialFile timeline;
  Timeline slices;
  RedoneCounter redone;
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
      name_worker(file.event().at("worker").get<std::int64_t>());
      write(slices.add_span(file.event()));
      return;
    }
    events.out() << file.line() << '\n';
    if (!is_computed(file.event())) return;
    redone.add(file.event());
    name_worker(file.event().at("worker").get<std::int64_t>());
    if (const auto slice = slices.add(file.event())) write(*slice);
  }
  [[nodiscard]] Result<void> close() {
    for (const Json& slice : slices.finish()) write(slice);
    timeline.out() << "\n]}\n";
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
  std::vector<std::string> paths = {directory.file("events.jsonl")};
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
  return write_file_atomically(result_path, result.dump() + "\n");
}

}  // namespace planaria::host
