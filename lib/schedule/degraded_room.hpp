// schedule/degraded_room.hpp: whether one micro-batch fits at all. Private.
#pragma once

#include <cstdint>
#include <vector>

#include "schedule/degraded_problem.hpp"

namespace planaria::degrading {

/// Where the chunks of one micro-batch lie at a place, on one live rank or several.
struct Room {
  std::vector<int> rank_of;     // [chunk]
  std::int64_t most_bytes = 0;  // on any one of them, the least there can be
};

/// Spreads the chunks over the live ranks so that the fullest holds least. Requires room by count:
/// chunks <= live ranks x in_flight_limit. Exact up to a hundred thousand ways looked at.
[[nodiscard]] Room room_at(const Problem& problem, int place);

/// Runs one micro-batch after another, each alone: slow, but it needs no more room than one takes.
[[nodiscard]] Orders one_at_a_time(const Problem& problem);

}  // namespace planaria::degrading
