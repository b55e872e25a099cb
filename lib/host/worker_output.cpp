#include "host/worker_output.hpp"

#include <algorithm>
#include <utility>

#include <fmt/format.h>

namespace planaria::host {
namespace {

// Longer than the coordinator takes to say why after a worker has heard it, shorter than one
// notices.
constexpr Milliseconds errors_wait{150};
// What is held of a worker that never joins: enough to see why.
constexpr std::size_t held_lines_max = 1000;
// Shorter texts are contained in too many sentences by chance.
constexpr std::size_t shortest_sentence = 12;

}  // namespace

std::vector<std::string> LineBuffer::add(std::string_view bytes) {
  std::vector<std::string> lines;
  while (true) {
    const std::size_t end = bytes.find('\n');
    if (end == std::string_view::npos) break;
    rest_ += bytes.substr(0, end);
    lines.push_back(std::exchange(rest_, {}));
    bytes.remove_prefix(end + 1);
  }
  rest_ += bytes;
  return lines;
}

std::vector<std::string> LineBuffer::finish() {
  if (rest_.empty()) return {};
  return {std::exchange(rest_, {})};
}

WorkerOutput::WorkerOutput(const WorkerOutputOptions& options)
    : prefixed_(options.prefixed), workers_(static_cast<std::size_t>(options.workers)) {}

void WorkerOutput::line(int worker, Stream stream, const std::string& text, Instant now) {
  Worker& from = workers_.at(static_cast<std::size_t>(worker));
  if (from.joined) return enqueue(worker, {stream, text}, now);
  from.held.push_back({stream, text});
  if (from.held.size() > held_lines_max) from.held.pop_front();
}

void WorkerOutput::joined(int worker, Instant now) {
  if (worker < 0 || static_cast<std::size_t>(worker) >= workers_.size()) return;
  Worker& from = workers_[static_cast<std::size_t>(worker)];
  from.joined = true;
  for (Held& line : from.held) enqueue(worker, std::move(line), now);
  from.held.clear();
}

bool WorkerOutput::has_joined(int worker) const {
  return workers_.at(static_cast<std::size_t>(worker)).joined;
}

void WorkerOutput::run_ended(const std::string& sentence) {
  end_ = sentence;
}

void WorkerOutput::enqueue(int worker, Held line, Instant now) {
  const Instant due = line.stream == Stream::err ? now + errors_wait : now;
  queue_.push_back({due, worker, std::move(line)});
}

// A program says "name: sentence", and may know less than the coordinator, who says who it was.
bool WorkerOutput::repeats_end(const std::string& text) const {
  if (end_.empty()) return false;
  if (text.find(end_) != std::string::npos) return true;
  const std::size_t colon = text.find(": ");
  if (colon == std::string::npos) return false;
  const std::string sentence = text.substr(colon + 2);
  return sentence.size() >= shortest_sentence && end_.find(sentence) != std::string::npos;
}

void WorkerOutput::show(const Waiting& waiting, std::vector<ShownLine>& shown) const {
  if (waiting.line.stream == Stream::err && repeats_end(waiting.line.text)) return;
  shown.push_back({waiting.line.stream,
                   prefixed_ ? fmt::format("worker {}: {}", waiting.worker, waiting.line.text)
                             : waiting.line.text});
}

std::vector<ShownLine> WorkerOutput::due(Instant now) {
  std::vector<ShownLine> shown;
  std::deque<Waiting> later;
  for (Waiting& waiting : queue_) {
    if (waiting.due <= now) {
      show(waiting, shown);
    } else {
      later.push_back(std::move(waiting));
    }
  }
  queue_ = std::move(later);
  return shown;
}

std::vector<ShownLine> WorkerOutput::rest() {
  std::vector<ShownLine> shown;
  for (const Waiting& waiting : queue_) show(waiting, shown);
  queue_.clear();
  return shown;
}

std::vector<std::string> WorkerOutput::held(int worker, Stream stream,
                                            std::size_t lines_max) const {
  std::vector<std::string> lines;
  const std::deque<Held>& held = workers_.at(static_cast<std::size_t>(worker)).held;
  for (auto line = held.rbegin(); line != held.rend() && lines.size() < lines_max; ++line) {
    if (line->stream == stream) lines.push_back(line->text);
  }
  std::reverse(lines.begin(), lines.end());
  return lines;
}

}  // namespace planaria::host
