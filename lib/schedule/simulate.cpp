#include <planaria/schedule/simulate.hpp>

#include <algorithm>
#include <cmath>
#include <deque>
#include <optional>
#include <utility>

#include <fmt/format.h>

#include <planaria/base/check.hpp>

namespace planaria {
namespace {

Result<void> check_cost(std::size_t stage, const char* field, double ms) {
  if (std::isfinite(ms) && ms >= 0) return {};
  return Fault::invalid_input(
      fmt::format("stages[{}].{}: {}, must be finite and at least 0", stage, field, ms));
}

Result<void> check_costs(const Schedule& schedule, const std::vector<StageCosts>& costs) {
  if (costs.size() != static_cast<std::size_t>(schedule.stages())) {
    return Fault::invalid_input(fmt::format("costs of {} stages, must be of {}, the schedule's",
                                            costs.size(), schedule.stages()));
  }
  for (std::size_t stage = 0; stage < costs.size(); ++stage) {
    PLANARIA_TRY_VOID(check_cost(stage, "forward_ms", costs[stage].forward_ms));
    PLANARIA_TRY_VOID(check_cost(stage, "backward_input_ms", costs[stage].backward_input_ms));
    PLANARIA_TRY_VOID(check_cost(stage, "backward_weight_ms", costs[stage].backward_weight_ms));
    PLANARIA_TRY_VOID(check_cost(stage, "send_ms", costs[stage].send_ms));
  }
  return {};
}

double duration_of(ActionKind kind, const StageCosts& costs) {
  switch (kind) {
    case ActionKind::forward:
    case ActionKind::recompute:
      return costs.forward_ms;
    case ActionKind::backward_input:
      return costs.backward_input_ms;
    case ActionKind::backward_weight:
      return costs.backward_weight_ms;
    case ActionKind::backward:
      return costs.backward_input_ms + costs.backward_weight_ms;
  }
  check_failed("an action of no known kind", "");
}

/// What an action yields: activations down the pipeline, or gradients up it.
enum class Yield { activation, gradient };

std::optional<Yield> yield_of(ActionKind kind) {
  switch (kind) {
    case ActionKind::forward:
      return Yield::activation;
    case ActionKind::backward_input:
    case ActionKind::backward:
      return Yield::gradient;
    case ActionKind::backward_weight:
    case ActionKind::recompute:
      return std::nullopt;
  }
  check_failed("an action of no known kind", "");
}

/// A result that an action waits for, and the stage that yields it.
struct Need {
  Yield yield;
  int stage;
};

class Simulation {
 public:
  Simulation(const Schedule& schedule, const std::vector<StageCosts>& costs)
      : schedule_(schedule),
        costs_(costs),
        rank_of_(costs.size()),
        next_(schedule.ranks.size(), 0),
        free_at_ms_(schedule.ranks.size(), 0),
        in_flight_(schedule.ranks.size(), 0),
        activations_(costs.size(),
                     std::vector<double>(static_cast<std::size_t>(schedule.micro_batches), never)),
        gradients_(activations_) {
    for (int rank = 0; rank < ranks(); ++rank) {
      for (int chunk = 0; chunk < schedule.chunks; ++chunk) {
        rank_of_[static_cast<std::size_t>(schedule.stage_of(rank, chunk))] = rank;
      }
    }
    result_.ranks.resize(schedule.ranks.size());
  }

  Result<SimulatedSchedule> run() {
    // A rank's progress can only wake the ranks of the neighbouring stages.
    for (int rank = 0; rank < ranks(); ++rank) awake_.push_back(rank);
    while (!awake_.empty()) {
      const int rank = awake_.front();
      awake_.pop_front();
      while (true) {
        PLANARIA_TRY(fired, fire(rank));
        if (!fired) break;
      }
    }
    for (int rank = 0; rank < ranks(); ++rank) {
      if (next_of(rank) != nullptr) return Fault::infeasible(waits_for_ever(rank));
    }
    finish();
    return std::move(result_);
  }

 private:
  static constexpr double never = -1;

  [[nodiscard]] int ranks() const { return static_cast<int>(schedule_.ranks.size()); }
  [[nodiscard]] const Action* next_of(int rank) const {
    const auto& actions = schedule_.ranks[static_cast<std::size_t>(rank)];
    const std::size_t at = next_[static_cast<std::size_t>(rank)];
    return at < actions.size() ? &actions[at] : nullptr;
  }
  [[nodiscard]] double& ended(Yield yield, int stage, int micro_batch) {
    auto& of = yield == Yield::activation ? activations_ : gradients_;
    return of[static_cast<std::size_t>(stage)][static_cast<std::size_t>(micro_batch)];
  }

  /// What `action` waits for beyond its own rank, or for a result of its own stage: at most two.
  [[nodiscard]] std::vector<Need> needs_of(int rank, const Action& action) const {
    const int stage = schedule_.stage_of(rank, action.chunk);
    const bool last = stage + 1 == schedule_.stages();
    switch (action.kind) {
      case ActionKind::forward:
        if (stage == 0) return {};
        return {{Yield::activation, stage - 1}};
      case ActionKind::backward_input:
      case ActionKind::backward:
        if (last) return {{Yield::activation, stage}};
        return {{Yield::activation, stage}, {Yield::gradient, stage + 1}};
      case ActionKind::backward_weight:
        return {{Yield::gradient, stage}};
      case ActionKind::recompute:
        return {{Yield::activation, stage}};
    }
    check_failed("an action of no known kind", "");
  }

  /// Runs the rank's next action if all it needs has an end; returns whether it ran.
  Result<bool> fire(int rank) {
    const auto at = static_cast<std::size_t>(rank);
    const Action* action = next_of(rank);
    if (action == nullptr) return false;
    if (action->micro_batch < 0 || action->micro_batch >= schedule_.micro_batches ||
        action->chunk < 0 || action->chunk >= schedule_.chunks) {
      return Fault::infeasible(
          fmt::format("rank {} has {}, must be chunk 0 to {} and micro-batch 0 to {}", rank,
                      text_of(*action), schedule_.chunks - 1, schedule_.micro_batches - 1));
    }
    double start_ms = free_at_ms_[at];
    for (const Need& need : needs_of(rank, *action)) {
      const double end_ms = ended(need.yield, need.stage, action->micro_batch);
      if (end_ms == never) return false;
      const bool here = rank_of_[static_cast<std::size_t>(need.stage)] == rank;
      const double sent_ms = here ? 0 : costs_[static_cast<std::size_t>(need.stage)].send_ms;
      start_ms = std::max(start_ms, end_ms + sent_ms);
    }
    const int stage = schedule_.stage_of(rank, action->chunk);
    const double end_ms =
        start_ms + duration_of(action->kind, costs_[static_cast<std::size_t>(stage)]);
    if (const auto yield = yield_of(action->kind)) {
      double& end = ended(*yield, stage, action->micro_batch);
      if (end != never) {
        return Fault::infeasible(fmt::format("rank {} has {} twice", rank, text_of(*action)));
      }
      end = end_ms;
      wake(*yield == Yield::activation ? stage + 1 : stage - 1);
    }
    note(rank, *action, {start_ms, end_ms});
    free_at_ms_[at] = end_ms;
    ++next_[at];
    return true;
  }

  void wake(int stage) {
    if (stage < 0 || stage >= schedule_.stages()) return;
    awake_.push_back(rank_of_[static_cast<std::size_t>(stage)]);
  }

  void note(int rank, const Action& action, SimulatedAction when) {
    SimulatedRank& of = result_.ranks[static_cast<std::size_t>(rank)];
    int& in_flight = in_flight_[static_cast<std::size_t>(rank)];
    of.actions.push_back(when);
    of.busy_ms += when.end_ms - when.start_ms;
    if (action.kind == ActionKind::forward) ++in_flight;
    if (yield_of(action.kind) == Yield::gradient) --in_flight;
    of.peak_in_flight = std::max(of.peak_in_flight, in_flight);
  }

  void finish() {
    double busy_ms = 0;
    for (SimulatedRank& rank : result_.ranks) {
      busy_ms += rank.busy_ms;
      if (rank.actions.empty()) continue;
      rank.span_ms = rank.actions.back().end_ms - rank.actions.front().start_ms;
      result_.largest_span_ms = std::max(result_.largest_span_ms, rank.span_ms);
      result_.makespan_ms = std::max(result_.makespan_ms, rank.actions.back().end_ms);
    }
    if (result_.largest_span_ms > 0) {
      const auto count = static_cast<double>(result_.ranks.size());
      result_.bubble_rate = 1 - (busy_ms / (count * result_.largest_span_ms));
    }
  }

  [[nodiscard]] std::string waits_for_ever(int rank) {
    const Action& action = *next_of(rank);
    for (const Need& need : needs_of(rank, action)) {
      if (ended(need.yield, need.stage, action.micro_batch) != never) continue;
      return fmt::format(
          "rank {} waits for ever before {}: stage {} does not come to {} of "
          "micro-batch {}",
          rank, text_of(action), need.stage,
          need.yield == Yield::activation ? "the forward" : "the backward", action.micro_batch);
    }
    check_failed("an action that needs nothing has not fired", text_of(action));
  }

  const Schedule& schedule_;
  const std::vector<StageCosts>& costs_;
  std::vector<int> rank_of_;  // [stage]
  std::vector<std::size_t> next_;
  std::vector<double> free_at_ms_;
  std::vector<int> in_flight_;
  std::vector<std::vector<double>> activations_;  // [stage][micro-batch]: end of F, or never
  std::vector<std::vector<double>> gradients_;    // [stage][micro-batch]: end of B or G, or never
  std::deque<int> awake_;
  SimulatedSchedule result_;
};

}  // namespace

Result<SimulatedSchedule> simulate(const Schedule& schedule, const std::vector<StageCosts>& costs) {
  PLANARIA_TRY_VOID(check_costs(schedule, costs));
  return Simulation(schedule, costs).run();
}

}  // namespace planaria
