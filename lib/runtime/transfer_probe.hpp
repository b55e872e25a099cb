// runtime/transfer_probe.hpp: how long messages take between two workers that compute. Private.
// Is: both ends of a ping-pong over a transport, from the compute thread's post to the other's I/O
// thread and back, while both compute threads are busy. Is not: what is computed (the caller's).
#pragma once

#include <condition_variable>
#include <cstdint>
#include <functional>
#include <memory>
#include <mutex>
#include <optional>
#include <string>
#include <vector>

#include <planaria/base/clock.hpp>
#include <planaria/base/result.hpp>
#include <planaria/transport/transport.hpp>

namespace planaria::runtime {

/// A piece of work that keeps a compute thread busy: a few milliseconds, called again and again.
using BusyWork = std::function<Result<void>()>;

/// The sizes to measure: a few bytes, then in steps of four until `largest_bytes` lies below.
[[nodiscard]] std::vector<std::int64_t> transfer_sizes(std::int64_t largest_bytes);

/// The end that measures. One thread but for what the transport calls.
class TransferProbe {
 public:
  explicit TransferProbe(std::unique_ptr<transport::Transport> transport);
  /// Listens at `address`; returns the one that the echo connects to. Faults of the transport.
  [[nodiscard]] Result<std::string> listen(const std::string& address);
  /// Waits for the echo, then measures: [size][round], one-way milliseconds, that is half the way
  /// there and back, after a round that is not counted. Sizes take turns. peer_lost where the echo
  /// goes before the end.
  [[nodiscard]] Result<std::vector<std::vector<double>>> measure(
      const std::vector<std::int64_t>& sizes, int rounds, const BusyWork& work);
  /// Ends measure() with `why`, since no echo will come. Any thread.
  void give_up(const Fault& why);
  /// Ends the connection, and with it the echo. After measure().
  void close() { transport_.reset(); }

 private:
  [[nodiscard]] Result<double> there_and_back_ms(std::int64_t bytes, const BusyWork& work);

  SystemClock clock_;
  std::mutex mutex_;
  std::condition_variable changed_;
  std::optional<transport::PeerId> peer_;
  std::optional<Fault> lost_;
  std::optional<Instant> came_back_;
  std::int64_t sent_ = 0;
  std::unique_ptr<transport::Transport> transport_;  // last: its thread uses everything above
};

/// The other end: connects to `address`, sends back whatever comes, and works until the connection
/// ends. Faults of connect() and of `work`.
[[nodiscard]] Result<void> echo_transfers(transport::Transport& transport,
                                          const std::string& address, const BusyWork& work);

}  // namespace planaria::runtime
