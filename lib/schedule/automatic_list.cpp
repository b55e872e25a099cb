#include "schedule/automatic_list.hpp"

#include <algorithm>
#include <limits>
#include <utility>

#include <planaria/base/check.hpp>

namespace planaria {
namespace {

constexpr double never = std::numeric_limits<double>::infinity();

class ListScheduling {
 public:
  ListScheduling(const std::vector<StageTerms>& terms, int micro_batches,
                 const std::vector<ListRule>& rules)
      : terms_(terms), micro_batches_(micro_batches), rules_(rules), ranks_(terms.size()) {}

  Order run() {
    for (std::size_t rank = 0; rank < ranks_.size(); ++rank) decide(rank);
    const std::size_t actions = 3 * static_cast<std::size_t>(micro_batches_) * ranks_.size();
    for (std::size_t done = 0; done < actions;) {
      // The earliest to start something: whatever it should know of has happened.
      std::size_t next = 0;
      for (std::size_t rank = 1; rank < ranks_.size(); ++rank) {
        if (ranks_[rank].start_ms < ranks_[next].start_ms) next = rank;
      }
      check(ranks_[next].start_ms < never, "some rank can always go on");
      done += ranks_[next].choice == ActionKind::backward ? 2 : 1;
      begin(next);
      decide(next);
      if (next > 0) decide(next - 1);
      if (next + 1 < ranks_.size()) decide(next + 1);
    }
    Order order;
    for (Rank& rank : ranks_) order.push_back(std::move(rank.order));
    return order;
  }

 private:
  struct Rank {
    RankOrder order;
    std::vector<double> activations, gradients;  // for those behind, and before: when they arrive
    int forwards = 0, inputs = 0, weights = 0;
    double free_at_ms = 0;
    std::int64_t held_bytes = 0;
    // What it does next, and when, unless something comes between.
    ActionKind choice = ActionKind::forward;
    double start_ms = never;
  };

  [[nodiscard]] double activation_there(std::size_t r) const {
    const int next = ranks_[r].forwards;
    if (next == micro_batches_) return never;
    if (r == 0) return 0;
    const auto& arrivals = ranks_[r - 1].activations;
    return static_cast<std::size_t>(next) < arrivals.size()
               ? arrivals[static_cast<std::size_t>(next)]
               : never;
  }
  [[nodiscard]] double gradient_there(std::size_t r) const {
    const int next = ranks_[r].inputs;
    if (next == ranks_[r].forwards) return never;
    if (r + 1 == ranks_.size()) return 0;
    const auto& arrivals = ranks_[r + 1].gradients;
    return static_cast<std::size_t>(next) < arrivals.size()
               ? arrivals[static_cast<std::size_t>(next)]
               : never;
  }

  void decide(std::size_t r) {
    Rank& rank = ranks_[r];
    const StageTerms& terms = terms_[r];
    const ListRule& rule = rules_[r];
    const bool room = rank.held_bytes + terms.activation_bytes <= terms.limit_bytes &&
                      rank.forwards - rank.inputs < rule.in_flight;
    const double forward = room ? std::max(rank.free_at_ms, activation_there(r)) : never;
    const double input = std::max(rank.free_at_ms, gradient_there(r));
    const bool input_first = rule.forwards_first ? input < forward : input <= forward;
    rank.choice = input_first ? ActionKind::backward_input : ActionKind::forward;
    rank.start_ms = std::min(input, forward);
    // What a B leaves for its W may not fit beside the W's that are still to come.
    const bool tight =
        rank.held_bytes + terms.weight_gradient_bytes - terms.activation_bytes > terms.limit_bytes;
    const int pending = rank.inputs - rank.weights;
    const bool wait = rank.start_ms > rank.free_at_ms + (rule.look_ahead * terms.weight_ms);
    const bool forced = input_first ? tight : pending >= rule.pending;
    if (pending > 0 && (wait || forced)) {
      rank.choice = ActionKind::backward_weight;
      rank.start_ms = rank.free_at_ms;
    } else if (tight && input_first) {
      rank.choice = ActionKind::backward;
    }
  }

  void begin(std::size_t r) {
    Rank& rank = ranks_[r];
    const StageTerms& terms = terms_[r];
    rank.order.push_back(rank.choice);
    rank.free_at_ms = rank.start_ms;
    if (rank.choice == ActionKind::forward) {
      rank.free_at_ms += terms.forward_ms;
      rank.held_bytes += terms.activation_bytes;
      rank.activations.push_back(rank.free_at_ms + terms.send_ms);
      ++rank.forwards;
    } else if (rank.choice == ActionKind::backward_weight) {
      rank.free_at_ms += terms.weight_ms;
      rank.held_bytes -= terms.weight_gradient_bytes;
      ++rank.weights;
    } else {
      rank.free_at_ms += terms.input_ms;
      rank.held_bytes -= terms.activation_bytes;
      if (rank.choice == ActionKind::backward) {
        rank.free_at_ms += terms.weight_ms;
        ++rank.weights;
      } else {
        rank.held_bytes += terms.weight_gradient_bytes;
      }
      rank.gradients.push_back(rank.free_at_ms + terms.send_back_ms);
      ++rank.inputs;
    }
  }

  const std::vector<StageTerms>& terms_;
  int micro_batches_;
  const std::vector<ListRule>& rules_;
  std::vector<Rank> ranks_;
};

}  // namespace

Order list_order(const std::vector<StageTerms>& terms, int micro_batches,
                 const std::vector<ListRule>& rules) {
  return ListScheduling(terms, micro_batches, rules).run();
}

}  // namespace planaria
