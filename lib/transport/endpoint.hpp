// transport/endpoint.hpp (private): what every transport does the same way.
// Is: the loop, the inbox, the table of peers, and how a connection begins and ends. A transport
// adds listen(), connect() and a Link that moves frames. Is not: sockets or queues.
//
// Threads: enter through the public calls, from any; all state is touched in a turn of the loop.
#pragma once

#include <atomic>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include <transport/inbox.hpp>
#include <transport/loop.hpp>

#include <planaria/transport/transport.hpp>

namespace planaria::transport {

/// One frame on its way out. The pieces are borrowed until `done` is added to the completions, or
/// live in `owner`.
struct Outgoing {
  FrameKey key;
  Pieces pieces;
  std::uint64_t payload_bytes = 0;
  SendDone done = {};  // empty: nobody wants to hear
  std::shared_ptr<const void> owner = {};
};

/// The way to one peer. In a turn of its loop only.
class Link {
 public:
  virtual ~Link() = default;
  /// Begins to read. After the peer is known to the endpoint.
  virtual void start() = 0;
  virtual void send(Outgoing frame) = 0;
  /// Takes in what has come, without waiting.
  virtual void read_now() {}
  /// Ends the connection for both sides and returns what was not sent, in order.
  [[nodiscard]] virtual std::vector<Outgoing> close() = 0;
};

class Endpoint : public Transport {
 public:
  explicit Endpoint(std::uint64_t frame_bytes_max)
      : frame_bytes_max_(frame_bytes_max), inbox_(loop_.completions()) {}

  void watch(Watcher watcher) final;
  void subscribe(FrameKind kind,
                 std::function<void(PeerId, const FrameKey&, Buffer)> handler) final;
  void send(PeerId peer, const FrameKey& key, Pieces pieces, SendDone done) final;
  void post(PeerId peer, const FrameKey& key, Pieces pieces,
            std::shared_ptr<const void> owner) final;
  void receive(PeerId peer, const FrameKey& key, ReceiveDone done) final;
  void cancel(PeerId peer, const FrameKey& key) final;
  void advance_view(ViewNumber view) final;
  void disconnect(PeerId peer) final;

  /// Returns the frame if it is here by now, looking once whether the peer has sent it; nothing
  /// where that cannot be told without waiting. Not on the I/O thread.
  [[nodiscard]] std::optional<Buffer> take_now(PeerId peer, const FrameKey& key);

  // For links and listeners. In a turn of the loop, but for next_peer().

  /// Whose side opened the connection: only one that came to us is told to Watcher::connected.
  enum class Origin { they_connected, we_connected };
  /// Returns a number for a new peer. Any thread.
  [[nodiscard]] PeerId next_peer() { return next_peer_.fetch_add(1); }
  void add_peer(PeerId peer, PeerInfo info, std::shared_ptr<Link> link, Origin origin);
  void arrived(PeerId peer, const FrameKey& key, Buffer payload);
  /// Ends a connection, once; later calls for the same peer do nothing. Its sends end with
  /// `cancelled` if the fault is that, else peer_lost; its receives and the watcher get `fault`.
  void end_peer(PeerId peer, const Fault& fault);
  void refused(const std::string& from, const std::string& why);
  /// Ends a frame: its owner goes, and `done`, where there is one, hears of it.
  void sent(Outgoing frame, Result<void> outcome);
  [[nodiscard]] bool closing() const { return closing_; }
  [[nodiscard]] std::uint64_t frame_bytes_max() const { return frame_bytes_max_; }
  [[nodiscard]] Loop& loop() { return loop_; }

 protected:
  /// Every transport's destructor calls it first: ends all peers with `cancelled`, then joins.
  void shut_down();
  /// Closes listeners and unfinished handshakes. I/O thread, once.
  virtual void close_listeners() = 0;

 private:
  struct Peer {
    PeerInfo info;
    std::shared_ptr<Link> link;
  };
  void begin_send(PeerId peer, Outgoing frame);
  void send_now(PeerId peer, Outgoing frame);

  const std::uint64_t frame_bytes_max_;
  Loop loop_;
  Inbox inbox_;
  Watcher watcher_;
  std::map<FrameKind, std::function<void(PeerId, const FrameKey&, Buffer)>> subscribers_;
  std::map<PeerId, Peer> peers_;
  std::atomic<PeerId> next_peer_{1};
  bool closing_ = false;
};

}  // namespace planaria::transport
