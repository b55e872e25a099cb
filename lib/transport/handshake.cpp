#include <transport/handshake.hpp>

#include <algorithm>
#include <cstring>
#include <string_view>
#include <vector>

#include <fmt/format.h>
#include <sodium.h>

#include <planaria/base/check.hpp>

namespace planaria::transport {
namespace {

static_assert(crypto_auth_KEYBYTES == 32 && crypto_auth_BYTES == 32);

constexpr std::string_view magic = "planaria";
constexpr std::uint32_t protocol_version = 1;
constexpr std::size_t body_bytes = 32;
constexpr std::size_t body_at = handshake_bytes - body_bytes;

enum class Type : std::uint32_t { hello = 1, challenge = 2, proof = 3, welcome = 4, refusal = 5 };
enum class Reason : std::uint32_t { none = 0, version = 1, secret = 2, message = 3 };

// The numbers between magic and body.
struct Fields {
  std::uint32_t version = protocol_version;
  Type type = Type::hello;
  std::int32_t worker = -2;
  Reason reason = Reason::none;
};
static_assert(sizeof(Fields) == body_at - magic.size());

HandshakeMessage compose(const Fields& fields) {
  HandshakeMessage message{};
  std::memcpy(message.data(), magic.data(), magic.size());
  std::memcpy(message.data() + magic.size(), &fields, sizeof fields);
  return message;
}

HandshakeMessage compose_with_nonce(const Fields& fields) {
  HandshakeMessage message = compose(fields);
  randombytes_buf(message.data() + body_at, body_bytes);
  return message;
}

Fields fields_of(const HandshakeMessage& message) {
  Fields fields;
  std::memcpy(&fields, message.data() + magic.size(), sizeof fields);
  return fields;
}

Handshake::Turn refuse(Reason reason, std::string why) {
  return {Handshake::State::refused, compose({.type = Type::refusal, .reason = reason}),
          std::move(why)};
}

Handshake::Turn refuse_silently(std::string why) {
  return {Handshake::State::refused, std::nullopt, std::move(why)};
}

std::string other_version(std::uint32_t version) {
  return fmt::format("it speaks version {} of the handshake, this is version {}", version,
                     protocol_version);
}

const unsigned char* unsigned_bytes(const std::byte* bytes) {
  return reinterpret_cast<const unsigned char*>(bytes);
}

unsigned char* unsigned_bytes(std::byte* bytes) {
  return reinterpret_cast<unsigned char*>(bytes);
}

}  // namespace

HandshakeKey handshake_key(const std::string& secret) {
  check(sodium_init() >= 0, "libsodium cannot start");
  HandshakeKey key;
  crypto_generichash(unsigned_bytes(key.data()), key.size(),
                     reinterpret_cast<const unsigned char*>(secret.data()), secret.size(), nullptr,
                     0);
  return key;
}

bool may_begin_handshake(std::span<const std::byte> bytes) {
  const std::size_t count = std::min(bytes.size(), magic.size());
  return count == 0 || std::memcmp(bytes.data(), magic.data(), count) == 0;
}

Handshake::Handshake(Side side, const HandshakeKey& key, WorkerId self) : side_(side), key_(key) {
  if (side_ == Side::connects) {
    hello_ = compose_with_nonce({.type = Type::hello, .worker = self.value});
  }
}

Handshake::Turn Handshake::take(const HandshakeMessage& message) {
  if (!may_begin_handshake(message)) return refuse_silently("what it sent is no handshake");
  const int turn = taken_++;
  if (side_ == Side::listens) return turn == 0 ? answer_hello(message) : judge_proof(message);
  return turn == 0 ? answer_challenge(message) : judge_welcome(message);
}

Handshake::Turn Handshake::answer_hello(const HandshakeMessage& message) {
  const Fields fields = fields_of(message);
  if (fields.version != protocol_version) {
    return refuse(Reason::version, other_version(fields.version));
  }
  if (fields.type != Type::hello || fields.worker < -2) {
    return refuse(Reason::message, "its first message is no hello");
  }
  hello_ = message;
  challenge_ = compose_with_nonce({.type = Type::challenge});
  return {State::going, challenge_, ""};
}

Handshake::Turn Handshake::answer_challenge(const HandshakeMessage& message) {
  const Fields fields = fields_of(message);
  if (fields.type == Type::refusal && fields.reason == Reason::version) {
    return refuse_silently(other_version(fields.version));
  }
  if (fields.version != protocol_version) return refuse_silently(other_version(fields.version));
  if (fields.type != Type::challenge) return refuse_silently("its first message is no challenge");
  challenge_ = message;
  return {State::going, signed_as(Side::connects), ""};
}

Handshake::Turn Handshake::judge_proof(const HandshakeMessage& message) {
  const HandshakeMessage expected = signed_as(Side::connects);
  if (fields_of(message).type != Type::proof) {
    return refuse(Reason::message, "its second message is no proof");
  }
  if (sodium_memcmp(message.data() + body_at, expected.data() + body_at, body_bytes) != 0) {
    return refuse(Reason::secret, "it does not know the secret");
  }
  worker_ = WorkerId(fields_of(hello_).worker);
  return {State::proven, signed_as(Side::listens), ""};
}

Handshake::Turn Handshake::judge_welcome(const HandshakeMessage& message) {
  const Fields fields = fields_of(message);
  if (fields.type == Type::refusal && fields.reason == Reason::secret) {
    return refuse_silently("it refused us: its secret is another");
  }
  const HandshakeMessage expected = signed_as(Side::listens);
  if (fields.type != Type::welcome ||
      sodium_memcmp(message.data() + body_at, expected.data() + body_at, body_bytes) != 0) {
    return refuse_silently("it does not prove that it knows the secret");
  }
  return {State::proven, std::nullopt, ""};
}

HandshakeMessage Handshake::signed_as(Side side) const {
  const std::string_view role = side == Side::connects ? "connects" : "listens";
  std::vector<std::byte> transcript;
  const auto append = [&](const auto& bytes) {
    const auto* first = reinterpret_cast<const std::byte*>(bytes.data());
    transcript.insert(transcript.end(), first, first + bytes.size());
  };
  append(role);
  append(hello_);
  append(challenge_);
  HandshakeMessage message =
      compose({.type = side == Side::connects ? Type::proof : Type::welcome});
  crypto_auth(unsigned_bytes(message.data() + body_at), unsigned_bytes(transcript.data()),
              transcript.size(), unsigned_bytes(key_.data()));
  return message;
}

}  // namespace planaria::transport
