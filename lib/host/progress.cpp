#include "host/progress.hpp"

#include <algorithm>

#include <fmt/format.h>

#include <planaria/base/text.hpp>
#include <planaria/model/layout.hpp>

namespace planaria::host {
namespace {

constexpr std::size_t recent_commits_max = 20;
constexpr double plain_line_every_ms = 2000;

std::int64_t whole_or(const Json& event, const char* key, std::int64_t otherwise) {
  const auto found = event.find(key);
  return found != event.end() && found->is_number_integer() ? found->get<std::int64_t>()
                                                            : otherwise;
}

std::optional<double> number_in(const Json& event, const char* key) {
  const auto found = event.find(key);
  if (found == event.end() || !found->is_number()) return std::nullopt;
  return found->get<double>();
}

std::string text_or(const Json& event, const char* key, const std::string& otherwise) {
  const auto found = event.find(key);
  return found != event.end() && found->is_string() ? found->get<std::string>() : otherwise;
}

std::string text_of_loss(const std::optional<double>& loss) {
  return loss ? fmt::format("{:.4g}", *loss) : std::string("not finite");
}

// Three digits, never an exponent.
std::string text_of_rate(double per_s) {
  return per_s >= 100 ? fmt::format("{:.0f}", per_s) : fmt::format("{:.3g}", per_s);
}

// Characters, not bytes: continuation bytes of UTF-8 take no place on the screen.
std::string cut(const std::string& text, int columns) {
  const auto begins = [](char c) { return (static_cast<unsigned char>(c) & 0xC0U) != 0x80U; };
  const auto length = std::count_if(text.begin(), text.end(), begins);
  if (columns <= 0 || length <= columns) return text;
  std::size_t end = 0;
  for (int seen = 0; end < text.size(); ++end) {
    if (begins(text[end]) && seen++ == columns - 1) break;
  }
  return text.substr(0, end) + "…";
}

}  // namespace

void RunProgress::take(const Json& event) {
  if (!event.is_object()) return;
  const std::string name = text_or(event, "event", "");
  if (name == "run_started") {
    steps_ = whole_or(event, "steps", steps_);
    micro_batches_ = whole_or(event, "micro_batches", micro_batches_);
    micro_batch_size_ = whole_or(event, "micro_batch_size", micro_batch_size_);
    workers_ = whole_or(event, "workers", workers_);
    layout_ = text_or(event, "layout", layout_);
    began_ms_ = number_in(event, "t_ms").value_or(0);
  }
  if (name == "view" && started()) take_view(event);
  if (name == "step_committed") take_commit(event);
}

void RunProgress::take_view(const Json& event) {
  const auto layout = layout_from_json(event.value("layout", Json()), "view");
  if (layout.ok()) layout_ = text_of(layout.value());
  const auto members = event.find("members");
  if (members != event.end() && members->is_array()) {
    workers_ = static_cast<std::int64_t>(members->size());
  }
}

void RunProgress::take_commit(const Json& event) {
  step_ = whole_or(event, "step", step_);
  last_loss_ = number_in(event, "loss");
  if (!first_loss_) first_loss_ = last_loss_;
  recent_.push_back({number_in(event, "t_ms").value_or(0), step_});
  if (recent_.size() > recent_commits_max) recent_.pop_front();
}

std::optional<double> RunProgress::step_ms() const {
  if (recent_.size() < 2) return std::nullopt;
  const std::int64_t steps = recent_.back().step - recent_.front().step;
  const double ms = recent_.back().t_ms - recent_.front().t_ms;
  if (steps <= 0 || ms <= 0) return std::nullopt;
  return ms / static_cast<double>(steps);
}

std::optional<double> RunProgress::samples_per_s() const {
  const auto ms = step_ms();
  if (!ms) return std::nullopt;
  return static_cast<double>(micro_batches_ * micro_batch_size_) * 1000.0 / *ms;
}

std::optional<double> RunProgress::left_ms() const {
  const auto ms = step_ms();
  if (!ms) return std::nullopt;
  return *ms * static_cast<double>(steps_ - step_);
}

double RunProgress::trained_ms() const {
  return recent_.empty() ? 0 : recent_.back().t_ms - began_ms_;
}

std::string RunProgress::who() const {
  return fmt::format("{}, {} {}", layout_, workers_, workers_ == 1 ? "worker" : "workers");
}

std::string progress_line(const RunProgress& progress, int columns) {
  if (!progress.started()) return cut("waiting for workers", columns);
  std::vector<std::string> parts = {fmt::format("step {}/{}", progress.step(), progress.steps())};
  if (progress.step() > 0) parts.push_back("loss " + text_of_loss(progress.last_loss()));
  if (const auto rate = progress.samples_per_s()) {
    parts.push_back(text_of_rate(*rate) + " samples/s");
  }
  parts.push_back(progress.who());
  if (const auto left = progress.left_ms(); left && progress.step() < progress.steps()) {
    parts.push_back(text_of_duration_ms(*left) + " left");
  }
  return cut(join(parts, " · "), columns);
}

namespace {

// "lost     worker 2: 412 ms to the next step (found 12 ms, view 13 ms, layers 45 ms)"
std::string line_of_loss(const Json& recovery) {
  std::vector<std::string> parts;
  const auto add = [&](const char* what, const char* key) {
    if (const auto ms = number_in(recovery, key)) {
      parts.push_back(fmt::format("{} {}", what, text_of_duration_ms(*ms)));
    }
  };
  add("found", "detect_ms");
  add("view", "view_ms");
  add("layers", "transfer_ms");
  const auto resume = number_in(recovery, "resume_ms");
  const std::string cost =
      resume ? text_of_duration_ms(*resume) + " to the next step" : std::string("no step followed");
  return fmt::format("lost     worker {}: {} ({})", whole_or(recovery, "worker", -1), cost,
                     join(parts, ", "));
}

}  // namespace

std::vector<std::string> summary_lines(const RunProgress& progress, const Json& result,
                                       const std::string& run_dir) {
  std::vector<std::string> lines;
  lines.push_back(fmt::format("layout   {}", progress.who()));
  lines.push_back(fmt::format("steps    {} of {} micro-batches x {} samples, {}", progress.step(),
                              progress.micro_batches(), progress.micro_batch_size(),
                              text_of_duration_ms(progress.trained_ms())));
  lines.push_back(fmt::format("loss     {} -> {}", text_of_loss(progress.first_loss()),
                              text_of_loss(progress.last_loss())));
  if (const auto rate = number_in(result, "throughput_samples_per_s")) {
    lines.push_back(fmt::format("speed    {} samples/s", text_of_rate(*rate)));
  }
  const auto recoveries = result.find("recoveries");
  if (recoveries != result.end() && recoveries->is_array()) {
    for (const Json& recovery : *recoveries) lines.push_back(line_of_loss(recovery));
  }
  lines.push_back("weights  " + text_or(result, "weights_xxh3_128", "unknown"));
  lines.push_back("state    " + text_or(result, "state_xxh3_128", "unknown"));
  if (!run_dir.empty()) lines.push_back("run      " + run_dir);
  return lines;
}

bool PlainPace::due(const RunProgress& progress, Instant now) {
  if (progress.step() == last_step_) return false;
  constexpr std::int64_t parts = 10;
  const std::int64_t tenth = progress.steps() > 0 ? progress.step() * parts / progress.steps() : 0;
  const bool is_due = last_step_ == 0 || tenth != last_tenth_ ||
                      progress.step() == progress.steps() ||
                      (now - last_time_).value >= plain_line_every_ms;
  if (!is_due) return false;
  last_step_ = progress.step();
  last_tenth_ = tenth;
  last_time_ = now;
  return true;
}

}  // namespace planaria::host
