// transport/sockets.hpp (private): opening sockets, and blocking reads and writes with a deadline.
// Is: the system calls, each failure as one sentence. Is not: the loop; nothing here is
// asynchronous. Every descriptor is close-on-exec: one that leaked into a child would keep a
// connection open after this process died, and its peers would never hear of the death.
#pragma once

#include <chrono>
#include <cstddef>
#include <cstdint>
#include <span>
#include <string>
#include <utility>

#include <transport/address.hpp>

namespace planaria::transport {

/// Owns a file descriptor.
class Descriptor {
 public:
  Descriptor() = default;
  explicit Descriptor(int number) : number_(number) {}
  Descriptor(Descriptor&& other) noexcept : number_(other.release()) {}
  Descriptor& operator=(Descriptor&& other) noexcept;
  ~Descriptor();
  [[nodiscard]] int get() const { return number_; }
  [[nodiscard]] bool valid() const { return number_ >= 0; }
  [[nodiscard]] int release() { return std::exchange(number_, -1); }

 private:
  int number_ = -1;
};

using Deadline = std::chrono::steady_clock::time_point;
/// Returns the time `milliseconds` from now; at most a day, so that no sum overflows.
[[nodiscard]] Deadline deadline_in(double milliseconds);

/// A socket file this process made. Removing it leaves a file alone that somebody put in its place.
struct SocketFile {
  std::string path;
  std::uint64_t device = 0;
  std::uint64_t inode = 0;
  void remove() const;
};

struct Listening {
  Descriptor descriptor;
  std::string address;  // with the port the system chose
  SocketFile file;      // empty path for TCP
};

/// Binds and listens, not blocking. unavailable names the address and the system's reason. A socket
/// file nobody listens on is replaced.
[[nodiscard]] Result<Listening> open_listener(const Address& address);
/// Connects, not blocking afterwards. unavailable or timed_out, naming the address. Resolving a
/// name that is no number may take longer than the deadline.
[[nodiscard]] Result<Descriptor> open_connection(const Address& address, Deadline deadline);
/// Sets what every connection wants: no delay for small frames, room for large ones.
void tune_connection(int descriptor);
/// Returns where the other side of an accepted connection is; `listening` for Unix sockets, which
/// have no address of their own, with the process.
[[nodiscard]] std::string text_of_remote(int descriptor, const std::string& listening);

/// Writes or reads all of `bytes`. timed_out, or unavailable when the other side hangs up.
[[nodiscard]] Result<void> write_all(int descriptor, std::span<const std::byte> bytes,
                                     Deadline deadline);
[[nodiscard]] Result<void> read_all(int descriptor, std::span<std::byte> bytes, Deadline deadline);

}  // namespace planaria::transport
