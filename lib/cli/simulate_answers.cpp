#include "cli/simulate_answers.hpp"

namespace planaria::cli {

double standing_ms_of(const Answer& answer) {
  double sum_ms = 0;
  for (const SimulatedInterval& interval : answer.simulation.intervals) {
    sum_ms += interval.standing_ms;
  }
  return sum_ms;
}

double cost_of_machines(const Question& question) {
  double machine_hours = 0;
  for (std::size_t t = question.request.first; t < question.request.end; ++t) {
    machine_hours += question.intervals[t].count * question.request.interval_ms / 3'600'000;
  }
  return machine_hours * question.money->spot_per_hour;
}

std::optional<double> cost_per_million(const Question& question, const Answer& answer) {
  if (!question.money || answer.simulation.samples <= 0) return std::nullopt;
  return cost_of_machines(question) * 1e6 / answer.simulation.samples;
}

}  // namespace planaria::cli
