// schedule/send_places.hpp: when a rank's sends arrive. Private.
#pragma once

#include <algorithm>
#include <vector>

namespace planaria {

/// A rank's sends, so many at once: each starts when it is asked for and a place is free, in the
/// order of asking.
class SendPlaces {
 public:
  /// 0 places: any number at once.
  explicit SendPlaces(int places) : free_at_ms_(static_cast<std::size_t>(places), 0.0) {}
  /// Returns when a send that is asked for at `now_ms` has arrived. Asked in order of time.
  double arrival(double now_ms, double send_ms) {
    if (free_at_ms_.empty()) return now_ms + send_ms;
    const auto earliest = std::min_element(free_at_ms_.begin(), free_at_ms_.end());
    *earliest = std::max(now_ms, *earliest) + send_ms;
    return *earliest;
  }

 private:
  std::vector<double> free_at_ms_;
};

}  // namespace planaria
