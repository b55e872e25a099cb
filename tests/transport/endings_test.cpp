// Conformance: how connections begin and end, and that everything pending ends with them, once.
#include <catch2/catch.hpp>

#include <transport/transports.hpp>

namespace planaria::transport::testing {
namespace {

// Keeps a transport's I/O thread busy while it lives, so that its peer's sends stay pending.
class Stalled {
 public:
  explicit Stalled(Transport& transport) {
    transport.subscribe(FrameKind::state,
                        [gate = gate_](PeerId, const FrameKey&, Buffer) { gate->pass(); });
  }
  ~Stalled() { gate_->open(); }
  Stalled(const Stalled&) = delete;
  Stalled& operator=(const Stalled&) = delete;

 private:
  std::shared_ptr<Gate> gate_ = std::make_shared<Gate>();
};

}  // namespace

TEMPLATE_LIST_TEST_CASE("a listener learns who connects", "[conformance]", AllTransports) {
  TestType kind;
  Heard heard;
  const auto a = kind.make({.secret = secret});
  heard.listen_in(*a);
  const std::string address = a->listen(kind.address()).value();
  for (const WorkerId id : {WorkerId(3), coordinator_id, not_yet_joined}) {
    const auto b = kind.make({.secret = secret});
    static_cast<void>(b->connect(address, id, 60000).value());
    const Heard::Connected connected = heard.connected.take();
    CHECK(connected.info.worker == id);
    CHECK_FALSE(connected.info.address.empty());
  }
}

TEMPLATE_LIST_TEST_CASE("a peer killed in the middle of a frame ends all that is pending, once",
                        "[conformance]", AllTransports) {
  constexpr std::int32_t count = 20;
  Bomb bomb;
  TestType kind;
  Heard heard;
  const std::vector<std::byte> payload = pattern(1 << 20, 1);
  const auto a = kind.make({.secret = secret});
  heard.listen_in(*a);
  const std::string address = a->listen(kind.address()).value();
  auto victim = kind.victim(address);
  const PeerId peer = heard.connected.take().peer;
  static_cast<void>(heard.control.take());  // the large frame is behind it, and will never be whole
  a->receive(peer, key_of(FrameKind::activation), bomb.receive());
  for (std::int32_t i = 0; i < count; ++i) {
    a->receive(peer, key_of(FrameKind::gradient, i), bomb.receive());
  }
  // It reads nothing, so where sends can wait for the reader these do.
  Bomb sends;
  for (std::int32_t i = 0; i < count; ++i) {
    a->send(peer, key_of(FrameKind::activation, i), {payload}, sends.send());
  }
  victim.kill();
  CHECK(bomb.kinds() == std::set<std::string>{"peer_lost"});
  const auto send_kinds = sends.kinds();
  if (TestType::has_sockets) CHECK(send_kinds.contains("peer_lost"));
  CHECK(send_kinds.size() + (send_kinds.contains("ok") ? 0 : 1) <= 2);
  const Heard::Lost lost = heard.lost.take();
  CHECK(lost.peer == peer);
  CHECK(lost.info.worker == victim_id);
  CHECK(lost.fault.kind == FaultKind::peer_lost);
  // Afterwards too, and `lost` came once.
  CHECK(wait_send(*a, peer, key_of(FrameKind::partial), {payload}).fault().kind ==
        FaultKind::peer_lost);
  CHECK(wait_receive(*a, peer, key_of(FrameKind::partial)).fault().kind == FaultKind::peer_lost);
  CHECK(heard.lost.size() == 0);
}

TEMPLATE_LIST_TEST_CASE("a lost peer disturbs no other connection", "[conformance]",
                        AllTransports) {
  Bomb bomb;
  Pair<TestType> pair;
  auto victim = pair.kind.victim(pair.address);
  const PeerId peer = pair.heard_a.connected.take().peer;
  pair.a->receive(pair.b_at_a, key_of(FrameKind::activation), bomb.receive());
  victim.kill();
  CHECK(pair.heard_a.lost.take().peer == peer);
  wait_send(*pair.b, pair.a_at_b, key_of(FrameKind::activation), {pattern(10, 1)}).value();
  CHECK(bomb.kinds() == std::set<std::string>{"ok"});
  CHECK(pair.heard_a.lost.size() == 0);
}

TEMPLATE_LIST_TEST_CASE("frames that came whole are handed out after their peer has gone",
                        "[conformance]", AllTransports) {
  Pair<TestType> pair;
  for (std::int32_t i = 0; i < 3; ++i) {
    wait_send(*pair.b, pair.a_at_b, key_of(FrameKind::reduced, i), {pattern(1000, i)}).value();
  }
  pair.b.reset();
  CHECK(pair.heard_a.lost.take().fault.kind == FaultKind::peer_lost);
  for (std::int32_t i = 0; i < 3; ++i) {
    CHECK(equal(wait_receive(*pair.a, pair.b_at_a, key_of(FrameKind::reduced, i)).value(),
                pattern(1000, i)));
  }
  CHECK(wait_receive(*pair.a, pair.b_at_a, key_of(FrameKind::reduced, 3)).fault().kind ==
        FaultKind::peer_lost);
}

TEMPLATE_LIST_TEST_CASE("hanging up cancels this side's work and loses the other's",
                        "[conformance]", AllTransports) {
  Bomb of_a;
  Bomb of_b;
  Pair<TestType> pair;
  pair.a->receive(pair.b_at_a, key_of(FrameKind::activation), of_a.receive());
  pair.b->receive(pair.a_at_b, key_of(FrameKind::activation), of_b.receive());
  pair.a->disconnect(pair.b_at_a);
  pair.a->disconnect(pair.b_at_a);
  CHECK(of_a.kinds() == std::set<std::string>{"cancelled"});
  CHECK(of_b.kinds() == std::set<std::string>{"peer_lost"});
  CHECK(pair.heard_a.lost.take().fault.kind == FaultKind::cancelled);
  CHECK(pair.heard_b.lost.take().fault.kind == FaultKind::peer_lost);
  // The same two may meet again, under another number.
  const PeerId again = pair.b->connect(pair.address, WorkerId(7), 60000).value();
  CHECK(again != pair.a_at_b);
  CHECK(pair.heard_a.connected.take().peer != pair.b_at_a);
  CHECK(pair.heard_a.lost.size() == 0);
}

TEMPLATE_LIST_TEST_CASE("destruction with work pending ends each piece of it once", "[conformance]",
                        AllTransports) {
  Bomb receives;
  Bomb sends;
  Bomb from_completions;
  const std::vector<std::byte> payload = pattern(std::size_t{16} << 20, 1);
  Pair<TestType> pair;
  const Stalled stalled(*pair.a);
  pair.b->send(pair.a_at_b, key_of(FrameKind::state), {}, sends.send());
  for (std::int32_t i = 0; i < 10; ++i) {
    pair.b->send(pair.a_at_b, key_of(FrameKind::partial, i), {payload}, sends.send());
    pair.b->receive(pair.a_at_b, key_of(FrameKind::activation, i), receives.receive());
  }
  Transport& b = *pair.b;  // the pointer is empty while it destroys
  // What a completion asks for while everything ends has to end as well.
  b.receive(pair.a_at_b, key_of(FrameKind::gradient),
            [&, count_run = receives.receive()](Result<Buffer> result) {
              count_run(std::move(result));
              b.receive(pair.a_at_b, key_of(FrameKind::gradient), from_completions.receive());
              b.send(pair.a_at_b, key_of(FrameKind::gradient), {}, from_completions.send());
            });
  pair.b.reset();
  // Destruction has joined the thread: all has run, nobody needs to be waited for.
  CHECK(receives.kinds() == std::set<std::string>{"cancelled"});
  CHECK(from_completions.kinds() == std::set<std::string>{"cancelled"});
  const auto send_kinds = sends.kinds();
  if (TestType::has_sockets) CHECK(send_kinds.contains("cancelled"));
  CHECK(send_kinds.size() + (send_kinds.contains("ok") ? 0 : 1) <= 2);
  CHECK(pair.heard_b.lost.size() == 1);
  CHECK(pair.heard_b.lost.take().fault.kind == FaultKind::cancelled);
}

TEMPLATE_LIST_TEST_CASE("a stranger with another secret is refused while others go on",
                        "[conformance]", AllTransports) {
  Bomb bomb;
  Pair<TestType> pair;
  pair.a->receive(pair.b_at_a, key_of(FrameKind::activation), bomb.receive());
  const auto stranger = pair.kind.make({.secret = "the secret of another run"});
  const auto connected = stranger->connect(pair.address, WorkerId(8), 60000);
  REQUIRE_FALSE(connected.ok());
  CHECK(connected.fault().kind == FaultKind::unavailable);
  CHECK(connected.fault().sentence.find("secret is another") != std::string::npos);
  CHECK(connected.fault().sentence.find(pair.address) == 0);
  CHECK(pair.heard_a.refused.take().why.find("secret") != std::string::npos);
  CHECK(pair.heard_a.connected.size() == 0);
  wait_send(*pair.b, pair.a_at_b, key_of(FrameKind::activation), {pattern(10, 1)}).value();
  CHECK(bomb.kinds() == std::set<std::string>{"ok"});
  CHECK(pair.heard_a.lost.size() == 0);
}

TEMPLATE_LIST_TEST_CASE("an address in use and one where nobody listens are named", "[conformance]",
                        AllTransports) {
  Pair<TestType> pair;
  const auto second = pair.kind.make({.secret = secret});
  const auto taken = second->listen(pair.address);
  REQUIRE_FALSE(taken.ok());
  CHECK(taken.fault().kind == FaultKind::unavailable);
  CHECK(taken.fault().sentence.find(pair.address) == 0);
  CHECK(taken.fault().sentence.find("in use") != std::string::npos);
  // Free again once its owner has gone.
  pair.a.reset();
  const auto nobody = second->connect(pair.address, WorkerId(1), 60000);
  REQUIRE_FALSE(nobody.ok());
  CHECK(nobody.fault().kind == FaultKind::unavailable);
  CHECK(nobody.fault().sentence.find(pair.address) == 0);
  CHECK(second->listen(pair.address).value() == pair.address);
  CHECK(second->listen("unix:").fault().kind == FaultKind::invalid_input);
  CHECK(second->connect("elsewhere", WorkerId(1), 60000).fault().kind == FaultKind::invalid_input);
}

TEMPLATE_LIST_TEST_CASE("a transport that never did anything ends quietly", "[conformance]",
                        AllTransports) {
  const TestType kind;
  for (int i = 0; i < 50; ++i) static_cast<void>(kind.make({.secret = secret}));
}

}  // namespace planaria::transport::testing
