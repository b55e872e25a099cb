// Varuna: a list schedule in unit times, and how its ranks deviate from it while they run.
#include <algorithm>
#include <deque>
#include <optional>
#include <queue>

#include <planaria/base/check.hpp>
#include <planaria/schedule/builders.hpp>

#include "schedule/building.hpp"
#include "schedule/send_places.hpp"

namespace planaria {
namespace {

/// The order Varuna plans: in each unit of time each rank takes, of what is there, a backward's
/// second half, then a backward (two units), then a recompute (asked for when the gradient is half
/// done), then a forward.
class ListSchedule {
 public:
  explicit ListSchedule(PipelineShape shape)
      : schedule_(empty_schedule(shape)), ranks_(schedule_.ranks.size()) {
    for (int i = 0; i < shape.micro_batches; ++i) ranks_.front().forwards.push_back(i);
  }

  Schedule build() {
    while (true) {
      std::vector<std::optional<Action>> taken;
      for (std::size_t rank = 0; rank < ranks_.size(); ++rank) taken.push_back(take(rank));
      if (std::none_of(taken.begin(), taken.end(),
                       [](const auto& one) { return one.has_value(); })) {
        return std::move(schedule_);
      }
      for (std::size_t rank = 0; rank < ranks_.size(); ++rank) {
        if (taken[rank]) pass_on(rank, *taken[rank]);
      }
    }
  }

 private:
  struct Rank {
    std::deque<int> forwards, recomputes, backwards, second_halves;
  };

  std::optional<Action> take(std::size_t at) {
    Rank& rank = ranks_[at];
    const auto front = [](std::deque<int>& queue) {
      const int micro_batch = queue.front();
      queue.pop_front();
      return micro_batch;
    };
    std::optional<Action> action;
    if (!rank.second_halves.empty()) {
      return Action{ActionKind::backward_weight, front(rank.second_halves)};
    }
    if (!rank.backwards.empty()) {
      action = Action{ActionKind::backward, front(rank.backwards)};
    } else if (!rank.recomputes.empty()) {
      action = Action{ActionKind::recompute, front(rank.recomputes)};
    } else if (!rank.forwards.empty()) {
      action = Action{ActionKind::forward, front(rank.forwards)};
    }
    if (action) schedule_.ranks[at].push_back(*action);
    return action;
  }

  void pass_on(std::size_t at, const Action& action) {
    const bool last = at + 1 == ranks_.size();
    if (action.kind == ActionKind::forward) {
      (last ? ranks_[at].backwards : ranks_[at + 1].forwards).push_back(action.micro_batch);
    } else if (action.kind == ActionKind::recompute) {
      ranks_[at].backwards.push_back(action.micro_batch);
    } else if (action.kind == ActionKind::backward) {
      ranks_[at].second_halves.push_back(action.micro_batch);
      if (at > 0) ranks_[at - 1].recomputes.push_back(action.micro_batch);
    }
  }

  Schedule schedule_;
  std::vector<Rank> ranks_;
};

/// The ranks run a list schedule, in order of time, and deviate from it as Varuna's do. What they
/// then have run is a schedule of its own.
class Run {
 public:
  Run(Schedule planned, const std::vector<StageCosts>& costs, const VarunaOptions& options)
      : planned_(std::move(planned)),
        costs_(costs),
        options_(options),
        ranks_(planned_.ranks.size()) {
    const auto m = static_cast<std::size_t>(planned_.micro_batches);
    for (Rank& rank : ranks_) {
      rank.activation_at.assign(m, never);
      rank.gradient_at.assign(m, never);
      rank.places = SendPlaces(options.sends_in_flight);
    }
    ranks_.front().activation_at.assign(m, 0.0);
    ranks_.back().gradient_at.assign(m, 0.0);
  }

  Schedule run() {
    for (int rank = 0; rank < size(); ++rank) look(rank, 0);
    while (!moments_.empty()) {
      const double now_ms = moments_.top().ms;
      // All that ends or arrives now comes before what starts now.
      std::vector<int> awake;
      while (!moments_.empty() && moments_.top().ms == now_ms) {
        const int rank = moments_.top().rank;
        moments_.pop();
        if (at(rank).running && at(rank).ends_ms == now_ms) end(rank);
        awake.push_back(rank);
      }
      std::sort(awake.begin(), awake.end());
      for (const int rank : awake) look(rank, now_ms);
    }
    for (int rank = 0; rank < size(); ++rank) {
      check(at(rank).next == planned_.ranks[static_cast<std::size_t>(rank)].size(),
            "every rank comes to its end");
    }
    return std::move(planned_);
  }

 private:
  static constexpr double never = -1;
  struct Rank {
    std::size_t next = 0;
    bool running = false;
    double ends_ms = 0;
    std::vector<double> activation_at;  // [micro-batch]: when the input of F is there, or never
    std::vector<double> gradient_at;    // [micro-batch]: when the input of G is there, or never
    SendPlaces places{0};
  };
  struct Moment {
    double ms;
    int rank;
    friend bool operator>(const Moment& a, const Moment& b) {
      return a.ms != b.ms ? a.ms > b.ms : a.rank > b.rank;
    }
  };

  [[nodiscard]] int size() const { return static_cast<int>(ranks_.size()); }
  [[nodiscard]] Rank& at(int rank) { return ranks_[static_cast<std::size_t>(rank)]; }
  [[nodiscard]] const StageCosts& costs(int rank) const {
    return costs_[static_cast<std::size_t>(rank)];
  }
  static bool is_there(const std::vector<double>& times, int micro_batch, double now_ms) {
    const double t = times[static_cast<std::size_t>(micro_batch)];
    return t != never && t <= now_ms;
  }

  /// Starts the rank's next action if it is idle and can.
  void look(int index, double now_ms) {
    Rank& rank = at(index);
    auto& actions = planned_.ranks[static_cast<std::size_t>(index)];
    if (rank.running || rank.next == actions.size()) return;
    const Action before = actions[rank.next];
    if (before.kind == ActionKind::recompute &&
        !is_there(rank.gradient_at, before.micro_batch, now_ms)) {
      const auto from = actions.begin() + static_cast<std::ptrdiff_t>(rank.next);
      const auto forward = std::find_if(
          from, actions.end(), [](const Action& a) { return a.kind == ActionKind::forward; });
      if (forward != actions.end()) std::rotate(from, forward, forward + 1);
    }
    const Action& action = actions[rank.next];
    if (!can_start(rank, action, now_ms)) return;
    rank.running = true;
    rank.ends_ms = now_ms + duration_ms(action.kind, costs(index));
    moments_.push({rank.ends_ms, index});
  }

  [[nodiscard]] bool can_start(const Rank& rank, const Action& action, double now_ms) const {
    if (action.kind == ActionKind::forward) {
      return is_there(rank.activation_at, action.micro_batch, now_ms);
    }
    if (action.kind == ActionKind::recompute && !options_.as_simulated) return true;
    return is_there(rank.gradient_at, action.micro_batch, now_ms);
  }

  void end(int index) {
    Rank& rank = at(index);
    const Action action = planned_.ranks[static_cast<std::size_t>(index)][rank.next++];
    rank.running = false;
    const auto i = static_cast<std::size_t>(action.micro_batch);
    if (action.kind == ActionKind::forward && index + 1 < size()) {
      const double there_ms = rank.places.arrival(rank.ends_ms, costs(index).send_ms);
      at(index + 1).activation_at[i] = there_ms;
      moments_.push({there_ms, index + 1});
    }
    if (action.kind == ActionKind::backward && index > 0) {
      const double send_ms = costs(index).send_back_ms.value_or(costs(index).send_ms);
      const double there_ms = rank.places.arrival(rank.ends_ms, send_ms);
      at(index - 1).gradient_at[i] = there_ms;
      moments_.push({there_ms, index - 1});
    }
  }

  Schedule planned_;
  const std::vector<StageCosts>& costs_;
  VarunaOptions options_;
  std::vector<Rank> ranks_;
  std::priority_queue<Moment, std::vector<Moment>, std::greater<>> moments_;
};

}  // namespace

Schedule varuna(PipelineShape shape, const std::vector<StageCosts>& costs,
                const VarunaOptions& options) {
  check_equal(costs.size(), static_cast<std::size_t>(shape.stages), "costs a stage");
  return Run(ListSchedule(shape).build(), costs, options).run();
}

}  // namespace planaria
