// The transports under test. A new one joins with a class like these and one word.
#pragma once

#include <string>
#include <tuple>

#include <unistd.h>

#include <transport/conformance.hpp>
#include <transport/raw_peer.hpp>

#include "support/temporary_folder.hpp"

namespace planaria::transport::testing {

/// In one process nobody can be killed: the endpoint is destroyed, and the frame it was sending is
/// the one it never sent.
class DestroyedEndpoint final : public Victim {
 public:
  DestroyedEndpoint(std::unique_ptr<Transport> transport, const std::string& address)
      : transport_(std::move(transport)) {
    const PeerId peer = transport_->connect(address, victim_id, 60000).value();
    wait_send(*transport_, peer, key_of(FrameKind::control), {}).value();
  }
  void kill() override { transport_.reset(); }

 private:
  std::unique_ptr<Transport> transport_;
};

class InProcess final : public Kind {
 public:
  std::unique_ptr<Transport> make(const TransportOptions& options) const override {
    return make_in_process_transport(hub_, options).value();
  }
  std::string address() const override { return "in-process:a"; }
  std::unique_ptr<Victim> victim(const std::string& address) const override {
    return std::make_unique<DestroyedEndpoint>(make({.secret = secret}), address);
  }
  bool sends_wait() const override { return false; }

 private:
  std::shared_ptr<InProcessHub> hub_ = make_in_process_hub();
};

class TcpSockets : public Kind {
 public:
  std::unique_ptr<Transport> make(const TransportOptions& options) const override {
    return make_socket_transport(options).value();
  }
  std::string address() const override { return "tcp:127.0.0.1:0"; }
  std::unique_ptr<Victim> victim(const std::string& address) const override {
    return std::make_unique<KilledProcess>(address, victim_id);
  }
  bool sends_wait() const override { return true; }
};

class UnixSockets final : public TcpSockets {
 public:
  std::string address() const override { return "unix:" + directory_.file("a.sock"); }

 private:
  test::TemporaryFolder directory_;
};

using AllTransports = std::tuple<InProcess, TcpSockets, UnixSockets>;
using SocketTransports = std::tuple<TcpSockets, UnixSockets>;

}  // namespace planaria::transport::testing
