// protocol/eviction.hpp: who has to go where workers cannot reach each other. Private to protocol.
#pragma once

#include <functional>
#include <set>
#include <utility>
#include <vector>

#include <planaria/base/ids.hpp>

namespace planaria::protocol {

/// Two workers that cannot reach each other, the lower id first.
using UnreachablePair = std::pair<WorkerId, WorkerId>;

/// Returns the smallest set of workers of which every pair has one (PROTOCOL 5): of equals the one
/// whose workers hold the fewest layers alone together, then the one with the highest ids (compared
/// from the highest down). Exact up to 16 workers in pairs, O(2^workers x pairs); beyond, the
/// worker in most pairs goes first, with the same ties.
[[nodiscard]] std::set<WorkerId> smallest_cover(
    const std::set<UnreachablePair>& pairs, const std::function<int(WorkerId)>& layers_held_alone);

}  // namespace planaria::protocol
