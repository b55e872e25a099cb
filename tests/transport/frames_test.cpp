// Conformance: frames come whole, in order, aligned, to whoever asked.
#include <catch2/catch.hpp>

#include <atomic>
#include <thread>

#include <transport/transports.hpp>

namespace planaria::transport::testing {

PLANARIA_CONFORMANCE("frames to one peer arrive in the order of the sends", AllTransports) {
  constexpr std::int32_t count = 1000;
  Bomb bomb;
  Pair pair(kind);
  std::vector<std::vector<std::byte>> payloads;
  // Sizes from nothing to more than a socket takes at once, so that small frames could overtake.
  for (std::int32_t i = 0; i < count; ++i) {
    payloads.push_back(pattern(i % 100 == 99 ? 1000000 : static_cast<std::size_t>(i % 10), i));
  }
  for (std::int32_t i = 0; i < count; ++i) {
    pair.b->send(pair.a_at_b, key_of(FrameKind::control, i), {payloads[i]}, bomb.send());
  }
  for (std::int32_t i = 0; i < count; ++i) {
    const Heard::Control frame = pair.heard_a.control.take();
    REQUIRE(frame.key == key_of(FrameKind::control, i));
    REQUIRE(frame.peer == pair.b_at_a);
    REQUIRE(equal(frame.payload, payloads[i]));
  }
  CHECK(bomb.kinds() == std::set<std::string>{"ok"});
}

PLANARIA_CONFORMANCE(
    "posted frames keep their place among sent ones, and their owner until they left",
    AllTransports) {
  constexpr std::int32_t count = 600;
  Bomb bomb;
  Pair pair(kind);
  std::vector<std::weak_ptr<const void>> owners;
  for (std::int32_t i = 0; i < count; ++i) {
    // Now and then more than a socket takes at once: what follows must wait behind it.
    const auto payload = std::make_shared<std::vector<std::byte>>(
        pattern(i % 50 == 49 ? 3000000 : static_cast<std::size_t>(i % 10), i));
    owners.emplace_back(payload);
    if (i % 3 == 0) {
      pair.b->send(pair.a_at_b, key_of(FrameKind::control, i), {*payload},
                   [payload, count_run = bomb.send()](Result<void> result) {
                     count_run(std::move(result));
                   });
    } else {
      pair.b->post(pair.a_at_b, key_of(FrameKind::control, i), {*payload}, payload);
    }
  }
  for (std::int32_t i = 0; i < count; ++i) {
    const Heard::Control frame = pair.heard_a.control.take();
    REQUIRE(frame.key == key_of(FrameKind::control, i));
    REQUIRE(equal(frame.payload,
                  pattern(i % 50 == 49 ? 3000000 : static_cast<std::size_t>(i % 10), i)));
  }
  CHECK(bomb.kinds() == std::set<std::string>{"ok"});
  pair.b.reset();  // joins its thread: nothing may be held any longer
  for (const auto& owner : owners) CHECK(owner.expired());
}

PLANARIA_CONFORMANCE("threads that send and wait at once lose and mix nothing", AllTransports) {
  constexpr int threads = 4;
  constexpr std::int32_t count = 500;
  Pair pair(kind);
  std::atomic<int> wrong{0};
  std::vector<std::thread> running;
  for (int t = 0; t < threads; ++t) {
    running.emplace_back([&, t] {
      // Even threads speak first, odd ones answer: frames of thread t carry its number as
      // micro-batch.
      Transport& own = t % 2 == 0 ? *pair.a : *pair.b;
      const PeerId other = t % 2 == 0 ? pair.b_at_a : pair.a_at_b;
      FrameKey key = key_of(FrameKind::activation);
      key.micro_batch = MicroBatchId{t / 2};
      for (std::int32_t i = 0; i < count; ++i) {
        key.part = i;
        const auto payload = std::make_shared<std::vector<std::byte>>(
            pattern(static_cast<std::size_t>(i) % 90, i + t));
        own.post(other, key, {*payload}, payload);
        const auto received = wait_receive(own, other, key);
        const int from = t % 2 == 0 ? t + 1 : t - 1;
        if (!received.ok() ||
            !equal(received.value(), pattern(static_cast<std::size_t>(i) % 90, i + from))) {
          ++wrong;
        }
      }
    });
  }
  for (auto& thread : running) thread.join();
  CHECK(wrong == 0);
}

PLANARIA_CONFORMANCE("large and empty frames arrive whole and aligned", AllTransports) {
  Bomb bomb;
  Pair pair(kind);
  const std::vector<std::byte> large = pattern(std::size_t{64} << 20, 1);
  pair.b->send(pair.a_at_b, key_of(FrameKind::partial, 0), {large}, bomb.send());
  pair.b->send(pair.a_at_b, key_of(FrameKind::partial, 1), {}, bomb.send());
  pair.b->send(pair.a_at_b, key_of(FrameKind::partial, 2), {std::span<const std::byte>()},
               bomb.send());
  const Buffer received = wait_receive(*pair.a, pair.b_at_a, key_of(FrameKind::partial, 0)).value();
  CHECK(equal(received, large));
  CHECK(aligned(received));
  CHECK(wait_receive(*pair.a, pair.b_at_a, key_of(FrameKind::partial, 1)).value().size() == 0);
  CHECK(wait_receive(*pair.a, pair.b_at_a, key_of(FrameKind::partial, 2)).value().size() == 0);
  CHECK(bomb.kinds() == std::set<std::string>{"ok"});
}

PLANARIA_CONFORMANCE("pieces travel as one payload, as many as there are", AllTransports) {
  Pair pair(kind);
  const std::vector<std::byte> whole = pattern(3000000, 4);
  Pieces pieces;
  std::size_t at = 0;
  for (std::size_t size = 0; at < whole.size(); ++size) {
    const std::size_t taken = std::min(size, whole.size() - at);
    pieces.push_back(std::span(whole).subspan(at, taken));
    at += taken;
  }
  REQUIRE(pieces.size() > 2048);  // more than any system call takes
  wait_send(*pair.b, pair.a_at_b, key_of(FrameKind::state), pieces).value();
  CHECK(equal(wait_receive(*pair.a, pair.b_at_a, key_of(FrameKind::state)).value(), whole));
}

PLANARIA_CONFORMANCE("10,000 frames cross in both directions at once", AllTransports) {
  constexpr std::int32_t count = 10000;
  Bomb bomb;
  std::vector<std::vector<std::byte>> payloads;
  for (std::int32_t i = 0; i < count; ++i) {
    payloads.push_back(pattern(static_cast<std::size_t>(i) % 700, i));
  }
  struct Arrived {
    int side;
    std::int32_t part;
    Buffer payload;
  };
  Mail<Arrived> arrived;
  Pair pair(kind);
  const auto ask = [&](Transport& transport, PeerId peer, int side, std::int32_t i) {
    transport.receive(peer, key_of(FrameKind::reduced, i),
                      [&arrived, side, i, count_run = bomb.receive()](Result<Buffer> result) {
                        if (result.ok()) arrived.put({side, i, result.value()});
                        count_run(std::move(result));
                      });
  };
  // Half of the receives wait before anything is sent, and half come after.
  for (std::int32_t i = 0; i < count; i += 2) ask(*pair.a, pair.b_at_a, 0, i);
  for (std::int32_t i = 0; i < count; i += 2) ask(*pair.b, pair.a_at_b, 1, i);
  for (std::int32_t i = 0; i < count; ++i) {
    pair.a->send(pair.b_at_a, key_of(FrameKind::reduced, i), {payloads[i]}, bomb.send());
    pair.b->send(pair.a_at_b, key_of(FrameKind::reduced, i), {payloads[count - 1 - i]},
                 bomb.send());
  }
  for (std::int32_t i = 1; i < count; i += 2) ask(*pair.a, pair.b_at_a, 0, i);
  for (std::int32_t i = 1; i < count; i += 2) ask(*pair.b, pair.a_at_b, 1, i);
  CHECK(bomb.kinds() == std::set<std::string>{"ok"});
  for (std::int32_t i = 0; i < 2 * count; ++i) {
    const Arrived frame = arrived.take();
    REQUIRE(equal(frame.payload, payloads[frame.side == 1 ? frame.part : count - 1 - frame.part]));
    REQUIRE(aligned(frame.payload));
  }
}

PLANARIA_CONFORMANCE("a conversation may be held inside completions alone", AllTransports) {
  constexpr std::int32_t rounds = 200;
  Bomb bomb;
  Gate finished;
  Pair pair(kind);
  const std::vector<std::byte> payload = pattern(4, 0);
  // Each side answers from inside its receive, on its own I/O thread.
  std::function<void(Transport*, PeerId, std::int32_t, bool)> play =
      [&](Transport* transport, PeerId peer, std::int32_t round, bool serves) {
        if (round == rounds) return serves ? finished.open() : void();
        if (serves) {
          transport->send(peer, key_of(FrameKind::activation, round), {payload}, bomb.send());
        }
        const FrameKind awaited = serves ? FrameKind::gradient : FrameKind::activation;
        transport->receive(
            peer, key_of(awaited, round),
            [&, transport, peer, round, serves, count_run = bomb.receive()](Result<Buffer> result) {
              count_run(result);
              if (!result.ok()) return;
              if (!serves) {
                transport->send(peer, key_of(FrameKind::gradient, round), {payload}, bomb.send());
              }
              play(transport, peer, round + 1, serves);
            });
      };
  play(pair.a.get(), pair.b_at_a, 0, false);
  play(pair.b.get(), pair.a_at_b, 0, true);
  finished.pass();
  CHECK(bomb.kinds() == std::set<std::string>{"ok"});
}

PLANARIA_CONFORMANCE("many threads may send and receive over one transport", AllTransports) {
  Pair pair(kind);
  std::vector<std::thread> threads;
  std::atomic<int> wrong = 0;
  for (std::int32_t part = 0; part < 8; ++part) {
    threads.emplace_back([&, part] {
      for (std::int64_t view = 1; view <= 50; ++view) {
        const auto bytes = pattern(1000, static_cast<std::uint32_t>(part * 1000 + view));
        const FrameKey key = key_of(FrameKind::partial, part, view);
        if (!wait_send(*pair.b, pair.a_at_b, key, {bytes}).ok()) ++wrong;
        const auto received = wait_receive(*pair.a, pair.b_at_a, key);
        if (!received.ok() || !equal(received.value(), bytes)) ++wrong;
      }
    });
  }
  for (std::thread& thread : threads) thread.join();
  CHECK(wrong == 0);
}

PLANARIA_CONFORMANCE("a cancelled receive ends once and its frame waits for the next",
                     AllTransports) {
  Bomb bomb;
  Pair pair(kind);
  const FrameKey key = key_of(FrameKind::activation);
  pair.a->receive(pair.b_at_a, key, bomb.receive());
  pair.a->cancel(pair.b_at_a, key);
  pair.a->cancel(pair.b_at_a, key);
  pair.a->cancel(pair.b_at_a, key_of(FrameKind::gradient));
  CHECK(bomb.kinds() == std::set<std::string>{"cancelled"});
  const std::vector<std::byte> payload = pattern(100, 3);
  wait_send(*pair.b, pair.a_at_b, key, {payload}).value();
  CHECK(equal(wait_receive(*pair.a, pair.b_at_a, key).value(), payload));
}

PLANARIA_CONFORMANCE("frames of an older view are refused and newer ones wait", AllTransports) {
  Bomb bomb;
  Pair pair(kind);
  const auto send = [&](std::int64_t view, std::uint32_t seed) {
    wait_send(*pair.b, pair.a_at_b, key_of(FrameKind::gradient, 0, view), {pattern(10, seed)})
        .value();
  };
  pair.a->receive(pair.b_at_a, key_of(FrameKind::gradient, 0, 4), bomb.receive());
  send(3, 3);
  send(6, 6);
  // A frame of the same connection behind them: when it is here, they are too.
  wait_send(*pair.b, pair.a_at_b, key_of(FrameKind::control), {}).value();
  static_cast<void>(pair.heard_a.control.take());
  pair.a->advance_view(ViewNumber(5));
  const auto outcomes = bomb.outcomes();
  CHECK(outcomes[0]->kind == FaultKind::stale_view);
  CHECK(outcomes[0]->sentence.find("the view is 5 by now") != std::string::npos);
  CHECK(wait_receive(*pair.a, pair.b_at_a, key_of(FrameKind::gradient, 0, 3)).fault().kind ==
        FaultKind::stale_view);
  CHECK(equal(wait_receive(*pair.a, pair.b_at_a, key_of(FrameKind::gradient, 0, 6)).value(),
              pattern(10, 6)));
  // Subscribers judge views themselves.
  wait_send(*pair.b, pair.a_at_b, key_of(FrameKind::control, 0, 1), {}).value();
  CHECK(pair.heard_a.control.take().key.view == ViewNumber(1));
}

PLANARIA_CONFORMANCE("the caller's mistakes are told to the caller and harm nothing else",
                     AllTransports) {
  Bomb bomb;
  Heard heard;
  const auto a = kind.make({.secret = secret, .frame_bytes_max = 1 << 20});
  const auto b = kind.make({.secret = secret, .frame_bytes_max = 1 << 20});
  heard.listen_in(*a);
  const PeerId a_at_b = b->connect(a->listen(kind.address()).value(), WorkerId(7), 60000).value();
  const PeerId b_at_a = heard.connected.take().peer;
  const std::vector<std::byte> most = pattern(1 << 20, 1);
  const std::vector<std::byte> too_much = pattern((1 << 20) + 1, 1);

  const auto long_send = wait_send(*b, a_at_b, key_of(FrameKind::partial), {too_much});
  CHECK(long_send.fault().kind == FaultKind::invalid_input);
  CHECK(long_send.fault().sentence.find("1048577 bytes, frame_bytes_max allows 1048576") !=
        std::string::npos);
  const auto subscribed = wait_receive(*a, b_at_a, key_of(FrameKind::control));
  CHECK(subscribed.fault().kind == FaultKind::invalid_input);
  CHECK(wait_send(*b, 999, key_of(FrameKind::partial), {most}).fault().kind ==
        FaultKind::peer_lost);
  CHECK(wait_receive(*b, 999, key_of(FrameKind::partial)).fault().kind == FaultKind::peer_lost);
  wait_send(*b, a_at_b, key_of(FrameKind::partial), {most}).value();
  CHECK(equal(wait_receive(*a, b_at_a, key_of(FrameKind::partial)).value(), most));
}

}  // namespace planaria::transport::testing
