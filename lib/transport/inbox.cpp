#include <transport/inbox.hpp>

#include <limits>

#include <fmt/format.h>

#include <transport/wire.hpp>

namespace planaria::transport {

void Inbox::add_peer(PeerId peer) {
  connected_.insert(peer);
}

void Inbox::arrived(PeerId peer, const FrameKey& key, Buffer payload) {
  if (key.view < view_) return;
  const Place place{peer, key};
  if (const auto receive = receives_.find(place); receive != receives_.end()) {
    completions_.add(std::move(receive->second), Result<Buffer>(std::move(payload)));
    receives_.erase(receive);
    return;
  }
  frames_[place].push_back(std::move(payload));
  ++kept_;
}

std::optional<Buffer> Inbox::take(PeerId peer, const FrameKey& key) {
  if (key.view < view_) return std::nullopt;
  const auto found = frames_.find({peer, key});
  if (found == frames_.end()) return std::nullopt;
  Buffer payload = std::move(found->second.front());
  found->second.pop_front();
  if (found->second.empty()) frames_.erase(found);
  --kept_;
  return payload;
}

void Inbox::receive(PeerId peer, const FrameKey& key, ReceiveDone done) {
  const auto end = [&](Result<Buffer> outcome) {
    completions_.add(std::move(done), std::move(outcome));
  };
  if (key.view < view_) {
    return end(Fault::stale_view(
        fmt::format("receive of {}: the view is {} by now", text_of(key), view_.value)));
  }
  if (auto payload = take(peer, key)) return end(std::move(*payload));
  const Place place{peer, key};
  if (!connected_.contains(peer)) {
    return end(Fault::peer_lost(
        fmt::format("receive of {}: peer {} is not connected", text_of(key), peer)));
  }
  if (receives_.contains(place)) {
    return end(Fault::invalid_input(
        fmt::format("receive of {}: one from peer {} is already pending", text_of(key), peer)));
  }
  receives_.emplace(place, std::move(done));
}

void Inbox::cancel(PeerId peer, const FrameKey& key) {
  const auto receive = receives_.find({peer, key});
  if (receive == receives_.end()) return;
  completions_.add(
      std::move(receive->second),
      Result<Buffer>(Fault::cancelled(fmt::format("receive of {} was cancelled", text_of(key)))));
  receives_.erase(receive);
}

void Inbox::advance_view(ViewNumber view) {
  if (view <= view_) return;
  view_ = view;
  for (auto it = receives_.begin(); it != receives_.end();) {
    const FrameKey& key = it->first.second;
    if (key.view >= view) {
      ++it;
      continue;
    }
    completions_.add(std::move(it->second),
                     Result<Buffer>(Fault::stale_view(fmt::format(
                         "receive of {}: the view is {} by now", text_of(key), view.value))));
    it = receives_.erase(it);
  }
  for (auto it = frames_.begin(); it != frames_.end();) {
    if (it->first.second.view >= view) {
      ++it;
      continue;
    }
    kept_ -= it->second.size();
    it = frames_.erase(it);
  }
}

void Inbox::end_peer(PeerId peer, const Fault& fault) {
  connected_.erase(peer);
  // Keys are ordered by peer first, so that a peer's receives and frames lie together.
  const auto of_peer = [peer](const auto& entry) { return entry.first.first == peer; };
  const FrameKey lowest{static_cast<FrameKind>(0),
                        ViewNumber(std::numeric_limits<std::int64_t>::min()),
                        Step(std::numeric_limits<std::int64_t>::min()),
                        LayerId(std::numeric_limits<std::int32_t>::min()),
                        MicroBatchId(std::numeric_limits<std::int32_t>::min()),
                        std::numeric_limits<std::int32_t>::min()};
  for (auto it = receives_.lower_bound({peer, lowest}); it != receives_.end() && of_peer(*it);) {
    completions_.add(std::move(it->second), Result<Buffer>(fault));
    it = receives_.erase(it);
  }
  if (fault.kind != FaultKind::cancelled) return;
  for (auto it = frames_.lower_bound({peer, lowest}); it != frames_.end() && of_peer(*it);) {
    kept_ -= it->second.size();
    it = frames_.erase(it);
  }
}

}  // namespace planaria::transport
