// host/mailbox.hpp (private): what the transport's I/O thread hands to the coordinator's thread.
#pragma once

#include <chrono>
#include <condition_variable>
#include <deque>
#include <mutex>
#include <optional>
#include <string>
#include <utility>
#include <variant>

#include <planaria/transport/transport.hpp>

namespace planaria::host {

// ---- what may arrive

struct FrameArrived {
  transport::PeerId peer = 0;
  transport::FrameKey key;
  transport::Buffer payload;
};
struct PeerCame {
  transport::PeerId peer = 0;
  std::string address;
};
struct PeerWent {
  transport::PeerId peer = 0;
  std::string why;
};
struct StrangerRefused {
  std::string from;
  std::string why;
};
struct StopAsked {
  std::string why;
};
using Arrival = std::variant<FrameArrived, PeerCame, PeerWent, StrangerRefused, StopAsked>;

/// Hands arrivals from any thread to one, and counts the sends that are not done yet.
class Mailbox {
 public:
  void put(Arrival arrival) {
    const std::lock_guard lock(mutex_);
    arrivals_.push_back(std::move(arrival));
    changed_.notify_one();
  }
  [[nodiscard]] Arrival take() {
    std::unique_lock lock(mutex_);
    changed_.wait(lock, [&] { return !arrivals_.empty(); });
    return take_first();
  }
  [[nodiscard]] std::optional<Arrival> take_before(std::chrono::steady_clock::time_point deadline) {
    std::unique_lock lock(mutex_);
    if (!changed_.wait_until(lock, deadline, [&] { return !arrivals_.empty(); })) return {};
    return take_first();
  }
  void send_begins() {
    const std::lock_guard lock(mutex_);
    ++sends_;
  }
  void send_ends() {
    const std::lock_guard lock(mutex_);
    --sends_;
    sent_.notify_all();
  }
  void wait_for_sends(std::chrono::steady_clock::time_point deadline) {
    std::unique_lock lock(mutex_);
    sent_.wait_until(lock, deadline, [&] { return sends_ == 0; });
  }

 private:
  [[nodiscard]] Arrival take_first() {
    Arrival arrival = std::move(arrivals_.front());
    arrivals_.pop_front();
    return arrival;
  }
  std::mutex mutex_;
  std::condition_variable changed_;
  std::condition_variable sent_;
  std::deque<Arrival> arrivals_;
  int sends_ = 0;
};

}  // namespace planaria::host
