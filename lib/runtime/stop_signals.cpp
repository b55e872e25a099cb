#include "runtime/stop_signals.hpp"

#include <atomic>
#include <cerrno>
#include <cstring>

#include <fcntl.h>
#include <unistd.h>

#include <fmt/format.h>

namespace planaria::runtime {
namespace {

// A handler has no other way to know: the one process-wide variable of the library.
std::atomic<int> write_end_of_handler{-1};

constexpr unsigned char end_of_listening = 0;  // no signal has this number

// Only what may be done in a handler: one write.
void tell(int number) {
  const int saved = errno;
  const auto byte = static_cast<unsigned char>(number);
  const int descriptor = write_end_of_handler.load();
  if (descriptor >= 0) {
    [[maybe_unused]] const auto written = ::write(descriptor, &byte, 1);
  }
  errno = saved;
}

}  // namespace

StopSignals::StopSignals(std::function<void(const std::string& why)> on_stop) {
  int ends[2];
  if (::pipe2(ends, O_CLOEXEC) != 0) return;  // then signals do what they always did
  read_end_ = ends[0];
  write_end_ = ends[1];
  int expected = -1;
  if (write_end_of_handler.compare_exchange_strong(expected, write_end_)) {
    for (const int number : {SIGINT, SIGTERM}) {
      struct sigaction now {};
      ::sigaction(number, nullptr, &now);
      if ((now.sa_flags & SA_SIGINFO) != 0 || now.sa_handler != SIG_DFL) continue;
      struct sigaction ours {};
      ours.sa_handler = tell;
      ours.sa_flags = SA_RESTART | static_cast<int>(SA_RESETHAND);
      ::sigemptyset(&ours.sa_mask);
      ::sigaction(number, &ours, &taken_[count_].before);
      taken_[count_++].number = number;
    }
  }
  thread_ = std::thread([this, on_stop = std::move(on_stop)] { listen(on_stop); });
}

StopSignals::~StopSignals() {
  for (int i = 0; i < count_; ++i) ::sigaction(taken_[i].number, &taken_[i].before, nullptr);
  int ours = write_end_;
  if (write_end_ >= 0) write_end_of_handler.compare_exchange_strong(ours, -1);
  if (thread_.joinable()) {
    [[maybe_unused]] const auto written = ::write(write_end_, &end_of_listening, 1);
    thread_.join();
  }
  if (read_end_ >= 0) ::close(read_end_);
  if (write_end_ >= 0) ::close(write_end_);
}

void StopSignals::listen(const std::function<void(const std::string& why)>& on_stop) const {
  unsigned char byte = 0;
  while (::read(read_end_, &byte, 1) == 1 || errno == EINTR) {
    if (byte == end_of_listening) return;
    on_stop(fmt::format("signal {} ({})", byte, ::strsignal(byte)));
  }
}

}  // namespace planaria::runtime
