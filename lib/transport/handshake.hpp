// transport/handshake.hpp (private): how two processes prove to each other that they know the
// secret. Is: a state machine, message in, message out; libsodium does the cryptography. Is not:
// sockets or time: whoever drives it closes connections that stay silent. Does not hide the traffic
// that follows.
//
//   connects                               listens
//   hello     {version, worker, nonce}  ->
//                                      <-  challenge {version, nonce}
//   proof     MAC("connects", both)     ->
//                                      <-  welcome   MAC("listens", both)   or  refusal {reason}
//
// The MACs (crypto_auth, keyed by crypto_generichash of the secret) cover both first messages, so
// nothing said before can be changed, and the side that speaks, so no proof can be sent back as
// one's own. The listener proves last: a stranger learns nothing computed from the secret.
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <optional>
#include <span>
#include <string>

#include <planaria/base/ids.hpp>

namespace planaria::transport {

/// Every message has this size: magic, version u32, type u32, worker i32, reason u32, 32 bytes.
inline constexpr std::size_t handshake_bytes = 56;
using HandshakeMessage = std::array<std::byte, handshake_bytes>;
using HandshakeKey = std::array<std::byte, 32>;

/// Returns the key of a secret. Starts libsodium; any thread.
[[nodiscard]] HandshakeKey handshake_key(const std::string& secret);

/// Returns false as soon as `bytes` cannot be the beginning of any handshake message.
[[nodiscard]] bool may_begin_handshake(std::span<const std::byte> bytes);

class Handshake {
 public:
  enum class Side { connects, listens };
  enum class State { going, proven, refused };
  struct Turn {
    State state = State::going;
    std::optional<HandshakeMessage> reply;
    std::string why;  // one sentence, when refused
  };

  /// `self` is told to the listener; a listener's own is ignored.
  Handshake(Side side, const HandshakeKey& key, WorkerId self);
  /// Returns the first message. The side that connects.
  [[nodiscard]] HandshakeMessage hello() const { return hello_; }
  /// Takes the other side's next message. A reply is to be sent also when refused.
  [[nodiscard]] Turn take(const HandshakeMessage& message);
  /// Who the other side says it is, once proven. The side that listens.
  [[nodiscard]] WorkerId worker() const { return worker_; }

 private:
  [[nodiscard]] Turn answer_hello(const HandshakeMessage& message);
  [[nodiscard]] Turn answer_challenge(const HandshakeMessage& message);
  [[nodiscard]] Turn judge_proof(const HandshakeMessage& message);
  [[nodiscard]] Turn judge_welcome(const HandshakeMessage& message);
  [[nodiscard]] HandshakeMessage signed_as(Side side) const;

  Side side_;
  HandshakeKey key_;
  HandshakeMessage hello_{};
  HandshakeMessage challenge_{};
  WorkerId worker_{-2};
  int taken_ = 0;
};

}  // namespace planaria::transport
