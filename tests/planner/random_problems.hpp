// Small planning problems from a seed, in which memory, speeds, links and reductions decide in
// turn.
#pragma once

#include <cstdint>
#include <string>

#include "planner/plan_brute_force.hpp"

namespace planaria {

struct ProblemLimits {
  int layers_max = 6;
  int workers_max = 4;
  int micro_batches_max = 6;
};

/// Returns the seed's problem: the same on every machine. Many have an answer, some none.
[[nodiscard]] Problem random_problem(std::uint64_t seed, const ProblemLimits& limits);

/// Returns how to make the problem again, and its numbers.
[[nodiscard]] std::string text_of(const Problem& problem);

}  // namespace planaria
