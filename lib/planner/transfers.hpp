// Which holder sends which layer, and when the last one has arrived.
#pragma once

#include <cstdint>
#include <vector>

#include "planner/holdings.hpp"

namespace planaria {

/// A layer that a worker, by number, must get.
struct Need {
  int layer = 0;
  int worker = 0;
};

/// Hands transfers to sources one after another; every worker sends one layer at a time and
/// receives one at a time, in that order. Times are counted in bytes, so that they are exact.
class TransferQueue {
 public:
  explicit TransferQueue(const Holdings& holdings);
  /// Puts `needs` behind what was put before: the largest layer first (then the lowest layer, then
  /// the lowest worker), each from the holder with which it can start first, of equals from the one
  /// that is free first, then from the lowest id. Requires a holder of every layer.
  /// O(layers + needs x holders of each).
  [[nodiscard]] std::vector<Transfer> put(const std::vector<Need>& needs);
  /// Returns when the last one has arrived, had each byte taken one unit of time.
  [[nodiscard]] std::int64_t end() const { return end_; }

 private:
  [[nodiscard]] Transfer put(int layer, int worker);

  const Holdings& holdings_;
  std::vector<std::int64_t> sends_until_;
  std::vector<std::int64_t> receives_until_;
  std::int64_t end_ = 0;
};

}  // namespace planaria
