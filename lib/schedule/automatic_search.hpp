// schedule/automatic_search.hpp: looks for a better order from one that is there. Private.
#pragma once

#include <functional>

#include <planaria/base/random.hpp>

#include "schedule/automatic_order.hpp"

namespace planaria {

/// Where a search may stop: nothing is better.
using Goal = Score;

/// Returns the best order found from `start`, which fits and plays to its end, by simulated
/// annealing over moves of one action on paths of waits; `start` if none is better. Ends when the
/// goal is met or keep_going, asked before each move, says so. Same arguments and as many moves:
/// same answer.
[[nodiscard]] Order improved(Player& player, const std::vector<Order>& starts, const Goal& goal,
                             Random random, const std::function<bool()>& keep_going);

}  // namespace planaria
