#include <transport/raw_peer.hpp>

#include <cerrno>
#include <csignal>
#include <filesystem>

#include <fcntl.h>
#include <spawn.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#include <transport/conformance.hpp>
#include <transport/handshake.hpp>

extern char** environ;

namespace planaria::transport::testing {
namespace {

constexpr double long_ms = 60000;  // never meant to pass: ctest's TIMEOUT is what ends a hang

}  // namespace

Descriptor raw_connection(const std::string& address) {
  return open_connection(parse_address(address).value(), deadline_in(long_ms)).value();
}

Descriptor proven_connection(const std::string& address, const std::string& with_secret,
                             WorkerId worker) {
  Descriptor connection = raw_connection(address);
  Handshake handshake(Handshake::Side::connects, handshake_key(with_secret), worker);
  write_all(connection.get(), handshake.hello(), deadline_in(long_ms)).value();
  HandshakeMessage message;
  read_all(connection.get(), message, deadline_in(long_ms)).value();
  write_all(connection.get(), *handshake.take(message).reply, deadline_in(long_ms)).value();
  read_all(connection.get(), message, deadline_in(long_ms)).value();
  check(handshake.take(message).state == Handshake::State::proven, "the listener is no planaria");
  return connection;
}

bool raw_send(const Descriptor& connection, std::span<const std::byte> bytes) {
  return write_all(connection.get(), bytes, deadline_in(long_ms)).ok();
}

bool raw_send(const Descriptor& connection, const std::string& text) {
  return raw_send(connection, std::as_bytes(std::span(text.data(), text.size())));
}

void await_hang_up(const Descriptor& connection) {
  std::byte byte;
  while (read_all(connection.get(), {&byte, 1}, deadline_in(long_ms)).ok()) {
  }
}

KilledProcess::KilledProcess(const std::string& address, WorkerId worker) {
  int ready[2];
  check(::pipe2(ready, O_CLOEXEC) == 0, "no pipe");
  const auto here = std::filesystem::read_symlink("/proc/self/exe").parent_path();
  std::string program = (here / victim_program).string();
  std::string address_argument = address;
  std::string worker_argument = std::to_string(worker.value);
  std::string secret_argument = secret;  // a test's secret is none
  char* arguments[] = {program.data(), address_argument.data(), worker_argument.data(),
                       secret_argument.data(), nullptr};
  posix_spawn_file_actions_t actions;
  posix_spawn_file_actions_init(&actions);
  posix_spawn_file_actions_adddup2(&actions, ready[1], STDOUT_FILENO);
  const int error =
      ::posix_spawn(&process_, program.c_str(), &actions, nullptr, arguments, environ);
  posix_spawn_file_actions_destroy(&actions);
  check(error == 0, "the victim's program cannot be started");
  ::close(ready[1]);
  char byte = 0;
  ssize_t count = 0;
  while ((count = ::read(ready[0], &byte, 1)) < 0 && errno == EINTR) {
  }
  ::close(ready[0]);
  check(count == 1, "the victim ended before it was killed");
}

void KilledProcess::kill() {
  ::kill(process_, SIGKILL);
  int status = 0;
  ::waitpid(process_, &status, 0);
  process_ = -1;
  check(WIFSIGNALED(status) && WTERMSIG(status) == SIGKILL, "the victim died of something else");
}

KilledProcess::~KilledProcess() {
  if (process_ > 0) kill();
}

}  // namespace planaria::transport::testing
