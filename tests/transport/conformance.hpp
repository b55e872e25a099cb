// What every transport must do, and what a transport must bring to be asked.
// A new transport joins with a class like those in transports.hpp and one word in its list.
#pragma once

#include <condition_variable>
#include <deque>
#include <functional>
#include <memory>
#include <mutex>
#include <optional>
#include <set>
#include <string>
#include <vector>

#include <catch2/catch.hpp>

#include <planaria/transport/transport.hpp>

namespace planaria::transport::testing {

inline const std::string secret = "the secret of this test run";

/// Waits until it has been opened. Any thread.
class Gate {
 public:
  void open() {
    const std::lock_guard lock(mutex_);
    open_ = true;
    changed_.notify_all();
  }
  void pass() {
    std::unique_lock lock(mutex_);
    changed_.wait(lock, [&] { return open_; });
  }

 private:
  std::mutex mutex_;
  std::condition_variable changed_;
  bool open_ = false;
};

/// Values from the I/O thread for the test's thread, in order. take() waits: a value that never
/// comes is ctest's TIMEOUT.
template <class T>
class Mail {
 public:
  void put(T value) {
    const std::lock_guard lock(mutex_);
    values_.push_back(std::move(value));
    changed_.notify_all();
  }
  T take() {
    std::unique_lock lock(mutex_);
    changed_.wait(lock, [&] { return !values_.empty(); });
    T value = std::move(values_.front());
    values_.pop_front();
    return value;
  }
  [[nodiscard]] std::size_t size() {
    const std::lock_guard lock(mutex_);
    return values_.size();
  }

 private:
  std::mutex mutex_;
  std::condition_variable changed_;
  std::deque<T> values_;
};

/// Hands out completions and goes off (fails the test) if one of them never ran or ran twice.
/// Declare it before the transports: it must outlive them to see what they do last.
class Bomb {
 public:
  ~Bomb() {
    const std::lock_guard lock(state_->mutex);
    for (std::size_t i = 0; i < state_->slots.size(); ++i) {
      const int runs = state_->slots[i].runs;
      if (runs != 1) FAIL_CHECK("completion " << i << " ran " << runs << " times");
    }
  }
  SendDone send() {
    return [state = state_, slot = new_slot()](const Result<void>& result) {
      state->ended(slot, result.ok() ? std::nullopt : std::optional(result.fault()));
    };
  }
  ReceiveDone receive() {
    return [state = state_, slot = new_slot()](const Result<Buffer>& result) {
      state->ended(slot, result.ok() ? std::nullopt : std::optional(result.fault()));
    };
  }
  /// Waits until every completion has run at least once, and returns how each ended: nullopt is ok.
  std::vector<std::optional<Fault>> outcomes() {
    std::unique_lock lock(state_->mutex);
    state_->changed.wait(lock, [&] { return state_->ran_once == state_->slots.size(); });
    std::vector<std::optional<Fault>> result;
    for (const Slot& slot : state_->slots) result.push_back(slot.fault);
    return result;
  }
  /// The same as kinds, with "ok" for what went well: {"ok", "peer_lost"}.
  std::set<std::string> kinds() {
    std::set<std::string> result;
    for (const auto& fault : outcomes()) result.insert(fault ? name_of(fault->kind) : "ok");
    return result;
  }

 private:
  struct Slot {
    int runs = 0;
    std::optional<Fault> fault;
  };
  struct State {
    std::mutex mutex;
    std::condition_variable changed;
    std::deque<Slot> slots;
    std::size_t ran_once = 0;
    void ended(std::size_t index, std::optional<Fault> fault) {
      const std::lock_guard lock(mutex);
      if (++slots[index].runs == 1) ++ran_once;
      slots[index].fault = std::move(fault);
      changed.notify_all();
    }
  };
  std::size_t new_slot() {
    const std::lock_guard lock(state_->mutex);
    state_->slots.emplace_back();
    return state_->slots.size() - 1;
  }
  std::shared_ptr<State> state_ = std::make_shared<State>();
};

/// What a transport's watcher and its control subscriber heard.
struct Heard {
  struct Connected {
    PeerId peer;
    PeerInfo info;
  };
  struct Lost {
    PeerId peer;
    PeerInfo info;
    Fault fault;
  };
  struct Refused {
    std::string from;
    std::string why;
  };
  struct Control {
    PeerId peer;
    FrameKey key;
    Buffer payload;
  };
  Mail<Connected> connected;
  Mail<Lost> lost;
  Mail<Refused> refused;
  Mail<Control> control;

  void listen_in(Transport& transport) {
    transport.watch({
        .connected =
            [this](PeerId peer, const PeerInfo& info) {
              connected.put({peer, info});
            },
        .lost =
            [this](PeerId peer, const PeerInfo& info, const Fault& fault) {
              lost.put({peer, info, fault});
            },
        .refused =
            [this](const std::string& from, const std::string& why) {
              refused.put({from, why});
            },
    });
    transport.subscribe(FrameKind::control,
                        [this](PeerId peer, const FrameKey& key, Buffer payload) {
                          control.put({peer, key, std::move(payload)});
                        });
  }
};

/// A peer that dies in the middle of a frame. Constructed: it has connected as worker `victim_id`
/// and sent an empty control frame and then less than all of a large one. kill() ends it.
class Victim {
 public:
  virtual ~Victim() = default;
  virtual void kill() = 0;
};
inline constexpr WorkerId victim_id{13};

/// One kind of transport, as the tests want it: a fresh one for every test.
class Kind {
 public:
  virtual ~Kind() = default;
  [[nodiscard]] virtual std::unique_ptr<Transport> make(const TransportOptions& options) const = 0;
  /// Where to listen.
  [[nodiscard]] virtual std::string address() const = 0;
  [[nodiscard]] virtual std::unique_ptr<Victim> victim(const std::string& address) const = 0;
  /// Whether a send waits for its reader once the kernel has taken all it can.
  [[nodiscard]] virtual bool sends_wait() const = 0;
};

/// Defines a test that runs once for each type in `list`, on a `Kind& kind`. The body is no
/// template: it is compiled once, not once per type, which is what sanitizer builds spend their
/// time on.
#define PLANARIA_CONFORMANCE(name, list) \
  PLANARIA_CONFORMANCE_AS(INTERNAL_CATCH_UNIQUE_NAME(conformance_body), name, list)
#define PLANARIA_CONFORMANCE_AS(body, name, list)        \
  static void body(const Kind& kind);                    \
  TEMPLATE_LIST_TEST_CASE(name, "[conformance]", list) { \
    const TestType kind;                                 \
    body(kind);                                          \
  }                                                      \
  static void body([[maybe_unused]] const Kind& kind)

/// Two connected transports. `b` connected to `a` as worker 7.
struct Pair {
  Heard heard_a;
  Heard heard_b;
  std::unique_ptr<Transport> a;
  std::unique_ptr<Transport> b;
  std::string address;
  PeerId b_at_a = 0;
  PeerId a_at_b = 0;
  explicit Pair(const Kind& kind)
      : a(kind.make({.secret = secret})), b(kind.make({.secret = secret})) {
    heard_a.listen_in(*a);
    heard_b.listen_in(*b);
    address = a->listen(kind.address()).value();
    a_at_b = b->connect(address, WorkerId(7), 60000).value();
    b_at_a = heard_a.connected.take().peer;
  }
};

inline FrameKey key_of(FrameKind kind, std::int32_t part = 0, std::int64_t view = 1) {
  return {kind, ViewNumber(view), Step(41), LayerId(2), MicroBatchId(5), part};
}

/// Bytes that tell where they belong: no two frames and no two places in one look alike.
inline std::vector<std::byte> pattern(std::size_t size, std::uint32_t seed) {
  std::vector<std::byte> bytes(size);
  std::uint32_t state = seed * 2654435761U + 1;
  for (std::size_t i = 0; i < size; ++i) {
    state = state * 1664525U + 1013904223U;
    bytes[i] = static_cast<std::byte>(state >> 24);
  }
  return bytes;
}

inline bool equal(const Buffer& buffer, const std::vector<std::byte>& bytes) {
  return buffer.size() == bytes.size() &&
         std::equal(bytes.begin(), bytes.end(), buffer.bytes().begin());
}

inline bool aligned(const Buffer& buffer) {
  return reinterpret_cast<std::uintptr_t>(buffer.data()) % 64 == 0;
}

}  // namespace planaria::transport::testing
