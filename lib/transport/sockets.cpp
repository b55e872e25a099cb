#include <transport/sockets.hpp>

#include <algorithm>
#include <cerrno>
#include <cmath>
#include <cstdlib>
#include <cstring>
#include <memory>
#include <optional>
#include <vector>

#include <net/if.h>
#include <netdb.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <poll.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#include <fmt/format.h>

namespace planaria::transport {
namespace {

// A socket address of any family, as bind() and connect() want it.
struct SocketAddress {
  sockaddr_storage storage{};
  socklen_t bytes = 0;
  [[nodiscard]] const sockaddr* get() const { return reinterpret_cast<const sockaddr*>(&storage); }
  [[nodiscard]] int family() const { return storage.ss_family; }
};

Fault unavailable(const Address& address, int reason) {
  return Fault::unavailable(fmt::format("{}: {}", text_of(address), std::strerror(reason)));
}

SocketAddress unix_address(const std::string& path) {
  SocketAddress result;
  sockaddr_un address{};
  address.sun_family = AF_UNIX;
  std::memcpy(address.sun_path, path.data(), path.size());
  std::memcpy(&result.storage, &address, sizeof address);
  result.bytes = sizeof address;
  return result;
}

// Every address a host name stands for, in the system's order of preference.
Result<std::vector<SocketAddress>> resolve(const Address& address, bool to_listen) {
  if (address.family == AddressFamily::unix_socket) {
    return std::vector<SocketAddress>{unix_address(address.name)};
  }
  addrinfo hints{};
  hints.ai_socktype = SOCK_STREAM;
  hints.ai_flags = AI_NUMERICSERV | (to_listen ? AI_PASSIVE : 0);
  addrinfo* raw = nullptr;
  const int error =
      ::getaddrinfo(address.name.c_str(), std::to_string(address.port).c_str(), &hints, &raw);
  if (error != 0) {
    return Fault::unavailable(fmt::format("{}: the host cannot be resolved: {}", text_of(address),
                                          ::gai_strerror(error)));
  }
  const std::unique_ptr<addrinfo, decltype(&::freeaddrinfo)> list(raw, ::freeaddrinfo);
  std::vector<SocketAddress> found;
  for (const addrinfo* entry = list.get(); entry != nullptr; entry = entry->ai_next) {
    SocketAddress one;
    std::memcpy(&one.storage, entry->ai_addr, entry->ai_addrlen);
    one.bytes = entry->ai_addrlen;
    found.push_back(one);
  }
  return found;
}

Descriptor open_socket(int family) {
  return Descriptor(::socket(family, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0));
}

std::string text_of_address(const sockaddr_storage& storage) {
  char host[INET6_ADDRSTRLEN + IF_NAMESIZE + 1] = "";
  char port[16] = "0";
  ::getnameinfo(reinterpret_cast<const sockaddr*>(&storage), sizeof storage, host, sizeof host,
                port, sizeof port, NI_NUMERICHOST | NI_NUMERICSERV);
  const auto number = static_cast<std::uint16_t>(std::strtoul(port, nullptr, 10));
  return text_of(Address{AddressFamily::tcp, host, number});
}

/// Waits until `events` or the deadline; returns whether they came. The deadline is looked at even
/// when the descriptor is always ready.
bool wait_for(int descriptor, short events, Deadline deadline) {
  while (true) {
    const auto left =
        std::chrono::ceil<std::chrono::milliseconds>(deadline - std::chrono::steady_clock::now());
    if (left.count() <= 0) return false;
    pollfd entry{descriptor, events, 0};
    const int ready = ::poll(&entry, 1, static_cast<int>(left.count()));
    if (ready > 0) return true;
    if (ready < 0 && errno != EINTR) return true;  // the next call on it tells what is wrong
  }
}

// Returns 0 or the system's reason; ETIMEDOUT also for our own deadline.
int connect_by(int descriptor, const SocketAddress& to, Deadline deadline) {
  while (::connect(descriptor, to.get(), to.bytes) != 0) {
    if (errno == EINTR) continue;
    if (errno == EISCONN) return 0;
    if (errno == EAGAIN) {
      // A Unix listener whose queue is full; there is no event for room in it.
      if (std::chrono::steady_clock::now() >= deadline) return ETIMEDOUT;
      ::poll(nullptr, 0, 1);
      continue;
    }
    if (errno != EINPROGRESS && errno != EALREADY) return errno;
    if (!wait_for(descriptor, POLLOUT, deadline)) return ETIMEDOUT;
    int error = 0;
    socklen_t bytes = sizeof error;
    ::getsockopt(descriptor, SOL_SOCKET, SO_ERROR, &error, &bytes);
    return error;
  }
  return 0;
}

// True when `path` is a socket file that nobody listens on any more: its process was killed.
bool is_stale(const std::string& path) {
  struct stat status {};
  if (::lstat(path.c_str(), &status) != 0 || !S_ISSOCK(status.st_mode)) return false;
  const Descriptor probe = open_socket(AF_UNIX);
  const SocketAddress address = unix_address(path);
  return ::connect(probe.get(), address.get(), address.bytes) != 0 && errno == ECONNREFUSED;
}

Result<Listening> listen_at(const Address& address, const SocketAddress& at) {
  Descriptor descriptor = open_socket(at.family());
  if (!descriptor.valid()) return unavailable(address, errno);
  const bool is_unix = at.family() == AF_UNIX;
  if (is_unix) {
    ::fchmod(descriptor.get(), 0600);  // the socket file's mode: for nobody else's processes
  } else {
    const int yes = 1;  // a port whose last connections still time out is free
    ::setsockopt(descriptor.get(), SOL_SOCKET, SO_REUSEADDR, &yes, sizeof yes);
  }
  if (::bind(descriptor.get(), at.get(), at.bytes) != 0) {
    const int reason = errno;
    if (!is_unix || reason != EADDRINUSE || !is_stale(address.name)) {
      return unavailable(address, reason);
    }
    ::unlink(address.name.c_str());
    if (::bind(descriptor.get(), at.get(), at.bytes) != 0) return unavailable(address, errno);
  }
  Listening result;
  result.address = text_of(address);
  if (is_unix) {
    struct stat status {};
    ::lstat(address.name.c_str(), &status);
    result.file = {address.name, status.st_dev, status.st_ino};
  }
  if (::listen(descriptor.get(), SOMAXCONN) != 0) {
    const int reason = errno;
    result.file.remove();
    return unavailable(address, reason);
  }
  if (!is_unix) {
    sockaddr_storage bound{};
    socklen_t bytes = sizeof bound;
    ::getsockname(descriptor.get(), reinterpret_cast<sockaddr*>(&bound), &bytes);
    result.address = text_of_address(bound);
  }
  result.descriptor = std::move(descriptor);
  return result;
}

}  // namespace

Descriptor& Descriptor::operator=(Descriptor&& other) noexcept {
  if (this != &other) {
    if (valid()) ::close(number_);
    number_ = other.release();
  }
  return *this;
}

Descriptor::~Descriptor() {
  if (valid()) ::close(number_);
}

Deadline deadline_in(double milliseconds) {
  constexpr double day_ms = 86400000.0;
  const double bounded = std::isnan(milliseconds) ? 0.0 : std::clamp(milliseconds, 0.0, day_ms);
  return std::chrono::steady_clock::now() +
         std::chrono::microseconds(static_cast<std::int64_t>(bounded * 1000.0));
}

void SocketFile::remove() const {
  struct stat status {};
  if (path.empty() || ::lstat(path.c_str(), &status) != 0) return;
  if (status.st_dev == device && status.st_ino == inode) ::unlink(path.c_str());
}

Result<Listening> open_listener(const Address& address) {
  PLANARIA_TRY(places, resolve(address, true));
  std::optional<Fault> first_fault;
  for (const SocketAddress& at : places) {
    Result<Listening> listening = listen_at(address, at);
    if (listening.ok()) return listening;
    if (!first_fault) first_fault = listening.fault();
  }
  return first_fault.value_or(unavailable(address, EADDRNOTAVAIL));
}

Result<Descriptor> open_connection(const Address& address, Deadline deadline) {
  PLANARIA_TRY(places, resolve(address, false));
  int reason = EADDRNOTAVAIL;
  for (const SocketAddress& to : places) {
    Descriptor descriptor = open_socket(to.family());
    if (!descriptor.valid()) return unavailable(address, errno);
    tune_connection(descriptor.get());
    reason = connect_by(descriptor.get(), to, deadline);
    if (reason == 0) return descriptor;
  }
  if (reason == ETIMEDOUT) {
    return Fault::timed_out(fmt::format("{}: no answer in time", text_of(address)));
  }
  return unavailable(address, reason);
}

void tune_connection(int descriptor) {
  int family = 0;
  socklen_t bytes = sizeof family;
  ::getsockopt(descriptor, SOL_SOCKET, SO_DOMAIN, &family, &bytes);
  if (family == AF_UNIX) {
    // TCP's buffers are left alone: setting them turns off the system's own tuning.
    const int send_bytes = 1 << 20;
    ::setsockopt(descriptor, SOL_SOCKET, SO_SNDBUF, &send_bytes, sizeof send_bytes);
    return;
  }
  const int yes = 1;
  ::setsockopt(descriptor, IPPROTO_TCP, TCP_NODELAY, &yes, sizeof yes);
}

std::string text_of_remote(int descriptor, const std::string& listening) {
  sockaddr_storage remote{};
  socklen_t bytes = sizeof remote;
  if (::getpeername(descriptor, reinterpret_cast<sockaddr*>(&remote), &bytes) == 0 &&
      remote.ss_family != AF_UNIX) {
    return text_of_address(remote);
  }
  ucred credentials{};
  bytes = sizeof credentials;
  if (::getsockopt(descriptor, SOL_SOCKET, SO_PEERCRED, &credentials, &bytes) == 0) {
    return fmt::format("{} (process {})", listening, credentials.pid);
  }
  return listening;
}

Result<void> write_all(int descriptor, std::span<const std::byte> bytes, Deadline deadline) {
  while (!bytes.empty()) {
    if (!wait_for(descriptor, POLLOUT, deadline)) return Fault::timed_out("no answer in time");
    const ssize_t count =
        ::send(descriptor, bytes.data(), bytes.size(), MSG_NOSIGNAL | MSG_DONTWAIT);
    if (count >= 0) {
      bytes = bytes.subspan(static_cast<std::size_t>(count));
    } else if (errno != EINTR && errno != EAGAIN) {
      return Fault::unavailable(std::strerror(errno));
    }
  }
  return {};
}

Result<void> read_all(int descriptor, std::span<std::byte> bytes, Deadline deadline) {
  while (!bytes.empty()) {
    if (!wait_for(descriptor, POLLIN, deadline)) return Fault::timed_out("no answer in time");
    const ssize_t count = ::recv(descriptor, bytes.data(), bytes.size(), MSG_DONTWAIT);
    if (count > 0) {
      bytes = bytes.subspan(static_cast<std::size_t>(count));
    } else if (count == 0) {
      return Fault::unavailable("the other side hung up");
    } else if (errno != EINTR && errno != EAGAIN) {
      return Fault::unavailable(std::strerror(errno));
    }
  }
  return {};
}

}  // namespace planaria::transport
