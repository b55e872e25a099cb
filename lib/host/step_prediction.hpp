// host/step_prediction.hpp (private): the steps that were measured, as simulated. Pure.
// Is: the simulation of a pipeline's step, fed with how long each of its actions took in that very
// step, beside what was measured. Is not: the planner's prediction, which knows costs alone.
#pragma once

#include <cstdint>
#include <map>
#include <optional>
#include <string>
#include <tuple>
#include <vector>

#include <planaria/base/json.hpp>
#include <planaria/model/layout.hpp>

namespace planaria::host {

/// One action of a worker, as it was measured or as it is predicted. Times on the run's clock.
struct StepAction {
  char kind = 'F';
  int chunk = 0;
  int micro_batch = 0;  // of the step
  double begin_ms = 0;  // its inputs are there
  double end_ms = 0;
};

/// A pipeline's step, both ways.
struct PredictedStep {
  std::int64_t step = 0;
  int pipeline = 0;
  double measured_ms = 0;   // from its first action's begin to its last one's end
  double predicted_ms = 0;  // makespan of the simulation
  double send_ms = 0;       // the median time a hand-over took whose receiver waited for it
  std::map<std::int64_t, std::vector<StepAction>> predicted;  // by worker
};

/// Collects `view` events and spans of kind "action".
class StepPredictions {
 public:
  /// Takes the layout of a `view` event; others are ignored.
  void add_view(const Json& event);
  /// Takes a span; returns whether it was an action's.
  bool add_span(const Json& span);
  /// Returns every pipeline's step of which each action was measured once and in one view, in order
  /// of steps. Steps that were broken off, or begun again with finished sums, are left out.
  [[nodiscard]] std::vector<PredictedStep> predicted() const;

 private:
  using Key = std::tuple<std::int64_t, std::int64_t>;                        // step, view
  std::map<std::int64_t, Layout> layouts_;                                   // by view
  std::map<Key, std::map<std::int64_t, std::vector<StepAction>>> measured_;  // by worker
};

}  // namespace planaria::host
