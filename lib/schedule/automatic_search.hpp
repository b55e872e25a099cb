// schedule/automatic_search.hpp: looks for a better order from one that is there. Private.
#pragma once

#include <functional>

#include <planaria/base/random.hpp>

#include "schedule/automatic_order.hpp"

namespace planaria {

/// What a search found, and that nothing is better than `goal`, part by part.
struct SearchAnswer {
  Order order;
  Score goal;
};

/// Returns the best order found from `starts`, which fit and play to their end. Ends when `goal`, a
/// bound of both parts, is met, or keep_going, asked before each move, says so. In turn: a beam of
/// partial orders, rules for ranks, and simulated annealing of single actions on paths of waits,
/// each longer from round to round. Same arguments and as many moves: same answer.
[[nodiscard]] SearchAnswer improved(Player& player, const std::vector<Order>& starts,
                                    const Score& goal, Random random,
                                    const std::function<bool()>& keep_going);

}  // namespace planaria
