// Members come and go, and what is done to them on purpose.
#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <csignal>
#include <utility>
#include <variant>

#include <fmt/format.h>

#include <planaria/host/run_options.hpp>

#include "host/run_watch.hpp"

namespace planaria::host {
namespace {

constexpr std::size_t last_words_max = 10;

// A signal is taken a moment after it was sent; what the worker's page says counts from then on.
void wait_until_struck(pid_t process, int signal) {
  siginfo_t info{};
  // Left to be waited for by its owner.
  const int flags = WEXITED | WNOWAIT | (signal == SIGSTOP ? WSTOPPED : 0);
  while (::waitid(P_PID, static_cast<id_t>(process), &info, flags) < 0 && errno == EINTR) {
  }
}

}  // namespace

Instant RunWatch::run_now() const {
  return {monotonic_now_ms() - options_.began_ms};
}

// A worker has the number that the coordinator gave it, whatever it asked for, and a program that
// is started by a script is a process of its own in the script's group.
void RunWatch::note_member(const Json& event, Instant now) {
  const WorkerId worker(event.value("worker", -1));
  if (event.value("event", "") == "worker_lost") {
    if (Watched* child = child_of(worker)) child->lost = true;
    return;
  }
  if (options_.in_process) {
    if (!workers_.empty()) workers_[0].joined = true;
    return output_.joined(0, now);
  }
  const pid_t group = ::getpgid(event.value("process", pid_t{-1}));
  auto index = static_cast<std::size_t>(worker.value);
  for (std::size_t i = 0; i < workers_.size(); ++i) {
    if (group > 0 && workers_[i].process.pid() == group) index = i;
  }
  if (worker.value < 0 || index >= workers_.size()) return;  // another machine's
  child_of_[worker] = index;
  workers_[index].joined = true;
  workers_[index].lost = false;
  output_.joined(static_cast<int>(index), now);
}

RunWatch::Watched* RunWatch::child_of(WorkerId worker) {
  const auto found = child_of_.find(worker);
  return found == child_of_.end() ? nullptr : &workers_[found->second];
}

bool RunWatch::was_struck(std::size_t child) const {
  return faults_ != nullptr && std::ranges::any_of(child_of_, [&](const auto& entry) {
           return entry.second == child && faults_->has_struck(entry.first);
         });
}

void RunWatch::carry_out(const std::vector<FaultCommand>& commands) {
  for (const FaultCommand& command : commands) carry_out(command);
}

void RunWatch::carry_out(const FaultCommand& command) {
  if (const auto* start = std::get_if<StartWorkers>(&command.action)) {
    if (command.order) start_workers(*command.order, start->count);
  } else if (const auto* kill = std::get_if<Kill>(&command.action)) {
    if (command.order) strike(*command.order, kill->worker, SIGKILL);
  } else if (const auto* stop = std::get_if<Stop>(&command.action)) {
    if (command.order) strike(*command.order, stop->worker, SIGSTOP);
  } else if (const auto* go_on = std::get_if<Continue>(&command.action)) {
    if (Watched* child = child_of(go_on->worker)) child->process.signal(SIGCONT, true);
  }
}

void RunWatch::strike(const FaultOrder& order, WorkerId worker, int signal) {
  Watched* child = child_of(worker);
  if (child == nullptr || ending_ || child->process.poll()) return faults_->missed(order);
  const Instant at = run_now();
  child->process.signal(signal, true);
  wait_until_struck(child->process.pid(), signal);
  // From now on its end is no news, and none of the run's.
  if (signal == SIGKILL) child->lost = true;
  faults_->tell(order, worker, at);
}

void RunWatch::start_workers(const FaultOrder& order, int count) {
  for (int i = 0; i < count; ++i) {
    const int number = static_cast<int>(workers_.size());
    auto child = options_.start_worker(number);
    if (!child.ok()) {
      screen_.line(Stream::err, "planaria: " + child.fault().sentence);
      return faults_->missed(order);
    }
    watch_worker(std::move(child).value());
    output_.add_worker();
    faults_->tell(order, WorkerId(number), run_now());
  }
}

// A worker that was started later and never joins ends nothing, but somebody should hear why.
void RunWatch::mourn_newcomers() {
  if (!began_ || ending_) return;
  for (std::size_t i = 0; i < workers_.size(); ++i) {
    Watched& worker = workers_[i];
    const auto& end = worker.process.poll();
    if (!end || worker.joined || worker.mourned) continue;
    worker.mourned = true;
    const int number = static_cast<int>(i);
    for (const auto& line : output_.held(number, Stream::err, last_words_max)) {
      screen_.line(Stream::err, fmt::format("worker {}: {}", number, line));
    }
    screen_.line(Stream::err, fmt::format("planaria: worker {} ({}) {} before it had joined",
                                          number, options_.program, text_of(*end)));
  }
}

}  // namespace planaria::host
