// planner/refine.hpp: small moves that better a plan. Private to planner.
#pragma once

#include <cstdint>

#include "planner/broad_search.hpp"
#include "planner/spread.hpp"

namespace planaria {

/// Moves cuts by a layer (of all pipelines that are cut alike), lanes between pipelines and, where
/// workers differ, workers between places, as long as the step becomes shorter by it and effort is
/// left. Every move is priced exactly; same plan, same answer.
void refine(const SearchTools& tools, Spreader& spreader, FoundPlan& found);

/// Moves lanes alone, between pipelines of different kinds (cuts and share), also to some that end
/// later: who ends first may yet hold up reductions. Returns the effort, in actions simulated and
/// layers reduced.
std::int64_t level_kinds(const SearchTools& tools, Spreader& spreader, FoundPlan& found);

}  // namespace planaria
