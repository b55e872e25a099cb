#include <transport/endpoint.hpp>

#include <fmt/format.h>

#include <transport/wire.hpp>

#include <planaria/base/check.hpp>

namespace planaria::transport {
namespace {

Fault transport_closed() {
  return Fault::cancelled("the transport was closed");
}

}  // namespace

void Endpoint::watch(Watcher watcher) {
  loop_.enqueue([this, watcher = std::move(watcher)] { watcher_ = watcher; });
}

void Endpoint::subscribe(FrameKind kind,
                         std::function<void(PeerId, const FrameKey&, Buffer)> handler) {
  loop_.enqueue([this, kind, handler = std::move(handler)] { subscribers_[kind] = handler; });
}

namespace {

std::uint64_t bytes_of(const Pieces& pieces) {
  std::uint64_t bytes = 0;
  for (const auto& piece : pieces) bytes += piece.size();
  return bytes;
}

}  // namespace

void Endpoint::send(PeerId peer, const FrameKey& key, Pieces pieces, SendDone done) {
  const std::uint64_t bytes = bytes_of(pieces);
  begin_send(peer, {key, std::move(pieces), bytes, std::move(done), {}});
}

void Endpoint::post(PeerId peer, const FrameKey& key, Pieces pieces,
                    std::shared_ptr<const void> owner) {
  const std::uint64_t bytes = bytes_of(pieces);
  begin_send(peer, {key, std::move(pieces), bytes, {}, std::move(owner)});
}

void Endpoint::begin_send(PeerId peer, Outgoing frame) {
  if (loop_.run_here([&] { send_now(peer, std::move(frame)); })) return;
  loop_.enqueue(
      [this, peer, frame = std::move(frame)]() mutable { send_now(peer, std::move(frame)); });
}

void Endpoint::sent(Outgoing frame, Result<void> outcome) {
  if (frame.done) loop_.completions().add(std::move(frame.done), std::move(outcome));
}

void Endpoint::send_now(PeerId peer, Outgoing frame) {
  const auto refuse = [&](Fault fault) { sent(std::move(frame), Result<void>(std::move(fault))); };
  if (closing_) return refuse(transport_closed());
  if (frame.payload_bytes > frame_bytes_max_) {
    // Here rather than at the peer, who would have to take it for damage and hang up.
    return refuse(Fault::invalid_input(
        fmt::format("send of {}: {} bytes, frame_bytes_max allows {}", text_of(frame.key),
                    frame.payload_bytes, frame_bytes_max_)));
  }
  const auto found = peers_.find(peer);
  if (found == peers_.end()) {
    return refuse(Fault::peer_lost(
        fmt::format("send of {}: peer {} is not connected", text_of(frame.key), peer)));
  }
  // A copy, since a link that fails at once ends its peer, and with it the table's entry.
  const std::shared_ptr<Link> link = found->second.link;
  link->send(std::move(frame));
}

void Endpoint::receive(PeerId peer, const FrameKey& key, ReceiveDone done) {
  auto ask = [this, peer, key, done = std::move(done)]() mutable {
    if (closing_) {
      loop_.completions().add(std::move(done), Result<Buffer>(transport_closed()));
    } else if (subscribers_.contains(key.kind)) {
      loop_.completions().add(
          std::move(done),
          Result<Buffer>(Fault::invalid_input(fmt::format(
              "receive of {}: this kind is subscribed, so it is never received", text_of(key)))));
    } else {
      inbox_.receive(peer, key, std::move(done));
    }
  };
  if (!loop_.run_here(ask)) loop_.enqueue(std::move(ask));
}

std::optional<Buffer> Endpoint::take_now(PeerId peer, const FrameKey& key) {
  std::optional<Buffer> taken;
  const bool ran = loop_.run_here([&] {
    if (closing_ || subscribers_.contains(key.kind)) return;
    taken = inbox_.take(peer, key);
    const auto found = peers_.find(peer);
    if (taken || found == peers_.end()) return;
    const std::shared_ptr<Link> link = found->second.link;  // reading may end its peer
    link->read_now();
    taken = inbox_.take(peer, key);
  });
  if (!ran) return std::nullopt;
  return taken;
}

void Endpoint::cancel(PeerId peer, const FrameKey& key) {
  loop_.enqueue([this, peer, key] { inbox_.cancel(peer, key); });
}

void Endpoint::advance_view(ViewNumber view) {
  loop_.enqueue([this, view] { inbox_.advance_view(view); });
}

void Endpoint::disconnect(PeerId peer) {
  loop_.enqueue([this, peer] {
    end_peer(peer, Fault::cancelled(fmt::format("peer {} was disconnected by this side", peer)));
  });
}

void Endpoint::add_peer(PeerId peer, PeerInfo info, std::shared_ptr<Link> link, Origin origin) {
  if (closing_) {
    check(link->close().empty(), "a link held frames before its peer was known");
    return;
  }
  if (origin == Origin::they_connected && watcher_.connected) {
    loop_.completions().add(
        [connected = watcher_.connected, peer, info] { connected(peer, info); });
  }
  inbox_.add_peer(peer);
  peers_.emplace(peer, Peer{std::move(info), link});
  link->start();
}

void Endpoint::arrived(PeerId peer, const FrameKey& key, Buffer payload) {
  const auto subscriber = subscribers_.find(key.kind);
  if (subscriber == subscribers_.end()) return inbox_.arrived(peer, key, std::move(payload));
  loop_.completions().add([handler = subscriber->second, peer, key, payload = std::move(payload)] {
    handler(peer, key, payload);
  });
}

void Endpoint::end_peer(PeerId peer, const Fault& fault) {
  const auto found = peers_.find(peer);
  if (found == peers_.end()) return;
  const Peer ended = std::move(found->second);
  peers_.erase(found);
  const Fault of_sends =
      fault.kind == FaultKind::cancelled ? fault : Fault::peer_lost(fault.sentence);
  for (Outgoing& frame : ended.link->close()) {
    sent(std::move(frame), Result<void>(of_sends));
  }
  inbox_.end_peer(peer, fault);
  if (watcher_.lost) {
    loop_.completions().add(
        [lost = watcher_.lost, peer, info = ended.info, fault] { lost(peer, info, fault); });
  }
}

void Endpoint::refused(const std::string& from, const std::string& why) {
  if (!watcher_.refused) return;
  loop_.completions().add([handler = watcher_.refused, from, why] { handler(from, why); });
}

void Endpoint::shut_down() {
  loop_.finish([this] {
    closing_ = true;
    close_listeners();
    while (!peers_.empty()) end_peer(peers_.begin()->first, transport_closed());
  });
}

}  // namespace planaria::transport
