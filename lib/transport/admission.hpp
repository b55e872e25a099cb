// transport/admission.hpp (private): a connection that has come and has not proven itself yet.
// Is: the listener's side of the handshake, with its time limit. Everything a stranger can do ends
// here: it never reaches the table of peers. I/O thread only.
#pragma once

#include <functional>
#include <memory>
#include <string>

#include <asio/posix/stream_descriptor.hpp>
#include <asio/steady_timer.hpp>

#include <transport/handshake.hpp>
#include <transport/loop.hpp>
#include <transport/sockets.hpp>

namespace planaria::transport {

class Admission : public std::enable_shared_from_this<Admission> {
 public:
  /// Runs once, unless close() came first: either the descriptor is valid and `worker` is who it
  /// proved to be, or `why` says in one sentence why it was refused.
  using Done = std::function<void(Descriptor, WorkerId worker, const std::string& why)>;

  Admission(Loop& loop, Descriptor descriptor, const HandshakeKey& key)
      : loop_(loop),
        descriptor_(loop.context(), descriptor.release()),
        timer_(loop.context()),
        handshake_(Handshake::Side::listens, key, WorkerId{}) {}

  void start(double handshake_ms_max, Done done);
  void close();

 private:
  void wait();
  void read_some();
  void take_message();
  void finish(Descriptor descriptor, const std::string& why);

  Loop& loop_;
  asio::posix::stream_descriptor descriptor_;
  asio::steady_timer timer_;
  Handshake handshake_;
  HandshakeMessage message_{};
  std::size_t have_ = 0;
  Done done_;  // empty once finished
};

}  // namespace planaria::transport
