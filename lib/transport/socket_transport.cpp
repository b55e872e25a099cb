// Sockets: listening, connecting, and who is let in. Frames are socket_link.cpp's.
#include <cerrno>
#include <cstring>
#include <map>
#include <set>

#include <sys/socket.h>

#include <fmt/format.h>
#include <asio/posix/stream_descriptor.hpp>
#include <asio/steady_timer.hpp>

#include <transport/address.hpp>
#include <transport/admission.hpp>
#include <transport/endpoint.hpp>
#include <transport/handshake.hpp>
#include <transport/options.hpp>
#include <transport/socket_link.hpp>
#include <transport/sockets.hpp>

namespace planaria::transport {
namespace {

// A listening socket on the loop. Its file, if it has one, goes with it.
struct Listener {
  Listener(asio::io_context& context, Listening listening)
      : descriptor(context, listening.descriptor.release()),
        retry(context),
        address(std::move(listening.address)),
        file(std::move(listening.file)) {}
  asio::posix::stream_descriptor descriptor;
  asio::steady_timer retry;
  std::string address;
  SocketFile file;
  bool open = true;
};

class SocketTransport final : public Endpoint {
 public:
  explicit SocketTransport(const TransportOptions& options)
      : Endpoint(options.frame_bytes_max),
        key_(handshake_key(options.secret)),
        handshake_ms_max_(options.handshake_ms_max) {}
  ~SocketTransport() override { shut_down(); }

  Result<std::string> listen(const std::string& address) override;
  Result<PeerId> connect(const std::string& address, WorkerId self, double timeout_ms) override;

 private:
  void close_listeners() override;
  void wait_for_strangers(const std::shared_ptr<Listener>& listener);
  void accept_some(const std::shared_ptr<Listener>& listener);
  void admit(Descriptor descriptor, const std::string& from);
  [[nodiscard]] Result<void> prove(int descriptor, WorkerId self, Deadline deadline) const;

  const HandshakeKey key_;
  const double handshake_ms_max_;
  std::set<std::shared_ptr<Listener>> listeners_;
  std::set<std::shared_ptr<Admission>> admissions_;
};

Result<Address> socket_address(const std::string& text) {
  PLANARIA_TRY(address, parse_address(text));
  if (address.family == AddressFamily::in_process) {
    return Fault::invalid_input(fmt::format(
        "address \"{}\": this transport takes unix:PATH, tcp:HOST:PORT and HOST:PORT", text));
  }
  return address;
}

Result<std::string> SocketTransport::listen(const std::string& address) {
  PLANARIA_TRY(read, socket_address(address));
  PLANARIA_TRY(listening, open_listener(read));
  const std::string reachable_at = listening.address;
  const auto listener = std::make_shared<Listener>(loop().context(), std::move(listening));
  loop().enqueue([this, listener] {
    listeners_.insert(listener);
    wait_for_strangers(listener);
  });
  return reachable_at;
}

void SocketTransport::wait_for_strangers(const std::shared_ptr<Listener>& listener) {
  listener->descriptor.async_wait(
      asio::posix::descriptor_base::wait_read,
      loop().handler([this, listener](const asio::error_code&) { accept_some(listener); }));
}

void SocketTransport::accept_some(const std::shared_ptr<Listener>& listener) {
  while (listener->open) {
    Descriptor descriptor(::accept4(listener->descriptor.native_handle(), nullptr, nullptr,
                                    SOCK_CLOEXEC | SOCK_NONBLOCK));
    if (descriptor.valid()) {
      tune_connection(descriptor.get());
      const std::string from = text_of_remote(descriptor.get(), listener->address);
      admit(std::move(descriptor), from);
      continue;
    }
    if (errno == EAGAIN || errno == EWOULDBLOCK) return wait_for_strangers(listener);
    if (errno == EMFILE || errno == ENFILE || errno == ENOBUFS || errno == ENOMEM) {
      // The stranger stays in the queue; asking again at once would only spin.
      refused(listener->address, fmt::format("nobody can be accepted: {}", std::strerror(errno)));
      listener->retry.expires_after(std::chrono::milliseconds(100));
      listener->retry.async_wait(
          loop().handler([this, listener](const asio::error_code&) { accept_some(listener); }));
      return;
    }
    // Anything else concerns the one connection that was to be accepted.
  }
}

void SocketTransport::admit(Descriptor descriptor, const std::string& from) {
  const auto admission = std::make_shared<Admission>(loop(), std::move(descriptor), key_);
  admissions_.insert(admission);
  // The set owns the admission and the admission owns this callback: it must not own it back.
  admission->start(
      handshake_ms_max_, [this, from, admitted = admission.get()](
                             Descriptor proven, WorkerId worker, const std::string& why) {
        std::erase_if(admissions_, [&](const auto& entry) { return entry.get() == admitted; });
        if (!proven.valid()) return refused(from, why);
        const PeerId peer = next_peer();
        add_peer(peer, {worker, from}, std::make_shared<SocketLink>(*this, peer, std::move(proven)),
                 Origin::they_connected);
      });
}

Result<PeerId> SocketTransport::connect(const std::string& address, WorkerId self,
                                        double timeout_ms) {
  PLANARIA_TRY(read, socket_address(address));
  if (read.family == AddressFamily::tcp && read.port == 0) {
    return Fault::invalid_input(
        fmt::format("address \"{}\": port 0 can be listened on, not connected to", address));
  }
  const std::string text = text_of(read);
  const Deadline deadline = deadline_in(timeout_ms);
  PLANARIA_TRY(descriptor, open_connection(read, deadline));
  // On the caller's thread: it waits anyway, and the I/O thread has better things to do.
  if (const Result<void> proven = prove(descriptor.get(), self, deadline); !proven.ok()) {
    return Fault{proven.fault().kind,
                 fmt::format("{}: no handshake: {}", text, proven.fault().sentence)};
  }
  const PeerId peer = next_peer();
  const auto shared = std::make_shared<Descriptor>(std::move(descriptor));
  loop().enqueue([this, peer, text, shared] {
    add_peer(peer, {not_yet_joined, text},
             std::make_shared<SocketLink>(*this, peer, std::move(*shared)), Origin::we_connected);
  });
  return peer;
}

Result<void> SocketTransport::prove(int descriptor, WorkerId self, Deadline deadline) const {
  Handshake handshake(Handshake::Side::connects, key_, self);
  std::optional<HandshakeMessage> next = handshake.hello();
  while (true) {
    if (next) PLANARIA_TRY_VOID(write_all(descriptor, *next, deadline));
    HandshakeMessage message;
    PLANARIA_TRY_VOID(read_all(descriptor, message, deadline));
    const Handshake::Turn turn = handshake.take(message);
    if (turn.state == Handshake::State::refused) return Fault::unavailable(turn.why);
    if (turn.state == Handshake::State::proven) return {};
    next = turn.reply;
  }
}

void SocketTransport::close_listeners() {
  for (const auto& listener : listeners_) {
    listener->open = false;
    listener->retry.cancel();
    asio::error_code ignored;
    listener->descriptor.close(ignored);
    listener->file.remove();
  }
  listeners_.clear();
  for (const auto& admission : admissions_) admission->close();
  admissions_.clear();
}

}  // namespace

Result<std::unique_ptr<Transport>> make_socket_transport(const TransportOptions& options) {
  PLANARIA_TRY_VOID(check_options(options));
  return std::unique_ptr<Transport>(std::make_unique<SocketTransport>(options));
}

}  // namespace planaria::transport
