// Simulation that must work, for tests.
#pragma once

#include <vector>

#include <catch2/catch.hpp>

#include <planaria/schedule/actions.hpp>
#include <planaria/schedule/simulate.hpp>

namespace planaria::test {

inline constexpr StageCosts unit{1, 1, 1, 0};

/// The same costs for every stage.
inline std::vector<StageCosts> equal(int stages, StageCosts costs) {
  return std::vector<StageCosts>(static_cast<std::size_t>(stages), costs);
}

/// Simulates, or fails the test with the fault.
inline SimulatedSchedule simulated(const Schedule& schedule, const std::vector<StageCosts>& costs,
                                   const SimulationOptions& options = {}) {
  INFO(text_of(schedule));
  auto result = simulate(schedule, costs, options);
  if (!result) FAIL(result.fault().sentence);
  return std::move(result).value();
}

}  // namespace planaria::test
