// schedule/degraded_spread.hpp: the base schedule's order on evenly dealt micro-batches. Private.
#pragma once

#include <string>
#include <vector>

#include "schedule/degraded_problem.hpp"

namespace planaria::degrading {

/// How each stage's micro-batches come to its live ranks, evenly and in order.
enum class Dealing {
  blocks,        // consecutive ones, longer blocks first
  floor_blocks,  // consecutive ones, from floor(k N / L)
  in_turn,       // one after another
  columns,       // one after another, the first of each pipeline before the second of any
  dead_in_turn,  // each rank keeps its own, those of dead ranks one after another
  dead_columns,  // the same, the first of each pipeline before the second of any
};
[[nodiscard]] const std::vector<Dealing>& all_dealings();

/// Returns, for each place and each of its live ranks, the micro-batches dealt to it, in order.
[[nodiscard]] std::vector<std::vector<std::vector<int>>> dealt(const Problem& problem,
                                                               Dealing dealing);

/// Each rank runs the order that `kind` gives its place for as many micro-batches as were dealt to
/// it (or the next larger number that the kind can have, without those beyond). `split` writes G
/// as B and W. Overlapped pairs are written apart, which is never slower. invalid_input where the
/// kind cannot have such a shape.
[[nodiscard]] Result<Orders> spread(const Problem& problem, const std::string& kind,
                                    Dealing dealing, bool split);

}  // namespace planaria::degrading
