// cli/simulate_answers.hpp: what `planaria simulate` was asked and what came of it. Private.
// Is: the values that its text, its JSON and its page tell, and the sums that several of them show.
// Is not: a policy, nor how it is told (simulate_command.cpp, simulate_report.hpp).
#pragma once

#include <memory>
#include <optional>
#include <string>
#include <vector>

#include <planaria/liveput/prices.hpp>
#include <planaria/liveput/simulation.hpp>

#include "cli/machine_prices.hpp"

namespace planaria::cli {

/// What was asked. May be moved: what `request` looks at stays where it is.
struct Question {
  std::string model;
  std::unique_ptr<PriceModel> prices;
  std::vector<std::vector<IntervalCounts>> zones;
  std::vector<IntervalCounts> intervals;  // their sum
  SimulationRequest request;
  std::optional<MachinePrices> money;
};

/// What came of a policy.
struct Answer {
  std::string policy;
  Simulation simulation;
  double decision_ms_max = 0;
  int intra_stage = 0;
  int inter_stage = 0;
  int pipeline = 0;
  double lost_samples = 0;
};

/// Returns how long nobody trained in all.
[[nodiscard]] double standing_ms_of(const Answer& answer);
/// Returns what all machines of the segment cost, whoever uses them. Requires `money`.
[[nodiscard]] double cost_of_machines(const Question& question);
/// Returns that for each million samples trained; nothing where none were or no prices are known.
[[nodiscard]] std::optional<double> cost_per_million(const Question& question,
                                                     const Answer& answer);

}  // namespace planaria::cli
