// Peers that are not a transport: raw sockets that lie, and processes that are killed.
#pragma once

#include <string>

#include <sys/types.h>

#include <transport/sockets.hpp>
#include <transport/wire.hpp>

#include <planaria/base/ids.hpp>

namespace planaria::transport::testing {

/// Opens a blocking-enough connection that has said nothing yet.
[[nodiscard]] Descriptor raw_connection(const std::string& address);
/// Opens a connection that has proven that it knows `secret`.
[[nodiscard]] Descriptor proven_connection(const std::string& address, const std::string& secret,
                                           WorkerId worker);
/// Sends all of `bytes` on a raw connection; returns whether the other side took them.
bool raw_send(const Descriptor& connection, std::span<const std::byte> bytes);
bool raw_send(const Descriptor& connection, const std::string& text);
/// Waits until the other side has closed the connection.
void await_hang_up(const Descriptor& connection);

/// A process of its own that connects to `address`, sends a control frame and half of a 64 MiB one.
class KilledProcess {
 public:
  KilledProcess(const std::string& address, WorkerId worker);
  ~KilledProcess();
  KilledProcess(const KilledProcess&) = delete;
  KilledProcess& operator=(const KilledProcess&) = delete;
  /// Kills it with SIGKILL and waits for its end.
  void kill();

 private:
  pid_t process_ = -1;
};

/// The program of that process: its arguments are the address, the worker, and the secret's file
/// descriptor is standard input. Writes a byte to standard output once half of the frame has left.
inline constexpr const char* victim_program = "transport_victim";
inline constexpr std::size_t victim_frame_bytes = std::size_t{64} << 20;

}  // namespace planaria::transport::testing
