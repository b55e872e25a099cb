// The handshake as a conversation of two state machines, with every kind of liar.
#include <catch2/catch.hpp>

#include <cstring>

#include <transport/handshake.hpp>

namespace planaria::transport {
namespace {

using State = Handshake::State;
using Side = Handshake::Side;

const HandshakeKey right = handshake_key("the secret of this run");
const HandshakeKey wrong = handshake_key("the secret of another run");

// Two sides that have said hello and challenge.
struct Talk {
  Handshake connecting;
  Handshake listening;
  HandshakeMessage challenge;
  Talk(const HandshakeKey& connecting_key, const HandshakeKey& listening_key)
      : connecting(Side::connects, connecting_key, WorkerId(3)),
        listening(Side::listens, listening_key, WorkerId(0)),
        challenge(listening.take(connecting.hello()).reply.value()) {}
};

HandshakeMessage with_number(HandshakeMessage message, std::size_t at, std::uint32_t number) {
  std::memcpy(message.data() + at, &number, sizeof number);
  return message;
}

constexpr std::size_t version_at = 8;
constexpr std::size_t worker_at = 16;

}  // namespace

TEST_CASE("two sides with one secret prove it to each other, and the worker is known") {
  Talk talk(right, right);
  const auto proof = talk.connecting.take(talk.challenge);
  REQUIRE(proof.state == State::going);
  const auto welcome = talk.listening.take(*proof.reply);
  REQUIRE(welcome.state == State::proven);
  CHECK(talk.listening.worker() == WorkerId(3));
  const auto end = talk.connecting.take(*welcome.reply);
  CHECK(end.state == State::proven);
  CHECK_FALSE(end.reply.has_value());
}

TEST_CASE("a side that connects with another secret is refused and told why") {
  Talk talk(wrong, right);
  const auto judged = talk.listening.take(*talk.connecting.take(talk.challenge).reply);
  CHECK(judged.state == State::refused);
  CHECK(judged.why == "it does not know the secret");
  const auto told = talk.connecting.take(*judged.reply);
  CHECK(told.state == State::refused);
  CHECK(told.why == "it refused us: its secret is another");
}

TEST_CASE("a listener that lets everybody in does not pass for one that knows the secret") {
  Talk talk(right, right);
  const auto proof = talk.connecting.take(talk.challenge);
  SECTION("it sends the proof back as its own") {
    const auto judged = talk.connecting.take(*proof.reply);
    CHECK(judged.why == "it does not prove that it knows the secret");
  }
  SECTION("it sends the proof back, called a welcome") {
    const auto judged = talk.connecting.take(with_number(*proof.reply, 12, 4));
    CHECK(judged.state == State::refused);
    CHECK(judged.why == "it does not prove that it knows the secret");
  }
}

TEST_CASE("a proof that was overheard does not open another connection") {
  Talk first(right, right);
  const HandshakeMessage proof = *first.connecting.take(first.challenge).reply;
  REQUIRE(first.listening.take(proof).state == State::proven);
  Handshake second(Side::listens, right, WorkerId(0));
  REQUIRE(second.take(first.connecting.hello()).state == State::going);
  CHECK(second.take(proof).why == "it does not know the secret");
}

TEST_CASE("the worker cannot be changed on the way") {
  Handshake connecting(Side::connects, right, WorkerId(3));
  Handshake listening(Side::listens, right, WorkerId(0));
  const auto challenge = listening.take(with_number(connecting.hello(), worker_at, 4)).reply;
  const auto proof = connecting.take(*challenge).reply;
  CHECK(listening.take(*proof).state == State::refused);
}

TEST_CASE("another version is refused on both sides, with both numbers") {
  Handshake listening(Side::listens, right, WorkerId(0));
  Handshake connecting(Side::connects, right, WorkerId(3));
  const auto judged = listening.take(with_number(connecting.hello(), version_at, 9));
  CHECK(judged.why == "it speaks version 9 of the handshake, this is version 1");
  const auto told = connecting.take(with_number(*judged.reply, version_at, 9));
  CHECK(told.why == "it speaks version 9 of the handshake, this is version 1");
}

TEST_CASE("a hello from no possible worker and a first message of another type are refused") {
  Handshake connecting(Side::connects, right, WorkerId(3));
  Handshake first(Side::listens, right, WorkerId(0));
  CHECK(first.take(with_number(connecting.hello(), worker_at, 0xfffffffd)).why ==
        "its first message is no hello");
  Handshake second(Side::listens, right, WorkerId(0));
  CHECK(second.take(with_number(connecting.hello(), 12, 3)).why == "its first message is no hello");
}

TEST_CASE("no single changed bit of a proof is accepted") {
  for (std::size_t bit = 0; bit < 256; ++bit) {
    INFO("bit " << bit);
    Talk talk(right, right);
    HandshakeMessage proof = *talk.connecting.take(talk.challenge).reply;
    proof[24 + bit / 8] ^= static_cast<std::byte>(1U << (bit % 8));
    CHECK(talk.listening.take(proof).state == State::refused);
  }
}

TEST_CASE("garbage is known from its first wrong byte") {
  const auto bytes = [](const std::string& text) {
    return std::as_bytes(std::span(text.data(), text.size()));
  };
  const std::string beginning = "plan";
  const std::string web = "GET / HTTP/1.1";
  const std::string nearly = "planariX";
  CHECK(may_begin_handshake({}));
  CHECK(may_begin_handshake(bytes(beginning)));
  CHECK_FALSE(may_begin_handshake(bytes(web)));
  CHECK_FALSE(may_begin_handshake(bytes(nearly)));
}

TEST_CASE("nonces are fresh: no two conversations begin alike") {
  Talk first(right, right);
  Talk second(right, right);
  CHECK(first.connecting.hello() != second.connecting.hello());
  CHECK(first.challenge != second.challenge);
}

}  // namespace planaria::transport
