// transport/inbox.hpp (private): matches frames that came to receives that were posted. Pure, one
// thread: no sockets, no clock. Callbacks go to a Completions and run when its owner says so.
// Is not: subscribed kinds, which never come here.
#pragma once

#include <cstddef>
#include <deque>
#include <map>
#include <optional>
#include <set>
#include <utility>

#include <transport/completions.hpp>

#include <planaria/transport/transport.hpp>

namespace planaria::transport {

class Inbox {
 public:
  /// Borrows `completions` for its whole life.
  explicit Inbox(Completions& completions) : completions_(completions) {}

  void add_peer(PeerId peer);
  /// Hands a frame to the receive that waits for it, else keeps it; of an older view: drops it.
  void arrived(PeerId peer, const FrameKey& key, Buffer payload);
  /// Posts a receive. Ends at once for a view that has passed (stale_view), a frame that has come,
  /// a peer that is lost or unknown (peer_lost), a second receive of the same key (invalid_input).
  void receive(PeerId peer, const FrameKey& key, ReceiveDone done);
  /// Returns a frame that has come and nobody asked for yet, if receive() would hand it out.
  [[nodiscard]] std::optional<Buffer> take(PeerId peer, const FrameKey& key);
  void cancel(PeerId peer, const FrameKey& key);
  /// Ends receives of views below `view` with stale_view and drops kept frames of them.
  void advance_view(ViewNumber view);
  /// Ends every receive from `peer` with `fault`. Frames that had come whole stay to be asked for,
  /// unless the fault is `cancelled`: then this side wanted no more of them.
  void end_peer(PeerId peer, const Fault& fault);

  [[nodiscard]] std::size_t waiting() const { return receives_.size(); }
  /// Frames kept until somebody asks for them.
  [[nodiscard]] std::size_t kept() const { return kept_; }

 private:
  using Place = std::pair<PeerId, FrameKey>;

  Completions& completions_;
  ViewNumber view_;
  std::set<PeerId> connected_;
  std::map<Place, ReceiveDone> receives_;
  std::map<Place, std::deque<Buffer>> frames_;  // in order of arrival within one key
  std::size_t kept_ = 0;
};

}  // namespace planaria::transport
