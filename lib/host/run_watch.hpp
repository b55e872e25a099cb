// host/run_watch.hpp (private): watches a run's processes until all have ended.
#pragma once

#include <csignal>
#include <deque>
#include <functional>
#include <map>
#include <optional>
#include <string>
#include <vector>

#include <planaria/base/clock.hpp>
#include <planaria/base/json.hpp>

#include "host/child_process.hpp"
#include "host/descriptor.hpp"
#include "host/fault_driver.hpp"
#include "host/progress.hpp"
#include "host/screen.hpp"
#include "host/worker_output.hpp"

namespace planaria::host {

/// Takes SIGINT, SIGTERM, SIGHUP and SIGCHLD into a descriptor while it lives.
class TakenSignals {
 public:
  TakenSignals();
  ~TakenSignals();
  TakenSignals(const TakenSignals&) = delete;
  TakenSignals& operator=(const TakenSignals&) = delete;
  [[nodiscard]] int descriptor() const { return descriptor_.get(); }
  /// Returns the signals that have come, without waiting.
  [[nodiscard]] std::vector<int> take();

 private:
  sigset_t before_{};
  Descriptor descriptor_;
};

/// How a run ended, and what to say of it.
struct RunEnding {
  int status = 0;
  std::string sentence;  // empty: nothing more to say
  /// Orders of --faults that never struck, as written.
  std::vector<std::string> unstruck = {};
};

struct RunWatchOptions {
  std::string program;      // for sentences
  int workers = 1;          // children that run it
  bool in_process = false;  // one child that hosts the coordinator itself
  bool plain_progress = true;
  double began_ms = 0;  // of the run, on the machine's monotonic clock
  /// Starts one more worker, which asks for this number; needed with faults.
  std::function<Result<ChildProcess>(int number)> start_worker = {};
};

/// Reads what the children write, reaps them, decides when the run is over and ends those that
/// stay. One thread.
class RunWatch {
 public:
  RunWatch(const RunWatchOptions& options, Screen& screen);

  /// Watches the pipe on which events come.
  void watch_progress(Descriptor progress);
  /// Watches the coordinator's child; `stop` is its stdin.
  void watch_coordinator(ChildProcess coordinator, Descriptor stop);
  void watch_worker(ChildProcess worker);
  /// Carries out what `faults` says, from now on. It outlives the watch.
  void watch_faults(FaultDriver& faults) { faults_ = &faults; }

  /// Waits for the coordinator's address; nothing where the run ended first.
  [[nodiscard]] std::optional<std::string> until_listening();
  /// Waits until every child has ended.
  [[nodiscard]] RunEnding until_over();
  /// Ends the run from here: kills every child.
  void end_now(const RunEnding& ending);

  [[nodiscard]] const RunProgress& progress() const { return progress_; }

 private:
  struct Watched {
    ChildProcess process;
    LineBuffer out, err;
    bool killed = false;  // by us
    bool joined = false;  // at least once
    bool lost = false;    // by the coordinator's word, or struck; until it joins again
    bool mourned = false;
  };
  /// A worker that ended before the run began: judged a moment later, since the coordinator's
  /// reason may be on its way.
  struct EarlyEnd {
    int worker = 0;
    ChildEnd end;
    Instant judged;
  };

  void end_run(const RunEnding& ending);
  /// A stranger or misfit that was turned away.
  struct Refusal {
    std::string sentence;
    Instant told;  // by then, if the run has not begun before
  };
  void show_refusals(Instant now);
  void round();
  void wait_for_something() const;
  void take_signals();
  void take_output(Instant now);
  void take_events(Instant now);
  void take_event(const Json& event, Instant now);
  void reap(Instant now);
  void judge(Instant now);
  void judge_early_end();
  void end_stragglers(Instant now);

  // ---- faults on purpose
  [[nodiscard]] Instant run_now() const;
  void carry_out(const std::vector<FaultCommand>& commands);
  void carry_out(const FaultCommand& command);
  void strike(const FaultOrder& order, WorkerId worker, int signal);
  void start_workers(const FaultOrder& order, int count);
  void note_member(const Json& event, Instant now);
  void mourn_newcomers();
  [[nodiscard]] Watched* child_of(WorkerId worker);
  [[nodiscard]] bool was_struck(std::size_t child) const;
  void show(Instant now);
  [[nodiscard]] bool all_ended();
  [[nodiscard]] RunEnding final_ending();
  void kill(Watched& watched);

  RunWatchOptions options_;
  Screen& screen_;
  SystemClock clock_;
  TakenSignals signals_;

  std::optional<Watched> coordinator_;
  std::vector<Watched> workers_;
  std::map<WorkerId, std::size_t> child_of_;  // by the number it has; index into workers_
  FaultDriver* faults_ = nullptr;
  Descriptor events_;
  Descriptor stop_;
  LineBuffer event_lines_;
  WorkerOutput output_;
  RunProgress progress_;
  PlainPace pace_;

  std::optional<std::string> address_;
  bool began_ = false;
  std::optional<EarlyEnd> early_;
  std::deque<Refusal> refusals_;
  std::optional<RunEnding> ending_;
  Instant ended_at_;
  int stops_ = 0;
};

}  // namespace planaria::host
