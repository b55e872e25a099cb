#include <planaria/schedule/simulate.hpp>

#include <algorithm>
#include <cmath>
#include <optional>
#include <utility>

#include <fmt/format.h>

#include <planaria/base/check.hpp>
#include <planaria/base/random.hpp>

#include "schedule/send_places.hpp"
#include "schedule/work_table.hpp"

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
    const StageCosts& of = costs[stage];
    PLANARIA_TRY_VOID(check_cost(stage, "forward_ms", of.forward_ms));
    PLANARIA_TRY_VOID(check_cost(stage, "backward_input_ms", of.backward_input_ms));
    PLANARIA_TRY_VOID(check_cost(stage, "backward_weight_ms", of.backward_weight_ms));
    PLANARIA_TRY_VOID(check_cost(stage, "send_ms", of.send_ms));
    PLANARIA_TRY_VOID(check_cost(stage, "send_back_ms", of.send_back_ms.value_or(0)));
  }
  return {};
}

Result<void> check_options(const Schedule& schedule, const SimulationOptions& options) {
  if (options.sends_in_flight < 0) {
    return Fault::invalid_input(
        fmt::format("sends_in_flight: {}, must be at least 0", options.sends_in_flight));
  }
  if (options.overlapped_ms && !(std::isfinite(*options.overlapped_ms))) {
    return Fault::invalid_input(
        fmt::format("overlapped_ms: {}, must be finite", *options.overlapped_ms));
  }
  if (options.durations_ms != nullptr) {
    const auto& durations = *options.durations_ms;
    bool fits = durations.size() == schedule.ranks.size();
    for (std::size_t rank = 0; fits && rank < durations.size(); ++rank) {
      fits = durations[rank].size() == schedule.ranks[rank].size();
    }
    if (!fits)
      return Fault::invalid_input("durations_ms: must be one for each action of each rank");
  }
  return {};
}

class Simulation {
 public:
  Simulation(const Schedule& schedule, const std::vector<StageCosts>& costs,
             const SimulationOptions& options)
      : schedule_(schedule),
        costs_(costs),
        options_(options),
        stages_(schedule),
        next_(schedule.ranks.size(), 0),
        free_at_ms_(schedule.ranks.size(), 0),
        in_flight_(schedule.ranks.size(), 0),
        waits_for_(schedule.ranks.size(), nullptr),
        places_(schedule.ranks.size(), SendPlaces(options.sends_in_flight)) {}

  Result<SimulatedSchedule> run() {
    PLANARIA_TRY_VOID(prepare());
    for (int rank = ranks() - 1; rank >= 0; --rank) awake_.push_back(rank);
    while (!awake_.empty() && !fault_) {
      const int rank = awake_.back();
      awake_.pop_back();
      run_on(rank);
    }
    if (fault_) return *fault_;
    for (int rank = 0; rank < ranks(); ++rank) {
      if (next_of(rank) < actions_of(rank).size()) return Fault::infeasible(waits_for_ever(rank));
    }
    finish();
    return std::move(result_);
  }

 private:
  static constexpr double never = -1;
  enum Done : std::uint8_t { forwarded = 1, gradient = 2 };

  [[nodiscard]] int ranks() const { return static_cast<int>(schedule_.ranks.size()); }
  [[nodiscard]] std::size_t& next_of(int rank) { return next_[static_cast<std::size_t>(rank)]; }
  [[nodiscard]] const std::vector<Action>& actions_of(int rank) const {
    return schedule_.ranks[static_cast<std::size_t>(rank)];
  }

  // Also proves that every action has a place in the tables, so that fire() need not.
  Result<void> prepare() {
    std::size_t actions = 0;
    for (int rank = 0; rank < ranks(); ++rank) {
      for (const Action& action : actions_of(rank)) {
        if (action.chunk < 0 || action.chunk >= schedule_.chunks || action.micro_batch < 0 ||
            action.micro_batch >= schedule_.micro_batches) {
          return Fault::infeasible(fmt::format("rank {} {}", rank, misfit_of(schedule_, action)));
        }
      }
      actions += actions_of(rank).size();
    }
    result_.ranks.resize(schedule_.ranks.size());
    for (int rank = 0; rank < ranks(); ++rank) {
      result_.ranks[static_cast<std::size_t>(rank)].actions.reserve(actions_of(rank).size());
    }
    // Fewer actions than cells is no whole step; a stray number must not cost memory.
    if (stages_.cells() > (8 * actions) + 1024) {
      return Fault::infeasible(fmt::format(
          "{} actions for {} stages and {} micro-batches, must be one for each at least", actions,
          stages_.stages(), schedule_.micro_batches));
    }
    activations_.assign(stages_.cells(), never);
    gradients_.assign(stages_.cells(), never);
    done_.assign(stages_.cells(), 0);
    const auto micro_batches = static_cast<std::ptrdiff_t>(schedule_.micro_batches);
    std::fill(activations_.begin(), activations_.begin() + micro_batches, 0.0);
    std::fill(gradients_.end() - micro_batches, gradients_.end(), 0.0);
    if (schedule_.width == 1) return {};
    PLANARIA_TRY(table, work_table(schedule_, stages_));
    for (const Work& work : table) owners_.push_back(work.rank);
    return {};
  }

  /// The rank that computes (stage, micro-batch), or -1.
  [[nodiscard]] int owner(int stage, std::size_t cell) const {
    return owners_.empty() ? stages_.rank_of(stage) : owners_[cell];
  }

  /// Raises `start_ms` to when the action's inputs are there; false, and the rank set waiting,
  /// where one is not known yet.
  bool inputs_there(int rank, ActionKind kind, std::size_t cell, double& start_ms) {
    const auto arrived = [&](const double& at_ms) {
      if (at_ms == never) {
        waits_for_[static_cast<std::size_t>(rank)] = &at_ms;
        return false;
      }
      start_ms = std::max(start_ms, at_ms);
      return true;
    };
    switch (kind) {
      case ActionKind::forward:
        return arrived(activations_[cell]);
      case ActionKind::backward_input:
      case ActionKind::backward:
        return (done_[cell] & forwarded) != 0 && arrived(gradients_[cell]);
      case ActionKind::backward_weight:
        return (done_[cell] & gradient) != 0;
      case ActionKind::recompute:
        if ((done_[cell] & forwarded) == 0) return false;
        return !options_.recompute_after_gradient || arrived(gradients_[cell]);
    }
    check_failed("an action of no known kind", "");
  }

  /// An action's stage, and its place in the tables.
  struct Spot {
    int stage;
    std::size_t cell;
  };
  [[nodiscard]] Spot spot_of(const int* stages, const Action& action) const {
    const int stage = stages[action.chunk];
    return {stage, stages_.cell(stage, action.micro_batch)};
  }

  /// Runs the rank's actions until one needs what has no time yet.
  void run_on(int rank) {
    const auto at = static_cast<std::size_t>(rank);
    const auto& actions = schedule_.ranks[at];
    const int* const stages = stages_.stages_of(rank);
    SimulatedRank& result = result_.ranks[at];
    double free_at_ms = free_at_ms_[at];
    std::size_t position = next_[at];
    while (position < actions.size()) {
      const Action& action = actions[position];
      const Spot spot = spot_of(stages, action);
      double start_ms = free_at_ms;
      if (!inputs_there(rank, action.kind, spot.cell, start_ms)) break;
      const std::size_t parts = parts_at(actions, position);
      if (parts == 1) {
        const double lasts_ms = lasts(rank, position, spot.stage);
        const double end_ms = start_ms + lasts_ms;
        yield(rank, position, spot, end_ms);
        result.actions.push_back({start_ms, end_ms});
        result.busy_ms += lasts_ms;
        free_at_ms = end_ms;
      } else {
        const Spot other = spot_of(stages, actions[position + 1]);
        if (!inputs_there(rank, actions[position + 1].kind, other.cell, start_ms)) break;
        const double lasts_ms = pair_lasts(rank, position, spot.stage, other.stage);
        const double end_ms = start_ms + lasts_ms;
        yield(rank, position, spot, end_ms);
        yield(rank, position + 1, other, end_ms);
        result.actions.insert(result.actions.end(), 2, {start_ms, end_ms});
        result.busy_ms += lasts_ms;
        free_at_ms = end_ms;
      }
      if (fault_) return;
      position += parts;
    }
    free_at_ms_[at] = free_at_ms;
    next_[at] = position;
  }

  [[nodiscard]] double draw(const std::vector<double>& factors, int rank, std::size_t position,
                            std::uint64_t what) const {
    if (factors.empty()) return 1;
    Random random(mix({options_.jitter->seed, what, static_cast<std::uint64_t>(rank), position}));
    return factors[random.below(factors.size())];
  }

  [[nodiscard]] double by_costs(ActionKind kind, int stage) const {
    return duration_ms(kind, costs_[static_cast<std::size_t>(stage)]);
  }
  [[nodiscard]] double spread(double lasts_ms, int rank, std::size_t position) const {
    if (options_.jitter == nullptr) return lasts_ms;
    return lasts_ms * draw(options_.jitter->compute, rank, position, 0);
  }
  [[nodiscard]] double measured(int rank, std::size_t position) const {
    return (*options_.durations_ms)[static_cast<std::size_t>(rank)][position];
  }

  [[nodiscard]] double lasts(int rank, std::size_t position, int stage) const {
    if (options_.durations_ms != nullptr) return measured(rank, position);
    return spread(by_costs(actions_of(rank)[position].kind, stage), rank, position);
  }

  double pair_lasts(int rank, std::size_t position, int stage, int other_stage) {
    if (options_.durations_ms != nullptr) return measured(rank, position);
    const double first_ms = by_costs(actions_of(rank)[position].kind, stage);
    const double second_ms = by_costs(actions_of(rank)[position + 1].kind, other_stage);
    const double longer_ms = std::max(first_ms, second_ms);
    const double lasts_ms = options_.overlapped_ms.value_or(first_ms + second_ms);
    if (lasts_ms < longer_ms) {
      fault_ = Fault::invalid_input(
          fmt::format("overlapped_ms: {}, must be at least {}, the longer part of {}", lasts_ms,
                      longer_ms, text_of(schedule_, rank, position)));
    }
    return spread(lasts_ms, rank, position);
  }

  void yield(int rank, std::size_t position, const Spot& spot, double end_ms) {
    int& in_flight = in_flight_[static_cast<std::size_t>(rank)];
    switch (actions_of(rank)[position].kind) {
      case ActionKind::forward: {
        note(spot.cell, forwarded, rank, position);
        int& peak = result_.ranks[static_cast<std::size_t>(rank)].peak_in_flight;
        peak = std::max(peak, ++in_flight);
        if (spot.stage + 1 < stages_.stages()) {
          hand_over(rank, position, spot.stage, end_ms, false);
        }
        return;
      }
      case ActionKind::backward_input:
      case ActionKind::backward:
        note(spot.cell, gradient, rank, position);
        --in_flight;
        if (spot.stage > 0) hand_over(rank, position, spot.stage, end_ms, true);
        return;
      case ActionKind::backward_weight:
      case ActionKind::recompute:
        return;
    }
    check_failed("an action of no known kind", "");
  }

  void note(std::size_t cell, Done what, int rank, std::size_t position) {
    if ((done_[cell] & what) != 0) {
      fault_ = Fault::infeasible(
          fmt::format("rank {} has {} twice", rank, text_of(actions_of(rank)[position])));
    }
    done_[cell] = static_cast<std::uint8_t>(done_[cell] | what);
  }

  /// Brings a result to the stage that wants it, and wakes its rank if it waits for just that.
  void hand_over(int rank, std::size_t position, int stage, double end_ms, bool back) {
    const int to_stage = back ? stage - 1 : stage + 1;
    const std::size_t cell = stages_.cell(to_stage, actions_of(rank)[position].micro_batch);
    double& arrival = back ? gradients_[cell] : activations_[cell];
    const int to = owner(to_stage, cell);
    if (to == rank) {
      arrival = end_ms;
      return;
    }
    const StageCosts& costs = costs_[static_cast<std::size_t>(stage)];
    double send_ms = back ? costs.send_back_ms.value_or(costs.send_ms) : costs.send_ms;
    if (options_.jitter != nullptr) send_ms *= draw(options_.jitter->send, rank, position, 1);
    arrival = places_[static_cast<std::size_t>(rank)].arrival(end_ms, send_ms);
    if (to < 0 || waits_for_[static_cast<std::size_t>(to)] != &arrival) return;
    waits_for_[static_cast<std::size_t>(to)] = nullptr;
    awake_.push_back(to);
  }

  void finish() {
    double busy_ms = 0;
    int working = 0;
    for (SimulatedRank& rank : result_.ranks) {
      if (rank.actions.empty()) continue;
      ++working;
      rank.span_ms = rank.actions.back().end_ms - rank.actions.front().start_ms;
      busy_ms += rank.busy_ms;
      result_.largest_span_ms = std::max(result_.largest_span_ms, rank.span_ms);
      result_.makespan_ms = std::max(result_.makespan_ms, rank.actions.back().end_ms);
    }
    if (result_.largest_span_ms > 0) {
      result_.bubble_rate = 1 - (busy_ms / (working * result_.largest_span_ms));
    }
  }

  [[nodiscard]] std::string waits_for_ever(int rank) {
    const std::size_t position = next_of(rank);
    for (std::size_t part = position; part < position + parts_at(actions_of(rank), position);
         ++part) {
      const Action& action = actions_of(rank)[part];
      const auto [stage, cell] = spot_of(stages_.stages_of(rank), action);
      double unused = 0;
      if (inputs_there(rank, action.kind, cell, unused)) continue;
      const bool no_forward = action.kind != ActionKind::forward && (done_[cell] & forwarded) == 0;
      const bool forward = action.kind == ActionKind::forward || no_forward;
      const int missing = action.kind == ActionKind::forward           ? stage - 1
                          : no_forward                                 ? stage
                          : action.kind == ActionKind::backward_weight ? stage
                                                                       : stage + 1;
      return fmt::format(
          "rank {} waits for ever before {}: stage {} does not come to {} of micro-batch {}", rank,
          text_of(action), missing, forward ? "the forward" : "the backward", action.micro_batch);
    }
    check_failed("an action that needs nothing has not fired", text_of(actions_of(rank)[position]));
  }

  const Schedule& schedule_;
  const std::vector<StageCosts>& costs_;
  const SimulationOptions& options_;
  StageTable stages_;
  std::vector<std::size_t> next_;
  std::vector<double> free_at_ms_;
  std::vector<int> in_flight_;
  std::vector<const double*> waits_for_;  // [rank]: the arrival it stands still for
  std::vector<SendPlaces> places_;        // [rank]
  std::vector<int> owners_;               // [cell], where several pipelines run the schedule
  std::vector<double> activations_;       // [cell]: when the input of F is there, or never
  std::vector<double> gradients_;         // [cell]: when the input of B or G is there, or never
  std::vector<std::uint8_t> done_;        // [cell]
  std::vector<int> awake_;
  std::optional<Fault> fault_;  // found on the way
  SimulatedSchedule result_;
};

}  // namespace

double duration_ms(ActionKind kind, const StageCosts& costs) {
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

Result<SimulatedSchedule> simulate(const Schedule& schedule, const std::vector<StageCosts>& costs,
                                   const SimulationOptions& options) {
  PLANARIA_TRY_VOID(check_costs(schedule, costs));
  PLANARIA_TRY_VOID(check_options(schedule, options));
  return Simulation(schedule, costs, options).run();
}

}  // namespace planaria
