// transport/socket_link.hpp (private): frames over one connected, authenticated socket.
// Is: gather-writes of many frames at once, and reads that land where the payload stays. Is not:
// the handshake (done before) and not matching (inbox.hpp). In a turn of its
// endpoint's loop only.
#pragma once

#include <array>
#include <deque>
#include <memory>
#include <vector>

#include <asio/posix/stream_descriptor.hpp>

#include <transport/endpoint.hpp>
#include <transport/sockets.hpp>
#include <transport/wire.hpp>

namespace planaria::transport {

class SocketLink final : public Link, public std::enable_shared_from_this<SocketLink> {
 public:
  /// Takes a connected, non-blocking stream socket.
  SocketLink(Endpoint& endpoint, PeerId peer, Descriptor descriptor);

  void start() override { read_some(); }
  void send(Outgoing frame) override;
  void read_now() override;
  std::vector<Outgoing> close() override;

 private:
  // A frame being written: its header and pieces, and how far the kernel has taken them.
  struct Writing {
    Outgoing frame;
    HeaderBytes header;
  };

  void wait_readable();
  void read_some();
  /// Reads until the kernel has no more (false) or the turn is over (true).
  bool read_turn();
  void read_ended(int reason);
  void took_in(std::size_t count);
  void header_complete();
  void payload_complete();

  void wait_writable();
  void schedule_write();
  void write_some();
  void took_out(std::size_t count);
  void write_failed(int reason);

  void lost(const std::string& why);

  Endpoint& endpoint_;
  const PeerId peer_;
  asio::posix::stream_descriptor descriptor_;
  bool open_ = true;

  bool waiting_readable_ = false;
  bool in_payload_ = false;  // else in a header
  std::size_t have_ = 0;     // bytes of the header or payload
  HeaderBytes header_in_{};
  FrameHeader incoming_;
  Buffer payload_;

  bool waiting_writable_ = false;
  bool write_scheduled_ = false;
  std::deque<Writing> writing_;
  std::size_t front_taken_ = 0;  // bytes of the front's header and payload
};

}  // namespace planaria::transport
