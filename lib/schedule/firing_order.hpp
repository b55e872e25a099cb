// schedule/firing_order.hpp: the ranks run without time. Private.
// Is: the search for an order in which every action can fire, or for the shortest cycle of waits.
// Is not: a judge of what is there (validate.cpp), nor of when (simulate.cpp).
#pragma once

#include <vector>

#include <planaria/base/result.hpp>
#include <planaria/schedule/actions.hpp>
#include <planaria/schedule/validate.hpp>

#include "schedule/work_table.hpp"

namespace planaria {

/// Returns an order in which all actions of a complete schedule can fire, with blocking receives
/// and at most `sends_in_flight` sends of a kind from one rank to another (0: any number);
/// infeasible with the shortest cycle of waits otherwise. O(actions) but for that search.
[[nodiscard]] Result<std::vector<Firing>> firing_order(const Schedule& schedule,
                                                       const StageTable& stages,
                                                       const std::vector<Work>& table,
                                                       int sends_in_flight);

}  // namespace planaria
