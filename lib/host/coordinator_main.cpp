// The coordinator as a child of `planaria run`: its environment, its progress pipe, its signals.
#include <poll.h>
#include <sys/eventfd.h>
#include <sys/signalfd.h>
#include <unistd.h>

#include <array>
#include <cerrno>
#include <charconv>
#include <csignal>
#include <cstdlib>
#include <cstring>
#include <string_view>
#include <thread>
#include <utility>

#include <fmt/format.h>

#include <planaria/host/launcher.hpp>

#include "host/descriptor.hpp"
#include "host/worker_output.hpp"

namespace planaria::host {
namespace {

Result<std::string> required_variable(const char* name) {
  const char* value = std::getenv(name);
  if (value == nullptr) {
    return Fault::invalid_input(
        fmt::format("{}: not set; `planaria coordinator` is started by `planaria run`", name));
  }
  return std::string(value);
}

Json ended(int status, const std::string& sentence) {
  return {{"event", "run_ended"}, {"status", status}, {"sentence", sentence}};
}

/// Turns signals and lines on stdin into stops, on a thread of its own, while it lives. Signals
/// must be blocked before any thread starts.
class StopListener {
 public:
  StopListener(const sigset_t& signals, CoordinatorHost& host)
      : signals_(::signalfd(-1, &signals, SFD_CLOEXEC | SFD_NONBLOCK)),
        end_(::eventfd(0, EFD_CLOEXEC)),
        thread_([this, &host] { listen(host); }) {}
  ~StopListener() {
    const std::uint64_t one = 1;
    [[maybe_unused]] const auto told = ::write(end_.get(), &one, sizeof one);
    thread_.join();
  }
  StopListener(const StopListener&) = delete;
  StopListener& operator=(const StopListener&) = delete;

 private:
  void listen(CoordinatorHost& host) {
    LineBuffer lines;
    std::array<pollfd, 3> waited = {
        pollfd{end_.get(), POLLIN, 0}, {signals_.get(), POLLIN, 0}, {STDIN_FILENO, POLLIN, 0}};
    while (true) {
      if (::poll(waited.data(), waited.size(), -1) < 0 && errno != EINTR) return;
      if (waited[0].revents != 0) return;
      signalfd_siginfo info{};
      while (::read(signals_.get(), &info, sizeof info) == sizeof info) {
        host.request_stop(fmt::format("signal {} ({})", info.ssi_signo,
                                      ::strsignal(static_cast<int>(info.ssi_signo))));
      }
      if (waited[2].revents == 0) continue;
      std::array<char, 4096> buffer{};
      const ssize_t count = ::read(STDIN_FILENO, buffer.data(), buffer.size());
      if (count <= 0) {
        waited[2].fd = -1;  // nobody will say anything more there
        continue;
      }
      for (const auto& line : lines.add({buffer.data(), static_cast<std::size_t>(count)})) {
        host.request_stop(line);
      }
    }
  }

  Descriptor signals_;
  Descriptor end_;
  std::thread thread_;
};

Result<RunOptions> options_from_environment() {
  PLANARIA_TRY(text, required_variable(env_run_options));
  PLANARIA_TRY(json, parse_json(text, env_run_options));
  return run_options_from_json(json, env_run_options);
}

Result<std::unique_ptr<transport::Transport>> transport_from_environment() {
  PLANARIA_TRY(secret_file, required_variable(env_secret_file));
  PLANARIA_TRY(secret, read_secret(secret_file));
  return transport::make_socket_transport({.secret = std::move(secret)});
}

/// Runs the coordinator to its end. A fault is one of the input: nothing has begun.
Result<RunOutcome> coordinate(const sigset_t& signals,
                              const std::function<void(const Json&)>& progress) {
  PLANARIA_TRY(options, options_from_environment());
  PLANARIA_TRY(transport, transport_from_environment());
  const std::string address = options.listen;
  CoordinatorHost host(std::move(options), std::move(transport), progress);
  const auto listening = host.listen(address);
  if (!listening) {
    const Fault& fault = listening.fault();
    return Fault{fault.kind, "--listen: " + fault.sentence};
  }
  progress({{"listening", listening.value()}});
  const StopListener listener(signals, host);
  return host.wait();
}

}  // namespace

std::function<void(const Json&)> progress_from_environment() {
  const char* number = std::getenv(env_progress_fd);
  if (number == nullptr) return {};
  const std::string_view text(number);
  int descriptor = -1;
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), descriptor);
  if (error != std::errc() || end != text.data() + text.size() || descriptor < 0) return {};
  return [descriptor](const Json& event) {
    const std::string line = event.dump() + "\n";
    std::string_view rest = line;
    while (!rest.empty()) {
      const ssize_t written = ::write(descriptor, rest.data(), rest.size());
      if (written < 0 && errno == EINTR) continue;
      if (written <= 0) return;  // nobody watches any more; the run goes on
      rest.remove_prefix(static_cast<std::size_t>(written));
    }
  };
}

int coordinator_main() {
  sigset_t signals;
  sigemptyset(&signals);
  for (const int number : {SIGINT, SIGTERM, SIGHUP}) sigaddset(&signals, number);
  ::pthread_sigmask(SIG_BLOCK, &signals, nullptr);
  ::signal(SIGPIPE, SIG_IGN);
  const auto progress = progress_from_environment();
  if (!progress) {
    fmt::print(stderr,
               "planaria: {}: not set; `planaria coordinator` is started by `planaria "
               "run`\n",
               env_progress_fd);
    return 2;
  }
  const Result<RunOutcome> outcome = coordinate(signals, progress);
  if (outcome.ok()) return outcome.value().status;
  progress(ended(2, outcome.fault().sentence));
  return 2;
}

}  // namespace planaria::host
