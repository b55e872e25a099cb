// planner/shadow_search.hpp: shadows where pipelines alone are not holders enough. Private to
// planner. Is: for plans made anew, by memory and price. Is not: shadows after a loss, which follow
// who holds what (shadows.cpp).
#pragma once

#include <optional>

#include "planner/broad_search.hpp"

namespace planaria {

/// Gives every layer of the plan `holders` holders, or nothing where memory is short. Layer by
/// layer, the largest first, each shadow goes to the worker with room that is in the most other
/// failure domains than the layer's holders (zone, then host), idle ones first where several are,
/// then to who has the most room left. Then shadows move as long as the step becomes shorter by it.
[[nodiscard]] std::optional<FoundPlan> with_shadows(const SearchTools& tools, const FoundPlan& plan,
                                                    int holders);

}  // namespace planaria
