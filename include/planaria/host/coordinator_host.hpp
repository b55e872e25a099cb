// host/coordinator_host.hpp: carries out the coordinator's commands. Floor 7, no LibTorch.
// Is: the pure coordinator wired to a transport and a run directory. Runs in a child of
// `planaria run`, or on a thread of a program that trains alone.
#pragma once

#include <functional>
#include <memory>
#include <string>

#include <planaria/base/result.hpp>
#include <planaria/host/run_options.hpp>
#include <planaria/transport/transport.hpp>

namespace planaria::host {

struct RunOutcome {
  int status = 0;        // 0 done, 1 failed, 2 bad input
  std::string sentence;  // why not 0
};

class CoordinatorHost {
 public:
  /// Takes the transport (not yet listening). The run directory, if options name one, must exist
  /// (create_run_directory); it writes run.json, events.jsonl, ledger.jsonl, model.safetensors and
  /// result.json there. `on_event` sees every event as its JSON line, on the thread in wait(); the
  /// last is `run_ended {status, sentence}`.
  CoordinatorHost(RunOptions options, std::unique_ptr<transport::Transport> transport,
                  std::function<void(const Json&)> on_event = {});
  ~CoordinatorHost();
  /// Starts listening at `address`; returns the address workers connect to.
  [[nodiscard]] Result<std::string> listen(const std::string& address);
  /// Runs the coordinator on the calling thread until the run is over; what arrived before waits
  /// for it. After it returns every file is written and every message sent. Once.
  [[nodiscard]] RunOutcome wait();
  /// Asks for a stop (a signal) after the step in flight: any thread, harmless after the end.
  void request_stop(const std::string& why);

 private:
  class Impl;
  std::unique_ptr<Impl> impl_;
};

}  // namespace planaria::host
