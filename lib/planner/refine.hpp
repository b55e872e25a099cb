// planner/refine.hpp: small moves that better a plan. Private to planner.
#pragma once

#include "planner/broad_search.hpp"
#include "planner/spread.hpp"

namespace planaria {

/// Moves cuts by a layer (of all pipelines that are cut alike), lanes between pipelines and, where
/// workers differ, workers between places, as long as the step becomes shorter by it and effort is
/// left. Every move is priced exactly; same plan, same answer.
void refine(const SearchTools& tools, Spreader& spreader, FoundPlan& found);

}  // namespace planaria
