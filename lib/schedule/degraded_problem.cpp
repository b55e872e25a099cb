#include "schedule/degraded_problem.hpp"

#include <algorithm>

namespace planaria::degrading {

double least_send_ms(const Problem& problem, int from, int to) {
  const Stage& stage = at(problem.stages, from);
  if (stage.place == at(problem.stages, to).place) return 0;
  return to > from ? stage.send_ms : stage.send_back_ms;
}

double round_trip_ms(const Problem& problem, int stage) {
  double sum_ms = at(problem.stages, stage).forward_ms;
  for (int behind = stage + 1; behind < problem.stage_count(); ++behind) {
    const Stage& of = at(problem.stages, behind);
    sum_ms += least_send_ms(problem, behind - 1, behind) + of.forward_ms + of.input_ms +
              least_send_ms(problem, behind, behind - 1);
  }
  return sum_ms;
}

bool is_less(double left_ms, double right_ms) {
  return left_ms < right_ms - (1e-9 * std::max(left_ms, right_ms));
}

bool is_better(const Score& left, const Score& right) {
  if (is_less(left.first_ms, right.first_ms)) return true;
  if (is_less(right.first_ms, left.first_ms)) return false;
  if (is_less(left.second_ms, right.second_ms)) return true;
  if (is_less(right.second_ms, left.second_ms)) return false;
  return left.peak_in_flight < right.peak_in_flight;
}

Judge::Judge(const Problem& problem)
    : problem_(problem),
      start_(static_cast<std::size_t>(problem.cells()) * 3, 0),
      end_(start_.size(), -1),
      waiter_(start_.size(), -1),
      next_(static_cast<std::size_t>(problem.ranks()), 0) {}

double Judge::lasts_ms(const Orders& orders, int op) const {
  const int cell = cell_of(op);
  const Stage& stage = problem_.stage(cell);
  switch (part_of(op)) {
    case Part::forward:
      return stage.forward_ms;
    case Part::input:
      return stage.input_ms + (at(orders.fused, cell) != 0 ? stage.weight_ms : 0);
    case Part::weight:
      return stage.weight_ms;
  }
  return 0;
}

int Judge::feeder(int op) const {
  const int cell = cell_of(op);
  const int row = problem_.micro_batches;
  if (part_of(op) == Part::forward && cell >= row) return op - (3 * row);
  if (part_of(op) == Part::input && cell + row < problem_.cells()) return op + (3 * row);
  return -1;
}

double Judge::arrival_ms(const Orders& orders, int op) const {
  const int from = feeder(op);
  if (from < 0) return 0;
  const double end_ms = at(end_, from);
  if (at(orders.owner, cell_of(from)) == at(orders.owner, cell_of(op))) return end_ms;
  const Stage& stage = problem_.stage(cell_of(from));
  return end_ms + (part_of(op) == Part::forward ? stage.send_ms : stage.send_back_ms);
}

bool Judge::play(const Orders& orders) {
  std::fill(end_.begin(), end_.end(), -1.0);
  std::fill(waiter_.begin(), waiter_.end(), -1);
  std::fill(next_.begin(), next_.end(), 0);
  awake_.clear();
  std::size_t to_do = 0;
  for (int rank = problem_.ranks() - 1; rank >= 0; --rank) {
    awake_.push_back(rank);
    to_do += at(orders.ranks, rank).size();
  }
  while (!awake_.empty()) {
    const int rank = awake_.back();
    awake_.pop_back();
    const auto& ops = at(orders.ranks, rank);
    int& next = at(next_, rank);
    double free_ms = next == 0 ? 0 : at(end_, at(ops, next - 1));
    for (; next < static_cast<int>(ops.size()); ++next) {
      const int op = at(ops, next);
      const int from = feeder(op);
      if (from >= 0 && at(end_, from) < 0) {
        at(waiter_, from) = rank;
        break;
      }
      at(start_, op) = std::max(free_ms, arrival_ms(orders, op));
      free_ms = at(end_, op) = at(start_, op) + lasts_ms(orders, op);
      if (at(waiter_, op) >= 0) awake_.push_back(at(waiter_, op));
      --to_do;
    }
  }
  return to_do == 0;
}

std::optional<Score> Judge::score(const Orders& orders) {
  if (!play(orders)) return std::nullopt;
  double makespan_ms = 0, period_ms = 0, sum_ms = 0;
  int peak = 0;
  for (const auto& ops : orders.ranks) {
    if (ops.empty()) continue;
    const double end_ms = at(end_, ops.back());
    makespan_ms = std::max(makespan_ms, end_ms);
    const double span_ms = end_ms - at(start_, ops.front());
    period_ms = std::max(period_ms, span_ms);
    sum_ms += problem_.staggered ? span_ms : end_ms;
    int in_flight = 0;
    for (const int op : ops) {
      if (part_of(op) == Part::forward) peak = std::max(peak, ++in_flight);
      if (part_of(op) == Part::input) --in_flight;
    }
  }
  Score score{makespan_ms, period_ms, peak, sum_ms / problem_.ranks()};
  if (problem_.staggered) std::swap(score.first_ms, score.second_ms);
  return score;
}

bool Judge::fits(const Orders& orders, int rank) const {
  const std::int64_t limit = at(problem_.limit_bytes, rank % problem_.depth);
  std::int64_t held = 0;
  int in_flight = 0;
  for (const int op : at(orders.ranks, rank)) {
    const Stage& stage = problem_.stage(cell_of(op));
    switch (part_of(op)) {
      case Part::forward:
        held += stage.activation_bytes;
        ++in_flight;
        break;
      case Part::input:
        held -= stage.activation_bytes;
        if (at(orders.fused, cell_of(op)) == 0) held += stage.weight_bytes;
        --in_flight;
        break;
      case Part::weight:
        held -= stage.weight_bytes;
        break;
    }
    if (held > limit || in_flight > problem_.in_flight_limit) return false;
  }
  return true;
}

bool Judge::fits(const Orders& orders) const {
  for (int rank = 0; rank < problem_.ranks(); ++rank) {
    if (!fits(orders, rank)) return false;
  }
  return true;
}

Schedule schedule_of(const Problem& problem, const Orders& orders) {
  Schedule schedule;
  schedule.placement = problem.placement;
  schedule.chunks = problem.chunks;
  schedule.micro_batches = problem.micro_batches;
  schedule.width = problem.width;
  schedule.ranks.resize(orders.ranks.size());
  for (int rank = 0; rank < problem.ranks(); ++rank) {
    for (const int op : at(orders.ranks, rank)) {
      const int cell = cell_of(op);
      Action action;
      action.micro_batch = cell % problem.micro_batches;
      action.chunk = problem.stage(cell).chunk;
      switch (part_of(op)) {
        case Part::forward:
          action.kind = ActionKind::forward;
          break;
        case Part::input:
          action.kind =
              at(orders.fused, cell) != 0 ? ActionKind::backward : ActionKind::backward_input;
          break;
        case Part::weight:
          action.kind = ActionKind::backward_weight;
          break;
      }
      at(schedule.ranks, rank).push_back(action);
    }
  }
  return schedule;
}

}  // namespace planaria::degrading
