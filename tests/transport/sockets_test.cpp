// What only sockets can suffer: strangers, damaged bytes, socket files, descriptors that leak.
#include <catch2/catch.hpp>

#include <cstring>
#include <fstream>

#include <dirent.h>
#include <fcntl.h>
#include <poll.h>
#include <sys/socket.h>

#include <planaria/base/hash.hpp>
#include <transport/handshake.hpp>
#include <transport/transports.hpp>

namespace planaria::transport::testing {
namespace {

// A listener that strangers visit, with one honest connection that must not notice.
struct Visited : Pair {
  using Pair::Pair;
  void still_works() {
    wait_send(*b, a_at_b, key_of(FrameKind::partial), {pattern(100, 1)}).value();
    CHECK(wait_receive(*a, b_at_a, key_of(FrameKind::partial)).value().size() == 100);
    CHECK(heard_a.lost.size() == 0);
    CHECK(heard_a.connected.size() == 0);
  }
};

HeaderBytes header_of(std::span<const std::byte> payload) {
  return encode({.key = key_of(FrameKind::activation),
                 .payload_bytes = payload.size(),
                 .payload_xxh3 = xxh3_64(payload)});
}

}  // namespace

PLANARIA_CONFORMANCE("garbage is turned away at its first byte and told about", SocketTransports) {
  Visited visited(kind);
  const Descriptor stranger = raw_connection(visited.address);
  REQUIRE(raw_send(stranger, "GET / HTTP/1.1\r\n\r\n"));
  const Heard::Refused refused = visited.heard_a.refused.take();
  CHECK(refused.why == "what it sent is no handshake");
  CHECK_FALSE(refused.from.empty());
  await_hang_up(stranger);
  visited.still_works();
}

PLANARIA_CONFORMANCE("a flood without end is turned away all the same", SocketTransports) {
  Visited visited(kind);
  const Descriptor stranger = raw_connection(visited.address);
  const std::vector<std::byte> flood = pattern(std::size_t{8} << 20, 1);
  while (raw_send(stranger, flood)) {
  }
  CHECK(visited.heard_a.refused.take().why == "what it sent is no handshake");
  visited.still_works();
}

PLANARIA_CONFORMANCE("who hangs up during the handshake is told about", SocketTransports) {
  Visited visited(kind);
  { const Descriptor silent = raw_connection(visited.address); }
  CHECK(visited.heard_a.refused.take().why == "it hung up before it had proven itself");
  {
    const Descriptor half = raw_connection(visited.address);
    const Handshake handshake(Handshake::Side::connects, handshake_key(secret), WorkerId(1));
    REQUIRE(raw_send(half, std::span<const std::byte>(handshake.hello()).first(30)));
  }
  CHECK(visited.heard_a.refused.take().why == "it hung up before it had proven itself");
  visited.still_works();
}

PLANARIA_CONFORMANCE("who stays silent is turned away when its time is up", SocketTransports) {
  Heard heard;
  const auto a = kind.make({.secret = secret, .handshake_ms_max = 100});
  heard.listen_in(*a);
  const std::string address = a->listen(kind.address()).value();
  // The limit is the handshake's alone: a connection that has proven itself outlives it. On a busy
  // machine even an honest handshake may take too long, so it is tried until it is let in.
  const auto b = kind.make({.secret = secret});
  auto honest = b->connect(address, WorkerId(1), 60000);
  while (!honest.ok()) honest = b->connect(address, WorkerId(1), 60000);

  const Descriptor silent = raw_connection(address);
  const Descriptor slow = raw_connection(address);
  const Handshake handshake(Handshake::Side::connects, handshake_key(secret), WorkerId(1));
  REQUIRE(raw_send(slow, handshake.hello()));
  CHECK(heard.refused.take().why == "it has not proven itself within 100 ms");
  CHECK(heard.refused.take().why == "it has not proven itself within 100 ms");
  await_hang_up(silent);
  await_hang_up(slow);
  CHECK(wait_send(*b, honest.value(), key_of(FrameKind::control), {}).ok());
  CHECK(heard.lost.size() == 0);
}

PLANARIA_CONFORMANCE("a handshake may arrive byte by byte, and frames right behind it",
                     SocketTransports) {
  Visited visited(kind);
  const Descriptor slow = raw_connection(visited.address);
  Handshake handshake(Handshake::Side::connects, handshake_key(secret), WorkerId(4));
  for (const std::byte byte : handshake.hello()) REQUIRE(raw_send(slow, {&byte, 1}));
  HandshakeMessage message;
  read_all(slow.get(), message, deadline_in(60000)).value();
  const HandshakeMessage proof = *handshake.take(message).reply;
  // Proof and frame in one piece: the frame must not be lost with the handshake's reads.
  const std::vector<std::byte> payload = pattern(5000, 3);
  std::vector<std::byte> both(proof.begin(), proof.end());
  const HeaderBytes header = header_of(payload);
  both.insert(both.end(), header.begin(), header.end());
  both.insert(both.end(), payload.begin(), payload.end());
  REQUIRE(raw_send(slow, both));
  const Heard::Connected connected = visited.heard_a.connected.take();
  CHECK(connected.info.worker == WorkerId(4));
  CHECK(equal(wait_receive(*visited.a, connected.peer, key_of(FrameKind::activation)).value(),
              payload));
}

PLANARIA_CONFORMANCE("a payload that was damaged ends its connection as corrupt",
                     SocketTransports) {
  Bomb bomb;
  Visited visited(kind);
  const Descriptor liar = proven_connection(visited.address, secret, WorkerId(4));
  const PeerId peer = visited.heard_a.connected.take().peer;
  visited.a->receive(peer, key_of(FrameKind::activation), bomb.receive());
  visited.a->receive(peer, key_of(FrameKind::gradient), bomb.receive());
  std::vector<std::byte> payload = pattern(5000, 3);
  const HeaderBytes header = header_of(payload);
  payload[4321] ^= std::byte{1};
  REQUIRE(raw_send(liar, header));
  REQUIRE(raw_send(liar, payload));
  CHECK(bomb.kinds() == std::set<std::string>{"corrupt"});
  const Heard::Lost lost = visited.heard_a.lost.take();
  CHECK(lost.peer == peer);
  CHECK(lost.fault.kind == FaultKind::corrupt);
  CHECK(lost.fault.sentence.find("activation of view 1, step 41, layer 2, micro-batch 5, part 0: "
                                 "the checksum is") != std::string::npos);
  await_hang_up(liar);
  visited.still_works();
}

PLANARIA_CONFORMANCE("a frame longer than allowed is refused before it is read", SocketTransports) {
  Heard heard;
  const auto a = kind.make({.secret = secret, .frame_bytes_max = 1 << 20});
  heard.listen_in(*a);
  const std::string address = a->listen(kind.address()).value();
  const Descriptor liar = proven_connection(address, secret, WorkerId(4));
  REQUIRE(raw_send(liar, encode({.key = key_of(FrameKind::activation),
                                 .payload_bytes = std::uint64_t{1} << 60})));
  const Heard::Lost lost = heard.lost.take();
  CHECK(lost.fault.kind == FaultKind::corrupt);
  CHECK(lost.fault.sentence.find("a frame has 1152921504606846976 bytes, frame_bytes_max allows "
                                 "1048576") != std::string::npos);
}

PLANARIA_CONFORMANCE("what a peer said before it hung up is heard though sending to it fails",
                     SocketTransports) {
  Bomb heard;
  Bomb sent;
  Gate stalled;
  Gate go_on;
  // Short enough for the kernel to have delivered all of it: what is still on its way when the
  // answer comes back as "nobody here" is lost, and TCP promises no better.
  const std::vector<std::byte> last_words = pattern(10000, 3);
  const std::vector<std::byte> payload = pattern(1 << 20, 1);
  Visited visited(kind);
  visited.a->subscribe(FrameKind::state, [&](PeerId, const FrameKey&, Buffer) {
    stalled.open();
    go_on.pass();
  });
  Descriptor dying = proven_connection(visited.address, secret, WorkerId(4));
  const PeerId peer = visited.heard_a.connected.take().peer;
  visited.a->receive(peer, key_of(FrameKind::activation), heard.receive());
  // The I/O thread sleeps through words and death, and wakes up with something to send.
  wait_send(*visited.b, visited.a_at_b, key_of(FrameKind::state), {}).value();
  stalled.pass();
  CHECK(raw_send(dying, header_of(last_words)));
  CHECK(raw_send(dying, last_words));
  dying = Descriptor();
  visited.a->send(peer, key_of(FrameKind::partial), {payload}, sent.send());
  go_on.open();
  CHECK(heard.kinds() == std::set<std::string>{"ok"});
  CHECK(visited.heard_a.lost.take().fault.kind == FaultKind::peer_lost);
  // TCP's kernel may have taken it before it learned of the death; a Unix socket's knows at once.
  CHECK(sent.outcomes().size() == 1);
}

PLANARIA_CONFORMANCE("a listener that is no planaria, or never answers, is told from one",
                     SocketTransports) {
  Listening other = open_listener(parse_address(kind.address()).value()).value();
  const auto b = kind.make({.secret = secret});
  const auto silent = b->connect(other.address, WorkerId(1), 100);
  CHECK(silent.fault().kind == FaultKind::timed_out);
  CHECK(silent.fault().sentence == other.address + ": no handshake: no answer in time");
  std::thread stranger([&] {
    // Once for the connection that gave up, once for the next.
    for (int i = 0; i < 2; ++i) {
      pollfd waiting{other.descriptor.get(), POLLIN, 0};
      REQUIRE(::poll(&waiting, 1, -1) == 1);
      const int accepted = ::accept(other.descriptor.get(), nullptr, nullptr);
      const Descriptor connection(accepted);
      raw_send(connection, "220 mail.example ESMTP, and so on until 56 bytes are full");
      await_hang_up(connection);
    }
  });
  const auto mail = b->connect(other.address, WorkerId(1), 60000);
  stranger.join();
  CHECK(mail.fault().kind == FaultKind::unavailable);
  CHECK(mail.fault().sentence == other.address + ": no handshake: what it sent is no handshake");
  other.file.remove();
}

PLANARIA_CONFORMANCE("no descriptor of a transport passes into a child", SocketTransports) {
  const auto open_ones = [] {
    std::set<int> found;
    DIR* directory = ::opendir("/proc/self/fd");
    while (const dirent* entry = ::readdir(directory)) {
      const int number = std::atoi(entry->d_name);
      if (entry->d_name[0] != '.' && number != ::dirfd(directory)) found.insert(number);
    }
    ::closedir(directory);
    return found;
  };
  const std::set<int> before = open_ones();
  {
    const Pair pair(kind);
    std::set<int> added;
    for (const int number : open_ones()) {
      if (before.contains(number)) continue;
      added.insert(number);
      CHECK((::fcntl(number, F_GETFD) & FD_CLOEXEC) != 0);
    }
    CHECK(added.size() >= 3);
  }
  CHECK(open_ones() == before);  // and none stays behind
}

TEST_CASE("a socket file goes with its transport, and only its own", "[conformance]") {
  const UnixSockets kind;
  const std::string path = kind.address().substr(5);
  auto a = kind.make({.secret = secret});
  CHECK(a->listen(kind.address()).value() == kind.address());
  CHECK(std::filesystem::is_socket(path));
  CHECK((std::filesystem::status(path).permissions() & std::filesystem::perms::others_all) ==
        std::filesystem::perms::none);
  a.reset();
  CHECK_FALSE(std::filesystem::exists(path));

  a = kind.make({.secret = secret});
  REQUIRE(a->listen(kind.address()).ok());
  std::filesystem::remove(path);
  std::ofstream(path) << "somebody else's";
  a.reset();
  CHECK(std::filesystem::exists(path));
}

TEST_CASE("a socket file nobody listens on is replaced, another file never", "[conformance]") {
  const UnixSockets kind;
  const std::string path = kind.address().substr(5);
  { const Listening killed = open_listener(parse_address(kind.address()).value()).value(); }
  REQUIRE(std::filesystem::is_socket(path));  // left behind, as by SIGKILL
  auto a = kind.make({.secret = secret});
  CHECK(a->listen(kind.address()).ok());
  a.reset();

  std::ofstream(path) << "precious";
  a = kind.make({.secret = secret});
  const auto refused = a->listen(kind.address());
  CHECK(refused.fault() == Fault::unavailable(kind.address() + ": Address already in use"));
  CHECK(std::filesystem::is_regular_file(path));
  const auto nowhere = a->listen("unix:/no/such/directory/a.sock");
  CHECK(nowhere.fault() ==
        Fault::unavailable("unix:/no/such/directory/a.sock: No such file or directory"));
}

TEST_CASE("TCP addresses may be left to the system, named, and of both versions", "[conformance]") {
  const TcpSockets kind;
  Heard heard;
  const auto a = kind.make({.secret = secret});
  heard.listen_in(*a);
  for (const std::string text : {"127.0.0.1:0", "tcp:localhost:0", "tcp:[::1]:0"}) {
    INFO(text);
    const auto address = a->listen(text);
    if (!address.ok() && text == "tcp:[::1]:0") continue;  // a machine without IPv6
    const auto b = kind.make({.secret = secret});
    CHECK(address.value().starts_with("tcp:"));
    CHECK_FALSE(address.value().ends_with(":0"));
    CHECK(b->connect(address.value(), WorkerId(1), 60000).ok());
    CHECK(heard.connected.take().info.address.starts_with(
        text.find("::1") == std::string::npos ? "tcp:" : "tcp:[::1]:"));
  }
  CHECK(a->connect("tcp:127.0.0.1:0", WorkerId(1), 100).fault().sentence ==
        "address \"tcp:127.0.0.1:0\": port 0 can be listened on, not connected to");
  CHECK(a->listen("in-process:a").fault().kind == FaultKind::invalid_input);
}

}  // namespace planaria::transport::testing
