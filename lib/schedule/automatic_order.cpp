#include "schedule/automatic_order.hpp"

#include <algorithm>
#include <deque>
#include <utility>

#include <planaria/base/check.hpp>

namespace planaria {
namespace {

constexpr double never = -1;
constexpr int none = -1;

}  // namespace

Order order_of(const Schedule& schedule) {
  Order order;
  for (const auto& actions : schedule.ranks) {
    RankOrder& kinds = order.emplace_back();
    for (const Action& action : actions) kinds.push_back(action.kind);
  }
  return order;
}

Schedule schedule_of(const Order& order, int micro_batches) {
  Schedule schedule;
  schedule.micro_batches = micro_batches;
  for (const RankOrder& kinds : order) {
    auto& actions = schedule.ranks.emplace_back();
    int forwards = 0;
    int inputs = 0;
    std::deque<int> pending;
    for (const ActionKind kind : kinds) {
      if (kind == ActionKind::forward) {
        actions.push_back({kind, forwards++});
      } else if (kind == ActionKind::backward) {
        actions.push_back({kind, inputs++});
      } else if (kind == ActionKind::backward_input) {
        pending.push_back(inputs);
        actions.push_back({kind, inputs++});
      } else {
        check(!pending.empty(), "a W has a B before it");
        actions.push_back({kind, pending.front()});
        pending.pop_front();
      }
    }
  }
  return schedule;
}

bool fits(const RankOrder& order, const StageTerms& terms) {
  std::int64_t held = 0;
  int in_flight = 0;
  int pending = 0;
  for (const ActionKind kind : order) {
    if (kind == ActionKind::forward) {
      held += terms.activation_bytes;
      ++in_flight;
    } else if (kind == ActionKind::backward_input) {
      held += terms.weight_gradient_bytes - terms.activation_bytes;
      --in_flight;
      ++pending;
    } else if (kind == ActionKind::backward_weight) {
      held -= terms.weight_gradient_bytes;
      --pending;
    } else {
      held -= terms.activation_bytes;
      --in_flight;
    }
    if (held > terms.limit_bytes || in_flight < 0 || pending < 0) return false;
  }
  return true;
}

bool more(double left, double right) {
  return left > right + (1e-9 * right);
}

bool better(const Score& left, const Score& right) {
  if (more(right.makespan_ms, left.makespan_ms)) return true;
  return !more(left.makespan_ms, right.makespan_ms) && more(right.span_ms, left.span_ms);
}

Player::Player(std::vector<StageTerms> terms, int micro_batches, int sends_in_flight)
    : terms_(std::move(terms)), micro_batches_(micro_batches), sends_in_flight_(sends_in_flight) {
  const auto m = static_cast<std::size_t>(micro_batches);
  double head = 0;
  for (const StageTerms& stage : terms_) {
    heads_ms_.push_back(head);
    costs_.push_back(
        {stage.forward_ms, stage.input_ms, stage.weight_ms, stage.send_ms, stage.send_back_ms});
    head += stage.forward_ms + stage.send_ms;
  }
  activations_.assign(terms_.size(), std::vector<double>(m, never));
  gradients_ = activations_;
  activations_.front().assign(m, 0);
  gradients_.back().assign(m, 0);
  waits_for_.assign(terms_.size(), std::vector<int>(3 * m, none));
  forward_at_.assign(terms_.size(), std::vector<std::size_t>(m, 0));
  input_at_ = forward_at_;
}

bool Player::advance(const RankOrder& order, std::size_t rank) {
  const StageTerms& terms = terms_[rank];
  Progress at = progress_[rank];
  double now = free_at_ms_[rank];
  const std::vector<double>& activations = activations_[rank];
  const std::vector<double>& gradients = gradients_[rank];
  double* const forwards_to = rank + 1 < terms_.size() ? activations_[rank + 1].data() : nullptr;
  double* const inputs_to = rank > 0 ? gradients_[rank - 1].data() : nullptr;
  int* const waits_for = waits_for_[rank].data();
  for (; at.next < order.size(); ++at.next) {
    const ActionKind kind = order[at.next];
    if (kind == ActionKind::forward) {
      const double there = activations[at.forwards];
      if (there == never) break;
      waits_for[at.next] = there > now ? static_cast<int>(at.forwards) : none;
      now = std::max(now, there) + terms.forward_ms;
      forward_at_[rank][at.forwards] = at.next;
      if (forwards_to != nullptr) forwards_to[at.forwards] = now + terms.send_ms;
      ++at.forwards;
    } else if (kind == ActionKind::backward_weight) {
      waits_for[at.next] = none;
      now += terms.weight_ms;
    } else {
      const double there = gradients[at.inputs];
      if (there == never) break;
      waits_for[at.next] = there > now ? static_cast<int>(at.inputs) : none;
      now = std::max(now, there);
      input_at_[rank][at.inputs] = at.next;
      now += kind == ActionKind::backward ? terms.input_ms + terms.weight_ms : terms.input_ms;
      if (inputs_to != nullptr) inputs_to[at.inputs] = now + terms.send_back_ms;
      ++at.inputs;
    }
  }
  const bool moved = at.next != progress_[rank].next;
  progress_[rank] = at;
  free_at_ms_[rank] = now;
  return moved;
}

bool Player::play_limited(const Order& order) {
  const auto simulated =
      simulate(schedule_of(order, micro_batches_), costs_, {.sends_in_flight = sends_in_flight_});
  if (!simulated) return false;
  free_at_ms_.assign(terms_.size(), 0);
  for (std::size_t rank = 0; rank < terms_.size(); ++rank) {
    int forwards = 0;
    int inputs = 0;
    double now = 0;
    const auto& actions = simulated.value().ranks[rank].actions;
    for (std::size_t position = 0; position < order[rank].size(); ++position) {
      const bool stood_still = actions[position].start_ms > now;
      now = actions[position].end_ms;
      int& waits_for = waits_for_[rank][position];
      waits_for = none;
      if (order[rank][position] == ActionKind::backward_weight) continue;
      const bool forward = order[rank][position] == ActionKind::forward;
      int& next = forward ? forwards : inputs;
      (forward ? forward_at_ : input_at_)[rank][static_cast<std::size_t>(next)] = position;
      if (stood_still) waits_for = next;
      ++next;
    }
    free_at_ms_[rank] = now;
  }
  return true;
}

bool Player::play(const Order& order) {
  if (sends_in_flight_ > 0) return play_limited(order);
  const std::size_t ranks = terms_.size();
  for (std::size_t rank = 0; rank < ranks; ++rank) {
    if (rank > 0) std::fill(activations_[rank].begin(), activations_[rank].end(), never);
    if (rank + 1 < ranks) std::fill(gradients_[rank].begin(), gradients_[rank].end(), never);
  }
  progress_.assign(ranks, {});
  free_at_ms_.assign(ranks, 0);
  // Down and up again: activations come from above, gradients from below.
  for (bool moved = true; moved;) {
    moved = false;
    for (std::size_t rank = 0; rank < ranks; ++rank) {
      if (advance(order[rank], rank)) moved = true;
    }
    for (std::size_t rank = ranks; rank-- > 0;) {
      if (advance(order[rank], rank)) moved = true;
    }
  }
  for (std::size_t rank = 0; rank < ranks; ++rank) {
    if (progress_[rank].next != order[rank].size()) return false;
  }
  return true;
}

Score Player::score() const {
  Score score;
  for (std::size_t rank = 0; rank < terms_.size(); ++rank) {
    score.makespan_ms = std::max(score.makespan_ms, free_at_ms_[rank]);
    score.span_ms = std::max(score.span_ms, free_at_ms_[rank] - heads_ms_[rank]);
  }
  return score;
}

void Player::trace(const Order& order, std::size_t rank, std::vector<Step>& path) const {
  path.clear();
  std::size_t position = order[rank].size() - 1;
  while (true) {
    path.push_back({rank, position});
    const int input = waits_for_[rank][position];
    if (input == none) {
      if (position == 0) return;
      --position;
    } else if (order[rank][position] == ActionKind::forward) {
      --rank;
      position = forward_at_[rank][static_cast<std::size_t>(input)];
    } else {
      ++rank;
      position = input_at_[rank][static_cast<std::size_t>(input)];
    }
  }
}

}  // namespace planaria
