// tests/protocol/scenario.hpp: a whole simulated run from one seed.
#pragma once

#include "protocol/cluster.hpp"

namespace planaria::protocol {

/// What a scenario may contain; a story about one kind of fault takes the others out.
struct ScenarioBounds {
  int workers_min = 1;
  int workers_max = 64;
  int faults_max = 8;
  bool crashes = true;
  bool stops = true;
  bool joins = true;
  bool cuts = true;
  bool throws = true;
};

/// Same seed and bounds, same scenario: size of the cluster, of the model and of the run, k, what
/// layout is asked for, and the faults with their moments.
[[nodiscard]] ClusterOptions scenario_of(std::uint64_t seed, const ScenarioBounds& bounds = {});

/// "5 workers, 1 spare, 6 layers, 4 steps of 9 micro-batches, k 2; crash of process 3 before
/// delivery 120, ...".
[[nodiscard]] std::string text_of(const ClusterOptions& scenario);

}  // namespace planaria::protocol
