// The transports under test. Each brings: make(options), address() to listen at, and a victim.
#pragma once

#include <filesystem>
#include <string>
#include <tuple>

#include <unistd.h>

#include <transport/conformance.hpp>
#include <transport/raw_peer.hpp>

namespace planaria::transport::testing {

/// A peer that dies in the middle of a frame. Constructed: it has connected to `address` as worker
/// `victim_id` and sent a control frame and then less than all of a large one. kill() ends it.
inline constexpr WorkerId victim_id{13};

/// In one process nobody can be killed: the endpoint is destroyed, and the frame it was sending is
/// the one it never sent.
class InProcessVictim {
 public:
  InProcessVictim(std::unique_ptr<Transport> transport, const std::string& address)
      : transport_(std::move(transport)) {
    const PeerId peer = transport_->connect(address, victim_id, 60000).value();
    wait_send(*transport_, peer, key_of(FrameKind::control), {}).value();
  }
  void kill() { transport_.reset(); }

 private:
  std::unique_ptr<Transport> transport_;
};

struct InProcess {
  using Victim = InProcessVictim;
  static constexpr bool has_sockets = false;
  std::shared_ptr<InProcessHub> hub = make_in_process_hub();
  std::unique_ptr<Transport> make(const TransportOptions& options) const {
    return make_in_process_transport(hub, options).value();
  }
  std::string address() const { return "in-process:a"; }
  Victim victim(const std::string& address) const { return {make({.secret = secret}), address}; }
};

struct TcpSockets {
  using Victim = KilledProcess;
  static constexpr bool has_sockets = true;
  std::unique_ptr<Transport> make(const TransportOptions& options) const {
    return make_socket_transport(options).value();
  }
  std::string address() const { return "tcp:127.0.0.1:0"; }
  Victim victim(const std::string& address) const { return {address, victim_id}; }
};

/// A directory of its own, removed at the end.
class TemporaryDirectory {
 public:
  TemporaryDirectory() {
    std::string name = (std::filesystem::temp_directory_path() / "planaria-XXXXXX").string();
    REQUIRE(::mkdtemp(name.data()) != nullptr);
    path_ = name;
  }
  ~TemporaryDirectory() { std::filesystem::remove_all(path_); }
  TemporaryDirectory(const TemporaryDirectory&) = delete;
  TemporaryDirectory& operator=(const TemporaryDirectory&) = delete;
  [[nodiscard]] const std::filesystem::path& path() const { return path_; }

 private:
  std::filesystem::path path_;
};

struct UnixSockets : TcpSockets {
  TemporaryDirectory directory;
  std::string address() const { return "unix:" + (directory.path() / "a.sock").string(); }
};

using AllTransports = std::tuple<InProcess, TcpSockets, UnixSockets>;
using SocketTransports = std::tuple<TcpSockets, UnixSockets>;

}  // namespace planaria::transport::testing
