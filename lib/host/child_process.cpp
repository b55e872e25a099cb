#include "host/child_process.hpp"

#include <fcntl.h>
#include <sys/prctl.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include <array>
#include <cerrno>
#include <csignal>
#include <cstdlib>
#include <cstring>
#include <map>
#include <string_view>
#include <utility>

#include <fmt/format.h>

#include <planaria/base/check.hpp>
#include <planaria/base/text.hpp>

extern char** environ;  // NOLINT: the name is POSIX's

namespace planaria::host {
namespace {

std::vector<std::string> changed_environment(const std::vector<EnvironmentChange>& changes) {
  std::map<std::string, std::string> variables;
  for (char** entry = environ; *entry != nullptr; ++entry) {
    const std::string_view text(*entry);
    const std::size_t equals = text.find('=');
    if (equals == std::string_view::npos) continue;
    variables[std::string(text.substr(0, equals))] = std::string(text.substr(equals + 1));
  }
  for (const EnvironmentChange& change : changes) {
    if (change.value) {
      variables[change.name] = *change.value;
    } else {
      variables.erase(change.name);
    }
  }
  std::vector<std::string> entries;
  for (const auto& [name, value] : variables) entries.push_back(name + "=" + value);
  return entries;
}

std::vector<char*> pointers_to(std::vector<std::string>& texts) {
  std::vector<char*> pointers;
  for (std::string& text : texts) pointers.push_back(text.data());
  pointers.push_back(nullptr);
  return pointers;
}

/// All that the child needs between fork and exec, where nothing may allocate.
struct Prepared {
  const char* path = nullptr;
  char* const* arguments = nullptr;
  char* const* environment = nullptr;
  int input = -1, out = -1, err = -1, inherited = -1, failure = -1;
  pid_t parent = -1;
};

[[noreturn]] void become(const Prepared& prepared) {
  ::setpgid(0, 0);
  ::prctl(PR_SET_PDEATHSIG, SIGKILL);
  if (::getppid() != prepared.parent) ::_exit(127);  // the parent died before prctl
  sigset_t none;
  sigemptyset(&none);
  ::sigprocmask(SIG_SETMASK, &none, nullptr);
  ::signal(SIGPIPE, SIG_DFL);
  const bool placed = ::dup2(prepared.input, STDIN_FILENO) >= 0 &&
                      ::dup2(prepared.out, STDOUT_FILENO) >= 0 &&
                      ::dup2(prepared.err, STDERR_FILENO) >= 0 &&
                      (prepared.inherited < 0 || ::fcntl(prepared.inherited, F_SETFD, 0) == 0);
  if (placed) ::execve(prepared.path, prepared.arguments, prepared.environment);
  const int reason = errno;
  [[maybe_unused]] const auto told = ::write(prepared.failure, &reason, sizeof reason);
  ::_exit(127);
}

bool executable_file(const std::string& path) {
  struct stat status {};
  return ::stat(path.c_str(), &status) == 0 && S_ISREG(status.st_mode) &&
         ::access(path.c_str(), X_OK) == 0;
}

}  // namespace

Result<Pipe> make_pipe() {
  int ends[2] = {-1, -1};
  if (::pipe2(ends, O_CLOEXEC) != 0) {
    return Fault::exhausted(fmt::format("no pipe: {}", std::strerror(errno)));
  }
  return Pipe{Descriptor(ends[0]), Descriptor(ends[1])};
}

void set_nonblocking(const Descriptor& descriptor) {
  ::fcntl(descriptor.get(), F_SETFL, ::fcntl(descriptor.get(), F_GETFL) | O_NONBLOCK);
}

std::string read_available(Descriptor& descriptor) {
  std::string bytes;
  std::array<char, 16384> buffer{};
  while (descriptor.open()) {
    const ssize_t count = ::read(descriptor.get(), buffer.data(), buffer.size());
    if (count < 0) break;  // nothing now, or interrupted: the next round asks again
    if (count == 0) descriptor.close();
    bytes.append(buffer.data(), static_cast<std::size_t>(count));
  }
  return bytes;
}

std::string text_of(const ChildEnd& end) {
  if (end.signal == 0) return fmt::format("exited with status {}", end.status);
  return fmt::format("was killed by signal {} ({})", end.signal, ::strsignal(end.signal));
}

std::optional<std::string> find_program(const std::string& program) {
  if (program.empty()) return std::nullopt;
  if (program.find('/') != std::string::npos) {
    if (executable_file(program)) return program;
    return std::nullopt;
  }
  const char* path = std::getenv("PATH");
  for (const std::string& folder : split(path == nullptr ? "/usr/bin:/bin" : path, ':')) {
    std::string candidate = (folder.empty() ? "." : folder) + "/" + program;
    if (executable_file(candidate)) return candidate;
  }
  return std::nullopt;
}

Result<ChildProcess> ChildProcess::start(const ChildOptions& options) {
  const auto path = find_program(options.program);
  if (!path) {
    return Fault::invalid_input(
        fmt::format("program {}: no such executable file", options.program));
  }
  PLANARIA_TRY(out, make_pipe());
  PLANARIA_TRY(err, make_pipe());
  PLANARIA_TRY(failure, make_pipe());
  const Descriptor null(::open("/dev/null", O_RDONLY | O_CLOEXEC));

  std::vector<std::string> arguments = {options.program};
  arguments.insert(arguments.end(), options.arguments.begin(), options.arguments.end());
  std::vector<std::string> environment = changed_environment(options.environment);
  const std::vector<char*> argument_pointers = pointers_to(arguments);
  const std::vector<char*> environment_pointers = pointers_to(environment);
  const Prepared prepared{.path = path->c_str(),
                          .arguments = argument_pointers.data(),
                          .environment = environment_pointers.data(),
                          .input = options.input < 0 ? null.get() : options.input,
                          .out = out.write.get(),
                          .err = err.write.get(),
                          .inherited = options.inherited,
                          .failure = failure.write.get(),
                          .parent = ::getpid()};
  ChildProcess child;
  child.pid_ = ::fork();
  if (child.pid_ == 0) become(prepared);
  if (child.pid_ < 0) {
    return Fault::exhausted(fmt::format("no child process: {}", std::strerror(errno)));
  }
  ::setpgid(child.pid_, child.pid_);  // in both, so that either may come first
  failure.write.close();
  int reason = 0;
  if (::read(failure.read.get(), &reason, sizeof reason) == sizeof reason) {
    child.kill_and_wait();
    return Fault::invalid_input(
        fmt::format("program {}: cannot be executed: {}", options.program, std::strerror(reason)));
  }
  child.out_ = std::move(out.read);
  child.err_ = std::move(err.read);
  set_nonblocking(child.out_);
  set_nonblocking(child.err_);
  return child;
}

ChildProcess::ChildProcess(ChildProcess&& other) noexcept
    : pid_(std::exchange(other.pid_, -1)),
      out_(std::move(other.out_)),
      err_(std::move(other.err_)),
      end_(std::move(other.end_)) {}

ChildProcess& ChildProcess::operator=(ChildProcess&& other) noexcept {
  if (this != &other) {
    kill_and_wait();
    pid_ = std::exchange(other.pid_, -1);
    out_ = std::move(other.out_);
    err_ = std::move(other.err_);
    end_ = std::move(other.end_);
  }
  return *this;
}

ChildProcess::~ChildProcess() {
  kill_and_wait();
}

namespace {

ChildEnd end_of(int wait_status) {
  if (WIFSIGNALED(wait_status)) {
    return {.status = 128 + WTERMSIG(wait_status), .signal = WTERMSIG(wait_status)};
  }
  return {.status = WEXITSTATUS(wait_status), .signal = 0};
}

}  // namespace

const std::optional<ChildEnd>& ChildProcess::poll() {
  int status = 0;
  if (!end_ && pid_ > 0 && ::waitpid(pid_, &status, WNOHANG) == pid_) end_ = end_of(status);
  return end_;
}

void ChildProcess::signal(int number, bool group) {
  if (pid_ > 0 && !end_) ::kill(group ? -pid_ : pid_, number);
}

void ChildProcess::kill_and_wait() {
  if (pid_ <= 0 || end_) return;
  signal(SIGKILL, true);
  int status = 0;
  while (::waitpid(pid_, &status, 0) < 0 && errno == EINTR) {
  }
  end_ = end_of(status);
}

}  // namespace planaria::host
