// host/child_process.hpp (private): one child, its pipes and its end. Linux.
#pragma once

#include <sys/types.h>

#include <optional>
#include <string>
#include <vector>

#include <planaria/base/result.hpp>

#include "host/descriptor.hpp"

namespace planaria::host {

/// A variable to set, or, with no value, to take away.
struct EnvironmentChange {
  std::string name;
  std::optional<std::string> value;
};

struct ChildOptions {
  std::string program;                 // a path, or a name to look up in PATH
  std::vector<std::string> arguments;  // without argv[0]
  std::vector<EnvironmentChange> environment;
  /// Stays open in the child under the same number; -1: none.
  int inherited = -1;
  int input = -1;  // the child's stdin; -1: /dev/null
};

/// How a child ended.
struct ChildEnd {
  int status = 0;  // exit status, or 128 + signal as a shell counts it
  int signal = 0;  // 0: it exited
};
/// Returns e.g. "exited with status 3", "was killed by signal 9 (Killed)".
[[nodiscard]] std::string text_of(const ChildEnd& end);

/// A pipe whose ends no child inherits unasked.
struct Pipe {
  Descriptor read;
  Descriptor write;
};
[[nodiscard]] Result<Pipe> make_pipe();
void set_nonblocking(const Descriptor& descriptor);
/// Returns what can be read of a non-blocking descriptor now; closes it at the end.
[[nodiscard]] std::string read_available(Descriptor& descriptor);

/// A child process in a process group of its own: signals of the terminal do not reach it, and it
/// dies with the thread that started it (PR_SET_PDEATHSIG). Destruction kills its group.
class ChildProcess {
 public:
  /// Starts it with non-blocking pipes from stdout and stderr. invalid_input where the program
  /// cannot be executed, naming it and the system's reason.
  [[nodiscard]] static Result<ChildProcess> start(const ChildOptions& options);
  ChildProcess(ChildProcess&& other) noexcept;
  ChildProcess& operator=(ChildProcess&& other) noexcept;
  ~ChildProcess();

  [[nodiscard]] pid_t pid() const { return pid_; }
  [[nodiscard]] Descriptor& out() { return out_; }
  [[nodiscard]] Descriptor& err() { return err_; }
  [[nodiscard]] const Descriptor& out() const { return out_; }
  [[nodiscard]] const Descriptor& err() const { return err_; }
  /// Looks whether it has ended, without waiting; the same answer ever after.
  [[nodiscard]] const std::optional<ChildEnd>& poll();
  /// Sends a signal to the child, or with `group` to all it has started; harmless after its end.
  void signal(int number, bool group = false);
  /// Kills the group and waits for the child.
  void kill_and_wait();

 private:
  ChildProcess() = default;
  pid_t pid_ = -1;
  Descriptor out_;
  Descriptor err_;
  std::optional<ChildEnd> end_;
};

/// Returns the path that running `program` would execute, or nothing.
[[nodiscard]] std::optional<std::string> find_program(const std::string& program);

}  // namespace planaria::host
