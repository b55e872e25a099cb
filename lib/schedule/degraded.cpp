#include <planaria/schedule/degraded.hpp>

#include <algorithm>
#include <cmath>

#include <planaria/base/check.hpp>

#include "schedule/degraded_bound.hpp"
#include "schedule/degraded_dispatch.hpp"
#include "schedule/degraded_problem.hpp"
#include "schedule/degraded_room.hpp"
#include "schedule/degraded_search.hpp"
#include "schedule/degraded_spread.hpp"

namespace planaria {
namespace degrading {
namespace {

constexpr std::int64_t ops_looked_at = 2000000;
constexpr std::int64_t moves_in_vain = 200000;

/// The best of what was tried.
class Champion {
 public:
  explicit Champion(const Problem& problem) : judge_(problem) {}

  /// Keeps the orders if they are better than all before; they may be wrong or break limits.
  void meet(Orders orders) {
    if (!judge_.fits(orders)) return;
    const auto score = judge_.score(orders);
    if (!score || (score_ && !is_better(*score, *score_))) return;
    score_ = *score;
    orders_ = std::move(orders);
  }
  [[nodiscard]] bool any() const { return orders_.has_value(); }
  [[nodiscard]] const Orders& orders() const { return *orders_; }

 private:
  Judge judge_;
  std::optional<Orders> orders_;
  std::optional<Score> score_;
};

/// Forwards in flight by place, between what keeps a rank busy in the long run (share 0) and what
/// fills all the time before its first B (share 1).
std::vector<int> in_flight_at(const Problem& problem, double share) {
  std::vector<int> all;
  for (int place = 0; place < problem.depth; ++place) {
    double sum = 0;
    for (int chunk = 0; chunk < problem.chunks; ++chunk) {
      const int index = problem.stage_at(place, chunk);
      const Stage& stage = at(problem.stages, index);
      const double trip_ms = round_trip_ms(problem, index);
      const double most = problem.micro_batches;
      const double least =
          stage.work_ms() > 0 ? std::min(most, 1 + (trip_ms / stage.work_ms())) : most;
      const double full = stage.forward_ms > 0 ? std::min(most, trip_ms / stage.forward_ms) : most;
      sum += least + (share * std::max(0.0, full - least));
    }
    all.push_back(static_cast<int>(std::ceil(sum - 1e-9)));
  }
  return all;
}

std::vector<Rule> all_rules(const Problem& problem) {
  std::vector<std::vector<int>> in_flights{{}};
  for (const double share : {0.0, 0.3, 0.6, 1.0}) {
    in_flights.push_back(in_flight_at(problem, share));
  }
  std::vector<Rule> all;
  const int depths = problem.chunks > 1 ? 4 : 1;
  for (const auto first : {Rule::First::backward, Rule::First::forward, Rule::First::in_turn}) {
    for (const int kept : {problem.micro_batches, 0, 2}) {
      for (const auto& in_flight : in_flights) {
        for (const double patience : {0.0, 0.4}) {
          for (int deep = 0; deep < depths; ++deep) {
            all.push_back({.first = first,
                           .weights_kept = kept,
                           .in_flight = in_flight,
                           .patience = patience,
                           .deep_forwards = deep % 2 == 0,
                           .deep_backwards = deep / 2 == 0});
          }
        }
      }
    }
  }
  return all;
}

// In this order, so that of equals the base schedule stays as it is.
void meet_spreads(const Problem& problem, const std::string& kind, Champion& champion) {
  const std::vector<std::string> kinds = kind == "auto"
                                             ? std::vector<std::string>{"1f1b", "zb-h1", "zb-h2"}
                                             : std::vector<std::string>{kind};
  for (const std::string& name : kinds) {
    for (const bool split : {false, true}) {
      for (const Dealing dealing : all_dealings()) {
        auto orders = spread(problem, name, dealing, split);
        if (orders) champion.meet(std::move(orders).value());
      }
    }
  }
}

/// Whether the kind's own backward is one action.
bool is_fused(const std::string& kind) {
  return kind == "gpipe" || kind == "1f1b" || kind == "interleaved" || kind == "dualpipe-v";
}

/// Writes B and W as G where they stand side by side and it costs no time, one after another.
Orders fused_where_free(const Problem& problem, Orders orders) {
  Judge judge(problem);
  const auto before = judge.score(orders);
  check(before.has_value(), "only orders that end are fused");
  std::int64_t tries = ops_looked_at / (std::int64_t{3} * problem.cells());
  for (auto& ops : orders.ranks) {
    for (std::size_t at_op = 0; at_op + 1 < ops.size() && tries > 0; ++at_op) {
      const int cell = cell_of(ops[at_op]);
      if (part_of(ops[at_op]) != Part::input || ops[at_op + 1] != op_of(cell, Part::weight)) {
        continue;
      }
      --tries;
      const auto weight = ops.begin() + static_cast<std::ptrdiff_t>(at_op) + 1;
      at(orders.fused, cell) = 1;
      ops.erase(weight);
      const auto after = judge.score(orders);
      if (after && !is_better(*before, *after)) continue;
      at(orders.fused, cell) = 0;
      ops.insert(ops.begin() + static_cast<std::ptrdiff_t>(at_op) + 1, op_of(cell, Part::weight));
    }
  }
  return orders;
}

Orders best_orders(const Problem& problem, const Bounds& bounds, const std::string& kind,
                   const std::function<bool()>& keep_going) {
  Champion champion(problem);
  meet_spreads(problem, kind, champion);
  for (const Rule& rule : all_rules(problem)) {
    if (auto orders = dispatch(problem, rule)) champion.meet(std::move(*orders));
  }
  if (!champion.any()) champion.meet(one_at_a_time(problem));
  check(champion.any(), "where one micro-batch fits, some order of all fits");
  // Part of every answer, however long the caller waits; larger problems get fewer moves.
  std::int64_t moves = ops_looked_at / (std::int64_t{3} * problem.cells());
  champion.meet(searched(problem, bounds, champion.orders(),
                         {.moves_in_vain = moves, .keep_going = [&] { return moves-- > 0; }}));
  if (keep_going) {
    champion.meet(searched(problem, bounds, champion.orders(),
                           {.seed = 2, .moves_in_vain = moves_in_vain, .keep_going = keep_going}));
  }
  return is_fused(kind) ? fused_where_free(problem, champion.orders()) : champion.orders();
}

/// Where nobody is lost: the base schedule of each pipeline as it is, if it keeps the limits.
std::optional<Schedule> undisturbed(const Problem& problem, const DegradedRequest& request) {
  const bool any_lost =
      std::any_of(request.lost.begin(), request.lost.end(), [](int lost) { return lost > 0; });
  if (any_lost || request.kind == "auto") return std::nullopt;
  auto built = build_schedule(request.kind, request.shape, {.chunks = request.chunks});
  if (!built) return std::nullopt;
  const Schedule& base = built.value();
  Schedule all = base;
  all.width = problem.width;
  all.micro_batches = problem.micro_batches;
  for (int pipeline = 1; pipeline < problem.width; ++pipeline) {
    for (auto actions : base.ranks) {
      for (Action& action : actions) action.micro_batch += pipeline * base.micro_batches;
      all.ranks.push_back(std::move(actions));
    }
  }
  if (!request.limit_bytes.empty()) {
    const auto held = memory_of(all, request.memory);
    for (int rank = 0; rank < problem.ranks(); ++rank) {
      if (at(held, rank).peak_bytes > at(problem.limit_bytes, rank % problem.depth)) {
        return std::nullopt;
      }
    }
  }
  return all;
}

/// The times of a schedule; nothing where more are in flight than may be.
std::optional<DegradedSchedule> measured(const Problem& problem, const DegradedRequest& request,
                                         Schedule schedule) {
  const auto simulated = simulate(schedule, request.costs);
  if (!simulated) return std::nullopt;
  for (const SimulatedRank& rank : simulated.value().ranks) {
    if (rank.peak_in_flight > problem.in_flight_limit) return std::nullopt;
  }
  return DegradedSchedule{std::move(schedule), simulated.value().makespan_ms,
                          simulated.value().largest_span_ms};
}

Score times_of(const DegradedSchedule& schedule, bool staggered) {
  return staggered ? Score{schedule.period_ms, schedule.makespan_ms}
                   : Score{schedule.makespan_ms, schedule.period_ms};
}

Result<DegradedSchedule> planned(const DegradedRequest& request,
                                 const std::function<bool()>& keep_going) {
  PLANARIA_TRY(problem, problem_of(request));
  const Bounds bounds = bounds_of(problem);
  const Orders orders = best_orders(problem, bounds, request.kind, keep_going);
  auto best = measured(problem, request, schedule_of(problem, orders));
  check(best.has_value(), "orders that ended end again");
  if (auto base = undisturbed(problem, request)) {
    auto kept = measured(problem, request, std::move(*base));
    if (kept && !is_better(times_of(*best, request.staggered), times_of(*kept, request.staggered)))
      best = std::move(kept);
  }
  const double reached_ms = times_of(*best, request.staggered).first_ms;
  const double bound_ms = request.staggered ? bounds.period_ms : bounds.makespan_ms;
  check(!is_less(reached_ms, bound_ms), "no schedule is faster than its bound");
  best->bound_ms = std::min(bound_ms, reached_ms);  // they may differ by rounding
  return *best;
}

}  // namespace
}  // namespace degrading

Result<DegradedSchedule> degraded(const DegradedRequest& request,
                                  const std::function<bool()>& keep_going) {
  return degrading::planned(request, keep_going);
}

}  // namespace planaria
