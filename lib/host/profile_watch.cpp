#include "host/profile_watch.hpp"

#include <poll.h>

#include <csignal>
#include <utility>
#include <vector>

#include <fmt/format.h>

namespace planaria::host {
namespace {

// The other worker ends with its connection; one that does not is ended.
constexpr Milliseconds other_leaves_max{2000};
constexpr int wait_ms = 200;
constexpr std::size_t last_lines_max = 10;

}  // namespace

ProfileWatch::ProfileWatch(ProfileWatchOptions options, Screen& screen)
    : options_(std::move(options)), screen_(screen) {}

ProfileEnding ProfileWatch::until_over(ChildProcess measuring, Descriptor progress) {
  set_nonblocking(progress);
  progress_ = std::move(progress);
  measuring_.emplace(Watched{.process = std::move(measuring), .out = {}, .err = {}});
  while (!measuring_->process.poll()) round();
  take_messages();  // what it wrote last
  take_output(*measuring_, true);
  end_other();
  screen_.live("");
  return early_ ? *early_ : ending_of(*measuring_->process.poll());
}

void ProfileWatch::round() {
  std::vector<pollfd> waited = {{signals_.descriptor(), POLLIN, 0}};
  const auto add = [&](const Descriptor& descriptor) {
    if (descriptor.open()) waited.push_back({descriptor.get(), POLLIN, 0});
  };
  add(progress_);
  for (const auto* watched : {&measuring_, &other_}) {
    if (!watched->has_value()) continue;
    add((*watched)->process.out());
    add((*watched)->process.err());
  }
  ::poll(waited.data(), waited.size(), wait_ms);
  take_signals();
  // Before the messages: the other worker ends with the connection, and that after the answer.
  const bool other_ended = other_ && other_->process.poll();
  take_messages();
  take_output(*measuring_, true);
  if (!other_) return;
  take_output(*other_, false);
  if (other_ended && answer_.is_null()) {
    for (const std::string& line : other_->last) screen_.line(Stream::err, line);
    end_early(1, fmt::format("{} as the other worker {}", options_.program,
                             text_of(*other_->process.poll())));
  }
}

void ProfileWatch::take_signals() {
  for (const int number : signals_.take()) {
    if (number != SIGCHLD) end_early(1, "ended before everything was measured, as asked");
  }
}

// The other worker says what the measuring one has said, so its last words wait for its failure.
void ProfileWatch::take_output(Watched& watched, bool at_once) {
  const auto take = [&](Descriptor& from, LineBuffer& buffer) {
    const bool was_open = from.open();
    auto lines = buffer.add(read_available(from));
    if (was_open && !from.open()) {
      for (auto& line : buffer.finish()) lines.push_back(std::move(line));
    }
    for (const std::string& line : lines) {
      if (at_once) {
        screen_.line(Stream::err, line);
        continue;
      }
      watched.last.push_back(line);
      if (watched.last.size() > last_lines_max) watched.last.pop_front();
    }
    return !lines.empty();
  };
  static_cast<void>(take(watched.process.out(), watched.out));
  if (take(watched.process.err(), watched.err)) watched.said_why = true;
}

void ProfileWatch::take_messages() {
  for (const std::string& line : messages_.add(read_available(progress_))) {
    const Json message = Json::parse(line, nullptr, false);
    if (!message.is_object()) continue;
    if (message.contains("progress")) screen_.live(message.at("progress").get<std::string>());
    if (message.contains("profile")) answer_ = message;
    if (!message.contains("other_worker") || other_) continue;
    auto started = options_.start_other(message.at("other_worker"));
    if (!started) return end_early(1, started.fault().sentence);
    other_.emplace(Watched{.process = std::move(started).value(), .out = {}, .err = {}});
  }
}

void ProfileWatch::end_early(int status, const std::string& sentence) {
  if (!early_) early_ = ProfileEnding{status, sentence, {}};
  measuring_->process.signal(SIGKILL, true);
}

void ProfileWatch::end_other() {
  if (!other_) return;
  const Instant begun = clock_.now();
  while (!other_->process.poll() && clock_.now() - begun < other_leaves_max && !early_) {
    pollfd signals{signals_.descriptor(), POLLIN, 0};
    ::poll(&signals, 1, wait_ms);
    for ([[maybe_unused]] const int number : signals_.take()) {
    }
  }
  other_->process.kill_and_wait();
}

ProfileEnding ProfileWatch::ending_of(const ChildEnd& end) {
  if (!answer_.is_null()) {
    ProfileEnding ending{0, "", std::move(answer_)};
    if (end.status != 0) {
      ending.sentence = fmt::format("{} was measured, and then {}", options_.program, text_of(end));
    }
    return ending;
  }
  if (end.status == 0) {
    return {1,
            fmt::format("{} ended without being measured: it has trained with neither "
                        "planaria::Trainer nor planaria::Session",
                        options_.program),
            {}};
  }
  const bool bad_input = end.status == 2 && end.signal == 0;
  if (bad_input && measuring_->said_why) return {2, "", {}};
  return {bad_input ? 2 : 1,
          fmt::format("{} {} before it was measured", options_.program, text_of(end)),
          {}};
}

}  // namespace planaria::host
