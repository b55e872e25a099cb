// runtime/stop_signals.hpp: SIGINT and SIGTERM as a request to stop. Private.
#pragma once

#include <functional>
#include <string>
#include <thread>

#include <csignal>

namespace planaria::runtime {

/// While it lives, the first SIGINT or SIGTERM calls `on_stop` on a thread of its own; the next of
/// the same kind does what it would have done. A signal that the program handles or ignores itself
/// is left alone. One at a time in a process: signals are the process's, and so is what remembers
/// where to tell of them.
class StopSignals {
 public:
  explicit StopSignals(std::function<void(const std::string& why)> on_stop);
  ~StopSignals();
  StopSignals(const StopSignals&) = delete;
  StopSignals& operator=(const StopSignals&) = delete;

 private:
  struct Taken {
    int number = 0;
    struct sigaction before {};
  };
  void listen(const std::function<void(const std::string& why)>& on_stop) const;

  int read_end_ = -1;
  int write_end_ = -1;
  Taken taken_[2];
  int count_ = 0;
  std::thread thread_;
};

}  // namespace planaria::runtime
