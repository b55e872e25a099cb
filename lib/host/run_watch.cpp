#include "host/run_watch.hpp"

#include <poll.h>
#include <sys/signalfd.h>
#include <unistd.h>

#include <algorithm>
#include <cmath>
#include <utility>

#include <fmt/format.h>

namespace planaria::host {
namespace {

// After the run's end: how long workers may take to leave on their own, and then the coordinator.
constexpr Milliseconds workers_leave_max{2000};
constexpr Milliseconds coordinator_leaves_max{4000};
constexpr Milliseconds early_end_wait{150};
// Before the run begins a refused worker may be one of ours, whose own sentence ends the run.
constexpr Milliseconds refusal_wait{5000};
// How long a round may wait when only time can change something, and otherwise.
constexpr int short_wait_ms = 50;
constexpr int long_wait_ms = 500;
constexpr std::size_t early_error_lines_max = 10;
constexpr std::size_t early_lines_max = 1000;

sigset_t taken_signals() {
  sigset_t set;
  sigemptyset(&set);
  for (const int number : {SIGINT, SIGTERM, SIGHUP, SIGCHLD}) sigaddset(&set, number);
  return set;
}

}  // namespace

TakenSignals::TakenSignals() {
  const sigset_t set = taken_signals();
  ::pthread_sigmask(SIG_BLOCK, &set, &before_);
  descriptor_ = Descriptor(::signalfd(-1, &set, SFD_CLOEXEC | SFD_NONBLOCK));
}

TakenSignals::~TakenSignals() {
  // One that came too late to matter must not strike when the mask is gone.
  for ([[maybe_unused]] const int number : take()) {
  }
  ::pthread_sigmask(SIG_SETMASK, &before_, nullptr);
}

std::vector<int> TakenSignals::take() {
  std::vector<int> numbers;
  signalfd_siginfo info{};
  while (::read(descriptor_.get(), &info, sizeof info) == sizeof info) {
    numbers.push_back(static_cast<int>(info.ssi_signo));
  }
  return numbers;
}

RunWatch::RunWatch(const RunWatchOptions& options, Screen& screen)
    : options_(options),
      screen_(screen),
      output_({.workers = options.workers, .prefixed = !options.in_process}) {}

void RunWatch::watch_progress(Descriptor progress) {
  set_nonblocking(progress);
  events_ = std::move(progress);
}

void RunWatch::watch_coordinator(ChildProcess coordinator, Descriptor stop) {
  coordinator_.emplace(Watched{.process = std::move(coordinator)});
  stop_ = std::move(stop);
}

void RunWatch::watch_worker(ChildProcess worker) {
  workers_.push_back(Watched{.process = std::move(worker)});
}

std::optional<std::string> RunWatch::until_listening() {
  while (!address_ && !ending_) round();
  return address_;
}

RunEnding RunWatch::until_over() {
  while (!all_ended()) round();
  const Instant now = clock_.now();
  reap(now);  // who ended in the last moment
  take_output(now);
  take_events(now);
  judge(now);
  if (!ending_ && early_) judge_early_end();
  show_refusals(now);
  for (const ShownLine& line : output_.rest()) screen_.line(line.stream, line.text);
  screen_.live("");
  // What the workers did to themselves last; there is nobody left to do anything to.
  if (faults_ != nullptr) static_cast<void>(faults_->look(run_now()));
  RunEnding ending = final_ending();
  if (faults_ != nullptr) ending.unstruck = faults_->unstruck();
  return ending;
}

void RunWatch::end_run(const RunEnding& ending) {
  if (ending_) return;
  ending_ = ending;
  ended_at_ = clock_.now();
  output_.run_ended(ending.sentence);
  // Who is stopped could not hear that the run is over, also where nobody says so any more.
  if (faults_ != nullptr) carry_out(faults_->take({{"event", "run_ended"}}, run_now()));
}

void RunWatch::end_now(const RunEnding& ending) {
  end_run(ending);
  for (Watched& worker : workers_) kill(worker);
  if (coordinator_) kill(*coordinator_);
}

void RunWatch::round() {
  wait_for_something();
  const Instant now = clock_.now();
  take_signals();
  reap(now);  // before the output, so that what a child that has ended wrote is read after its end
  take_output(now);
  take_events(now);
  if (faults_ != nullptr) carry_out(faults_->look(run_now()));
  judge(now);
  mourn_newcomers();
  end_stragglers(now);
  show(now);
}

void RunWatch::wait_for_something() const {
  std::vector<pollfd> waited = {{signals_.descriptor(), POLLIN, 0}};
  const auto add = [&](const Descriptor& descriptor) {
    if (descriptor.open()) waited.push_back({descriptor.get(), POLLIN, 0});
  };
  add(events_);
  if (coordinator_) {
    add(coordinator_->process.out());
    add(coordinator_->process.err());
  }
  for (const Watched& worker : workers_) {
    add(worker.process.out());
    add(worker.process.err());
  }
  const bool time_matters = output_.waiting() || early_ || ending_;
  int wait_ms = time_matters ? short_wait_ms : long_wait_ms;
  if (faults_ != nullptr) {
    const Instant now = run_now();
    if (const auto due = faults_->next_due(now)) {
      // Rounded up: a round before the time would find nothing to do.
      wait_ms = static_cast<int>(std::min<double>(wait_ms, std::ceil((*due - now).value)));
    }
  }
  ::poll(waited.data(), waited.size(), wait_ms);
}

void RunWatch::take_signals() {
  for (const int number : signals_.take()) {
    if (number == SIGCHLD) continue;
    if (++stops_ > 1) {
      end_now({1, "ended at once, as asked for twice"});
      continue;
    }
    screen_.line(Stream::err,
                 "planaria: the step in flight will be the last; a second signal ends "
                 "everything at once");
    if (coordinator_) coordinator_->process.signal(SIGTERM);
    if (options_.in_process) {
      for (Watched& worker : workers_) worker.process.signal(SIGTERM);
    }
  }
}

void RunWatch::take_output(Instant now) {
  for (std::size_t i = 0; i < workers_.size(); ++i) {
    const int worker = static_cast<int>(i);
    Watched& watched = workers_[i];
    const auto take = [&](Descriptor& from, LineBuffer& buffer, Stream stream) {
      const bool was_open = from.open();
      for (const auto& line : buffer.add(read_available(from))) {
        output_.line(worker, stream, line, now);
      }
      if (!was_open || from.open()) return;
      for (const auto& line : buffer.finish()) output_.line(worker, stream, line, now);
    };
    take(watched.process.out(), watched.out, Stream::out);
    take(watched.process.err(), watched.err, Stream::err);
  }
  if (!coordinator_) return;
  // It has nothing to say there, unless an invariant broke.
  for (Descriptor* from : {&coordinator_->process.out(), &coordinator_->process.err()}) {
    for (const auto& line : coordinator_->err.add(read_available(*from))) {
      screen_.line(Stream::err, "coordinator: " + line);
    }
  }
}

void RunWatch::take_events(Instant now) {
  for (const std::string& line : event_lines_.add(read_available(events_))) {
    const Json event = Json::parse(line, nullptr, false);
    if (event.is_object()) take_event(event, now);
  }
}

void RunWatch::take_event(const Json& event, Instant now) {
  if (event.contains("listening")) {
    address_ = event.at("listening").get<std::string>();
    return;
  }
  progress_.take(event);
  const std::string name = event.value("event", "");
  if (name == "worker_joined" || name == "worker_lost") note_member(event, now);
  if (name == "run_started") began_ = true;
  if (name == "run_ended") end_run({event.value("status", 1), event.value("sentence", "")});
  if (name == "refused") {
    refusals_.push_back(
        {fmt::format("planaria: refused {}: {}", event.value("peer", "?"), event.value("why", "?")),
         now + refusal_wait});
  }
  if (faults_ != nullptr) carry_out(faults_->take(event, run_now()));
}

void RunWatch::reap(Instant now) {
  for (std::size_t i = 0; i < workers_.size(); ++i) {
    const auto& end = workers_[i].process.poll();
    if (end && !began_ && !early_ && !ending_) {
      early_ = {static_cast<int>(i), *end, now + early_end_wait};
    }
  }
  if (coordinator_) static_cast<void>(coordinator_->process.poll());
}

void RunWatch::judge(Instant now) {
  if (ending_) return;
  if (coordinator_ && coordinator_->process.poll()) {
    return end_run({1, fmt::format("the coordinator {} in the middle of the run",
                                   text_of(*coordinator_->process.poll()))});
  }
  // In time the run may have begun: then the end was no early one, and the coordinator sees it.
  if (early_ && !began_ && now >= early_->judged) return judge_early_end();
  const bool program_ended =
      options_.in_process && began_ && !workers_.empty() && workers_[0].process.poll();
  if (program_ended) {
    end_run({1, fmt::format("{} {} in the middle of the run", options_.program,
                            text_of(*workers_[0].process.poll()))});
  }
}

void RunWatch::judge_early_end() {
  const auto [worker, end, judged] = *early_;
  const bool bad_input = end.status == 2 && end.signal == 0;
  // What it said tells the user more than we can. The others would say the same.
  const auto errors = output_.held(worker, Stream::err, early_error_lines_max);
  for (const auto& line : errors) screen_.line(Stream::err, line);
  if (end.status == 0) {
    for (const auto& line : output_.held(worker, Stream::out, early_lines_max)) {
      screen_.line(Stream::out, line);
    }
  }
  const std::string sentence =
      options_.in_process
          ? fmt::format("{} {} before the run began", options_.program, text_of(end))
          : fmt::format("worker {} ({}) {} before the run began", worker, options_.program,
                        text_of(end));
  const bool said_enough = bad_input && !errors.empty();
  if (stop_.open()) {
    const std::string why = sentence + "\n";
    [[maybe_unused]] const auto told = ::write(stop_.get(), why.data(), why.size());
  }
  end_run({bad_input ? 2 : 1, said_enough ? std::string() : sentence});
  for (Watched& each : workers_) kill(each);
}

void RunWatch::end_stragglers(Instant now) {
  if (!ending_) return;
  if (now - ended_at_ >= workers_leave_max) {
    for (Watched& worker : workers_) kill(worker);
  }
  if (coordinator_ && now - ended_at_ >= coordinator_leaves_max) kill(*coordinator_);
}

void RunWatch::kill(Watched& watched) {
  if (watched.process.poll()) return;
  watched.killed = true;
  watched.process.signal(SIGKILL, true);
}

void RunWatch::show(Instant now) {
  for (const ShownLine& line : output_.due(now)) screen_.line(line.stream, line.text);
  show_refusals(now);
  if (screen_.has_live_line()) {
    screen_.live(ending_ ? "" : progress_line(progress_, screen_.columns() - 1));
  } else if (options_.plain_progress && pace_.due(progress_, now)) {
    screen_.line(Stream::err, progress_line(progress_, 0));
  }
}

void RunWatch::show_refusals(Instant now) {
  const bool told_otherwise = ending_ && ending_->status == 2;
  while (!refusals_.empty() && (began_ || ending_ || refusals_.front().told <= now)) {
    if (!told_otherwise) screen_.line(Stream::err, refusals_.front().sentence);
    refusals_.pop_front();
  }
}

bool RunWatch::all_ended() {
  // Before the workers start only the coordinator is there, and its end is the run's.
  bool ended = !coordinator_ || coordinator_->process.poll();
  for (Watched& worker : workers_) ended = worker.process.poll().has_value() && ended;
  return ended;
}

RunEnding RunWatch::final_ending() {
  if (!ending_) {
    end_run({1, fmt::format("{} ended without saying how the run ended", options_.program)});
  }
  if (ending_->status != 0) return *ending_;
  for (std::size_t i = 0; i < workers_.size(); ++i) {
    const auto& end = workers_[i].process.poll();
    const Watched& worker = workers_[i];
    // Who was lost, or came too late to join, has no part in how the run ended.
    const bool no_member = worker.lost || !worker.joined || was_struck(i);
    if (worker.killed || no_member || !end || end->status == 0) continue;
    return {1, fmt::format("worker {} {} after the run had ended well", i, text_of(*end))};
  }
  return *ending_;
}

}  // namespace planaria::host
