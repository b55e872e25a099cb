// The matching of frames to receives, without threads or sockets.
#include <catch2/catch.hpp>

#include <optional>

#include <transport/inbox.hpp>

namespace planaria::transport {
namespace {

FrameKey key_of(std::int64_t view, std::int32_t part = 0) {
  return {FrameKind::activation, ViewNumber(view), Step(41), LayerId(2), MicroBatchId(5), part};
}

Buffer payload_of(unsigned char value) {
  Buffer buffer(1);
  buffer.data()[0] = static_cast<std::byte>(value);
  return buffer;
}

// One receive's outcome, and how often it came.
struct Outcome {
  int runs = 0;
  std::optional<Result<Buffer>> result;
  ReceiveDone done() {
    return [this](Result<Buffer> value) {
      ++runs;
      result = std::move(value);
    };
  }
  [[nodiscard]] int value() const {
    REQUIRE(result.has_value());
    return static_cast<int>(result->value().data()[0]);
  }
  [[nodiscard]] Fault fault() const {
    REQUIRE(result.has_value());
    return result->fault();
  }
};

struct Desk {
  Completions completions;
  Inbox inbox{completions};
  Desk() {
    inbox.add_peer(1);
    inbox.add_peer(2);
  }
};

}  // namespace

TEST_CASE("a frame finds the receive that waits for it, and only when callbacks are run") {
  Desk desk;
  Outcome outcome;
  desk.inbox.receive(1, key_of(3), outcome.done());
  desk.inbox.arrived(1, key_of(3), payload_of(7));
  CHECK(outcome.runs == 0);
  desk.completions.run();
  CHECK(outcome.runs == 1);
  CHECK(outcome.value() == 7);
  CHECK(desk.inbox.waiting() == 0);
}

TEST_CASE("a frame nobody asked for yet is kept until somebody does") {
  Desk desk;
  Outcome outcome;
  desk.inbox.arrived(1, key_of(3), payload_of(7));
  CHECK(desk.inbox.kept() == 1);
  desk.inbox.receive(1, key_of(3), outcome.done());
  desk.completions.run();
  CHECK(outcome.value() == 7);
  CHECK(desk.inbox.kept() == 0);
}

TEST_CASE("peers and every field of the key keep frames apart") {
  Desk desk;
  const FrameKey asked = key_of(3);
  Outcome outcome;
  desk.inbox.receive(1, asked, outcome.done());
  FrameKey other = asked;
  desk.inbox.arrived(2, asked, payload_of(0));
  other.kind = FrameKind::gradient;
  desk.inbox.arrived(1, other, payload_of(1));
  other = asked;
  other.step = Step(42);
  desk.inbox.arrived(1, other, payload_of(2));
  other = asked;
  other.layer = LayerId(3);
  desk.inbox.arrived(1, other, payload_of(3));
  other = asked;
  other.micro_batch = MicroBatchId(6);
  desk.inbox.arrived(1, other, payload_of(4));
  other = asked;
  other.part = 1;
  desk.inbox.arrived(1, other, payload_of(5));
  other = asked;
  other.view = ViewNumber(4);
  desk.inbox.arrived(1, other, payload_of(6));
  desk.completions.run();
  CHECK(outcome.runs == 0);
  CHECK(desk.inbox.kept() == 7);
  desk.inbox.arrived(1, asked, payload_of(9));
  desk.completions.run();
  CHECK(outcome.value() == 9);
}

TEST_CASE("frames of one key are handed out in the order they came") {
  Desk desk;
  for (unsigned char i = 0; i < 3; ++i) desk.inbox.arrived(1, key_of(3), payload_of(i));
  for (int i = 0; i < 3; ++i) {
    Outcome outcome;
    desk.inbox.receive(1, key_of(3), outcome.done());
    desk.completions.run();
    CHECK(outcome.value() == i);
  }
}

TEST_CASE("frames of an older view are dropped and receives of it end as stale") {
  Desk desk;
  Outcome pending;
  Outcome current;
  desk.inbox.receive(1, key_of(3), pending.done());
  desk.inbox.receive(1, key_of(4), current.done());
  desk.inbox.arrived(1, key_of(3, 1), payload_of(1));
  desk.inbox.advance_view(ViewNumber(4));
  desk.completions.run();
  CHECK(pending.runs == 1);
  CHECK(pending.fault().kind == FaultKind::stale_view);
  CHECK(pending.fault().sentence ==
        "receive of activation of view 3, step 41, layer 2, micro-batch 5, part 0: the view is 4 "
        "by now");
  CHECK(current.runs == 0);
  CHECK(desk.inbox.kept() == 0);

  Outcome late;
  desk.inbox.arrived(1, key_of(3), payload_of(1));
  CHECK(desk.inbox.kept() == 0);
  desk.inbox.receive(1, key_of(3), late.done());
  desk.completions.run();
  CHECK(late.fault().kind == FaultKind::stale_view);
}

TEST_CASE("frames of a newer view wait for it, and the view never goes back") {
  Desk desk;
  desk.inbox.advance_view(ViewNumber(4));
  desk.inbox.arrived(1, key_of(6), payload_of(6));
  desk.inbox.advance_view(ViewNumber(6));
  desk.inbox.advance_view(ViewNumber(2));
  desk.inbox.arrived(1, key_of(5), payload_of(5));
  CHECK(desk.inbox.kept() == 1);
  Outcome outcome;
  desk.inbox.receive(1, key_of(6), outcome.done());
  desk.completions.run();
  CHECK(outcome.value() == 6);
}

TEST_CASE("a lost peer ends its own receives, once, and nobody else's") {
  Desk desk;
  Outcome first;
  Outcome second;
  Outcome of_other;
  desk.inbox.receive(1, key_of(3, 0), first.done());
  desk.inbox.receive(1, key_of(9, 1), second.done());
  desk.inbox.receive(2, key_of(3), of_other.done());
  desk.inbox.end_peer(1, Fault::peer_lost("peer 1: it closed the connection"));
  desk.inbox.end_peer(1, Fault::peer_lost("again"));
  desk.completions.run();
  CHECK(first.runs == 1);
  CHECK(second.runs == 1);
  CHECK(first.fault() == Fault::peer_lost("peer 1: it closed the connection"));
  CHECK(of_other.runs == 0);

  Outcome late;
  desk.inbox.receive(1, key_of(3), late.done());
  desk.completions.run();
  CHECK(late.fault().kind == FaultKind::peer_lost);
}

TEST_CASE("a frame that came whole outlives its peer, unless this side hung up") {
  Desk desk;
  desk.inbox.arrived(1, key_of(3), payload_of(7));
  desk.inbox.arrived(2, key_of(3), payload_of(8));
  desk.inbox.end_peer(1, Fault::peer_lost("gone"));
  desk.inbox.end_peer(2, Fault::cancelled("we hung up"));
  Outcome outcome;
  Outcome of_other;
  desk.inbox.receive(1, key_of(3), outcome.done());
  desk.inbox.receive(2, key_of(3), of_other.done());
  desk.completions.run();
  CHECK(outcome.value() == 7);
  CHECK(of_other.fault().kind == FaultKind::peer_lost);
}

TEST_CASE("a cancelled receive ends once and leaves its frame to the next one") {
  Desk desk;
  Outcome cancelled;
  desk.inbox.receive(1, key_of(3), cancelled.done());
  desk.inbox.cancel(1, key_of(3));
  desk.inbox.cancel(1, key_of(3));
  desk.inbox.arrived(1, key_of(3), payload_of(7));
  desk.completions.run();
  CHECK(cancelled.runs == 1);
  CHECK(cancelled.fault().kind == FaultKind::cancelled);
  Outcome outcome;
  desk.inbox.receive(1, key_of(3), outcome.done());
  desk.completions.run();
  CHECK(outcome.value() == 7);
}

TEST_CASE("a second receive of the same frame is the caller's mistake, and harms only itself") {
  Desk desk;
  Outcome first;
  Outcome second;
  desk.inbox.receive(1, key_of(3), first.done());
  desk.inbox.receive(1, key_of(3), second.done());
  desk.completions.run();
  CHECK(first.runs == 0);
  CHECK(second.fault().kind == FaultKind::invalid_input);
  CHECK(second.fault().sentence.find("one from peer 1 is already pending") != std::string::npos);
}

TEST_CASE("callbacks run in order, and what they add waits for the next turn") {
  Completions completions;
  std::string told;
  completions.add([&] {
    told += "a";
    completions.add([&] { told += "c"; });
  });
  completions.add([&] { told += "b"; });
  completions.run();
  CHECK(told == "ab");
  completions.run();
  CHECK(told == "abc");
}

}  // namespace planaria::transport
