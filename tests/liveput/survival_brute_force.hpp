// Survival by trying every set of lost workers: shares no code with lib/liveput.
#pragma once

#include <string>
#include <vector>

#include <planaria/base/random.hpp>
#include <planaria/liveput/survival.hpp>
#include <planaria/model/layout.hpp>

namespace planaria::test {

/// A layout and the workers and zones that it stands in.
struct SurvivalProblem {
  Layout layout;
  int layers = 0;
  int workers = 0;
  std::vector<LossZone> zones;
};

/// Returns a layout of at most `workers_max` workers: pipelines with cuts of their own, some in
/// chunks, some that share workers, shadows, idle workers, no zones.
[[nodiscard]] SurvivalProblem random_problem(Random& random, int workers_max);
/// Returns one to three zones over all workers; some never vanish, some surely do.
[[nodiscard]] std::vector<LossZone> random_zones(Random& random, int workers);
/// Returns what one can paste: the layout's JSON, workers and zones.
[[nodiscard]] std::string text_of(const SurvivalProblem& problem);

/// Returns, for each number of live holders from 1 to `replicas_max` and each number of losses, the
/// probability. O(2^(workers + zones)).
[[nodiscard]] std::vector<std::vector<double>> brute_force(const SurvivalProblem& problem,
                                                           int replicas_max);

/// Returns whether both are the same to a relative 1e-12.
[[nodiscard]] bool is_close(double found, double expected);

}  // namespace planaria::test
