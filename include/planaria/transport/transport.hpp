// transport/transport.hpp: frames between processes that may vanish. Floor 6.
// Is: one interface over in-process queues, Unix sockets and TCP. Is not: membership (protocol/
// decides who is in) and not encryption: peers are authenticated, traffic is readable.
//
// Threads: every transport owns one I/O thread. Completions, subscribers and watchers run there,
// one at a time; they must not block and must not throw. All calls below are safe from any thread,
// also from inside completions.
#pragma once

#include <functional>
#include <memory>
#include <span>
#include <string>
#include <vector>

#include <planaria/base/ids.hpp>
#include <planaria/base/result.hpp>
#include <planaria/transport/frame.hpp>

namespace planaria::transport {

using SendDone = std::function<void(Result<void>)>;
using ReceiveDone = std::function<void(Result<Buffer>)>;

/// Pieces sent one after another as one payload, so that nobody copies to join them.
using Pieces = std::vector<std::span<const std::byte>>;

/// Connection to one authenticated peer, named by `PeerId`: given by this side, never reused.
using PeerId = std::uint64_t;

/// Who a peer says it is, after the handshake proved that it knows the secret.
struct PeerInfo {
  WorkerId worker;  // coordinator_id, or not_yet_joined; of a peer we connected to: not_yet_joined,
                    // since only the side that connects introduces itself
  std::string address;  // where it connected from or to, for messages
};
/// A worker that has no id yet introduces itself by this one.
inline constexpr WorkerId not_yet_joined{-2};

/// What happens to connections. Runs on the I/O thread.
struct Watcher {
  /// A peer connected to us and is authenticated.
  std::function<void(PeerId, const PeerInfo&)> connected;
  /// The connection ended, exactly once per peer that was connected, whoever had opened it, and
  /// after all that was pending with it. peer_lost, corrupt, exhausted (no memory for its frame),
  /// cancelled.
  std::function<void(PeerId, const PeerInfo&, const Fault&)> lost;
  /// A stranger was turned away: wrong secret, garbage, wrong version; `why` is one sentence.
  std::function<void(const std::string& from, const std::string& why)> refused;
};

class Transport {
 public:
  /// Cancels everything pending (each completion runs once, with `cancelled`), closes all peers and
  /// joins the I/O thread. Must not run on the I/O thread.
  virtual ~Transport() = default;

  /// Sets who hears of connections. Before listen() and connect().
  virtual void watch(Watcher watcher) = 0;
  /// Sets who hears frames of `kind`; such frames are never matched to receives. Before listen().
  virtual void subscribe(FrameKind kind,
                         std::function<void(PeerId, const FrameKey&, Buffer)> handler) = 0;

  /// Starts to accept peers at `address`: "unix:/path", "tcp:127.0.0.1:0" (0: any free port) or
  /// "in-process:name". Returns the address others can connect to. invalid_input for an address
  /// that cannot be read, unavailable where it is in use, naming it.
  [[nodiscard]] virtual Result<std::string> listen(const std::string& address) = 0;
  /// Connects and authenticates; blocks at most `timeout_ms` (resolving a host name may add to
  /// that). Introduces itself as `self`. The peer's first frames may reach subscribers before this
  /// returns. invalid_input as listen(); unavailable where nobody listens, or who listens is no
  /// planaria or has another secret; timed_out. It does not try again. Inside a completion it
  /// blocks the I/O thread: never connect to the own transport there.
  [[nodiscard]] virtual Result<PeerId> connect(const std::string& address, WorkerId self,
                                               double timeout_ms) = 0;

  /// Sends one frame. Borrows the pieces until `done` runs, exactly once: ok when the kernel (or
  /// the peer's queue) has taken every byte, peer_lost, cancelled. Frames to one peer arrive in the
  /// order of the calls. An unknown or lost peer completes with peer_lost, more bytes than
  /// frame_bytes_max with invalid_input. Ok does not mean that the peer has it: it may die with its
  /// buffers full.
  virtual void send(PeerId peer, const FrameKey& key, Pieces pieces, SendDone done) = 0;

  /// Sends one frame and forgets it: the pieces live in `owner`, which goes when the kernel has
  /// every byte, or with the connection; a loss is told by the watcher alone. Order as send(), and
  /// cheaper: no callback has to wake the I/O thread.
  virtual void post(PeerId peer, const FrameKey& key, Pieces pieces,
                    std::shared_ptr<const void> owner) = 0;

  /// Asks for the frame `key` from `peer`, whether it has come already or comes later. `done` runs
  /// exactly once: the payload, 64-byte aligned; peer_lost; corrupt (checksum); stale_view when
  /// advance_view() passes key.view; cancelled. At most one receive per (peer, key) at a time: a
  /// second one, or one of a subscribed kind, ends with invalid_input. A frame that came whole
  /// before its peer was lost is still handed out, so that what is found does not depend on who was
  /// faster.
  virtual void receive(PeerId peer, const FrameKey& key, ReceiveDone done) = 0;
  /// Ends the pending receive of (peer, key) with `cancelled`; harmless where there is none.
  virtual void cancel(PeerId peer, const FrameKey& key) = 0;

  /// Refuses frames of views below `view` from now on (matched kinds only; subscribers judge their
  /// own): queued ones are dropped, pending receives of them end with stale_view. Frames of newer
  /// views are kept until asked for. Never goes back.
  virtual void advance_view(ViewNumber view) = 0;

  /// Closes one connection; its pending operations end with `cancelled`, and `lost` runs. Frames
  /// from it that nobody asked for are dropped.
  virtual void disconnect(PeerId peer) = 0;
};

struct TransportOptions {
  /// Shared by every process of a run; from PLANARIA_SECRET_FILE or a file, never an argument.
  /// At least 16 bytes.
  std::string secret;
  /// Refuses frames longer than this, so that a stranger's or a broken peer's length cannot exhaust
  /// memory. 1 MiB to 1 TiB.
  std::uint64_t frame_bytes_max = std::uint64_t{1} << 34;
  /// A connection that has not finished its handshake by then is closed. 100 ms to 60 s.
  double handshake_ms_max = 5000;
};

/// Both socket families in one: the address decides. invalid_input for a secret that is too short.
[[nodiscard]] Result<std::unique_ptr<Transport>> make_socket_transport(
    const TransportOptions& options);

/// Endpoints in one process find each other through a hub, which must outlive them.
class InProcessHub;
[[nodiscard]] std::shared_ptr<InProcessHub> make_in_process_hub();
[[nodiscard]] Result<std::unique_ptr<Transport>> make_in_process_transport(
    std::shared_ptr<InProcessHub> hub, const TransportOptions& options);

/// Blocking faces for compute threads; never call them on an I/O thread.
[[nodiscard]] Result<Buffer> wait_receive(Transport& transport, PeerId peer, const FrameKey& key);
[[nodiscard]] Result<void> wait_send(Transport& transport, PeerId peer, const FrameKey& key,
                                     Pieces pieces);

}  // namespace planaria::transport
