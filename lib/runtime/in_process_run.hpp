// runtime/in_process_run.hpp: a run whose coordinator lives in this process. Private.
// Is: the hub, the coordinator on a thread of its own, and the signals that stop it. Is not: the
// workers, who run on the caller's threads.
#pragma once

#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <thread>

#include <planaria/base/json.hpp>
#include <planaria/base/result.hpp>
#include <planaria/host/coordinator_host.hpp>
#include <planaria/host/run_options.hpp>
#include <planaria/transport/transport.hpp>

#include "runtime/stop_signals.hpp"

namespace planaria::runtime {

class InProcessRun {
 public:
  InProcessRun(host::RunOptions run, std::function<void(const Json&)> on_event);
  /// Waits for the coordinator, which ends when every worker is done or gone.
  ~InProcessRun();
  InProcessRun(const InProcessRun&) = delete;
  InProcessRun& operator=(const InProcessRun&) = delete;

  /// Starts the coordinator. SIGINT and SIGTERM then stop the run after the step in flight, a
  /// second one ends the process, unless the program has handlers of its own.
  [[nodiscard]] Result<void> begin();
  /// Where workers find the coordinator. After begin().
  [[nodiscard]] const std::string& address() const { return address_; }
  /// A transport for one more worker.
  [[nodiscard]] std::unique_ptr<transport::Transport> endpoint() const;
  /// Waits for the coordinator's end and returns how the run ended. Every worker must be done.
  [[nodiscard]] host::RunOutcome end();

 private:
  std::shared_ptr<transport::InProcessHub> hub_;
  std::unique_ptr<host::CoordinatorHost> coordinator_;
  std::string address_;
  std::optional<host::RunOutcome> outcome_;  // written by thread_
  std::thread thread_;
  std::optional<StopSignals> signals_;
};

}  // namespace planaria::runtime
