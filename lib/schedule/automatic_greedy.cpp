#include "schedule/automatic_greedy.hpp"

#include <algorithm>
#include <utility>

namespace planaria {
namespace {

class Greedy {
 public:
  Greedy(const std::vector<StageTerms>& terms, int micro_batches, GreedyFlags flags)
      : terms_(terms), micro_batches_(micro_batches), flags_(flags), ranks_(terms.size()) {
    for (Rank& rank : ranks_) {
      rank.forward_ends.reserve(count());
      rank.input_ends.reserve(count());
      rank.order.reserve(3 * count());
    }
  }

  Order run() {
    warm_up();
    for (int round = 1; round < micro_batches_; ++round) {
      decide_forwards(round);
      for (std::size_t j = 0; j < ranks_.size(); ++j) {
        if (ranks_[j].wants_forward) forward_with_weights(j);
      }
      for (std::size_t j = ranks_.size(); j-- > 0;) input_with_weights(j);
    }
    Order order;
    for (std::size_t j = 0; j < ranks_.size(); ++j) {
      while (pending(j) > 0) weight(j);
      order.push_back(std::move(ranks_[j].order));
    }
    return order;
  }

 private:
  struct Rank {
    RankOrder order;
    std::vector<double> forward_ends, input_ends;
    int weights = 0;
    double free_at_ms = 0;
    double waited_ms = 0;  // since the first F
    std::int64_t held_bytes = 0;
    bool wants_forward = false;
  };

  [[nodiscard]] std::size_t count() const { return static_cast<std::size_t>(micro_batches_); }
  [[nodiscard]] int forwards(std::size_t j) const {
    return static_cast<int>(ranks_[j].forward_ends.size());
  }
  [[nodiscard]] int inputs(std::size_t j) const {
    return static_cast<int>(ranks_[j].input_ends.size());
  }
  /// B's that have no W yet.
  [[nodiscard]] int pending(std::size_t j) const { return inputs(j) - ranks_[j].weights; }
  [[nodiscard]] bool last(std::size_t j) const { return j + 1 == ranks_.size(); }

  /// When the next F's or B's input is there; its maker has run it.
  [[nodiscard]] double activation_there(std::size_t j) const {
    if (j == 0) return 0;
    return ranks_[j - 1].forward_ends[ranks_[j].forward_ends.size()] + terms_[j - 1].send_ms;
  }
  [[nodiscard]] double gradient_there(std::size_t j) const {
    if (last(j)) return 0;
    return ranks_[j + 1].input_ends[ranks_[j].input_ends.size()] + terms_[j + 1].send_back_ms;
  }

  void run_for(std::size_t j, ActionKind kind, double there_ms, double ms, std::int64_t bytes) {
    Rank& rank = ranks_[j];
    if (there_ms > rank.free_at_ms) {
      if (!rank.order.empty()) rank.waited_ms += there_ms - rank.free_at_ms;
      rank.free_at_ms = there_ms;
    }
    rank.free_at_ms += ms;
    rank.held_bytes += bytes;
    rank.order.push_back(kind);
  }
  void forward(std::size_t j) {
    run_for(j, ActionKind::forward, activation_there(j), terms_[j].forward_ms,
            terms_[j].activation_bytes);
    ranks_[j].forward_ends.push_back(ranks_[j].free_at_ms);
  }
  void weight(std::size_t j) {
    run_for(j, ActionKind::backward_weight, 0, terms_[j].weight_ms,
            -terms_[j].weight_gradient_bytes);
    ++ranks_[j].weights;
  }
  /// A B, or G where what its W needs would not fit.
  void input(std::size_t j) {
    const StageTerms& terms = terms_[j];
    const std::int64_t change = terms.weight_gradient_bytes - terms.activation_bytes;
    while (pending(j) > 0 && ranks_[j].held_bytes + change > terms.limit_bytes) weight(j);
    if (ranks_[j].held_bytes + change <= terms.limit_bytes) {
      run_for(j, ActionKind::backward_input, gradient_there(j), terms.input_ms, change);
    } else {
      run_for(j, ActionKind::backward, gradient_there(j), terms.input_ms + terms.weight_ms,
              -terms.activation_bytes);
      ++ranks_[j].weights;
    }
    ranks_[j].input_ends.push_back(ranks_[j].free_at_ms);
  }

  /// One F each, then as many more as fit before the first B, then that B.
  void warm_up() {
    for (std::size_t j = 0; j < ranks_.size(); ++j) forward(j);
    std::vector<int> extra(ranks_.size(), 0);
    double first_input_ends = ranks_.back().free_at_ms + terms_.back().input_ms;
    for (std::size_t j = ranks_.size() - 1; j-- > 0;) {
      const StageTerms& terms = terms_[j];
      const double there = first_input_ends + terms_[j + 1].send_back_ms;
      std::int64_t held = ranks_[j].held_bytes;
      double now = ranks_[j].free_at_ms;
      while (1 + extra[j] < micro_batches_ && held + terms.activation_bytes <= terms.limit_bytes) {
        if (flags_.wait_for_first ? now + terms.forward_ms > there : now >= there) break;
        held += terms.activation_bytes;
        now += terms.forward_ms;
        ++extra[j];
      }
      first_input_ends = std::max(now, there) + terms.input_ms;
    }
    // A rank has fewer in flight than the one before, or its last F's would only wait for input.
    for (std::size_t j = 1; j < ranks_.size(); ++j) {
      if (extra[j] >= extra[j - 1] && 1 + extra[j - 1] < micro_batches_) {
        extra[j] = std::max(0, extra[j - 1] - 1);
      }
      extra[j] = std::min(extra[j], extra[j - 1]);
    }
    for (std::size_t j = 0; j < ranks_.size(); ++j) {
      for (int i = 0; i < extra[j]; ++i) forward(j);
    }
    for (std::size_t j = ranks_.size(); j-- > 0;) input(j);
  }

  /// Whether the rank behind has enough to do, so that an F may wait.
  [[nodiscard]] bool put_off(std::size_t j) const {
    if (!flags_.prefer_inputs || last(j) || forwards(j) < forwards(j + 1) + 2) return false;
    const StageTerms& behind = terms_[j + 1];
    const double needed =
        ranks_[j + 1].free_at_ms + behind.forward_ms + behind.input_ms + behind.send_back_ms;
    const Rank& rank = ranks_[j];
    if (rank.free_at_ms >= needed) return true;
    const StageTerms& terms = terms_[j];
    double weights_ms = 0;
    std::int64_t held = rank.held_bytes + terms.activation_bytes;
    for (int left = pending(j); held > terms.limit_bytes && left > 0; --left) {
      weights_ms += terms.weight_ms;
      held -= terms.weight_gradient_bytes;
    }
    if (rank.free_at_ms + terms.forward_ms + weights_ms <= needed) return false;
    return needed - rank.free_at_ms <= spare(j);
  }

  void decide_forwards(int round) {
    for (std::size_t j = 0; j < ranks_.size(); ++j) {
      const StageTerms& terms = terms_[j];
      const std::int64_t least = ranks_[j].held_bytes - (pending(j) * terms.weight_gradient_bytes) +
                                 terms.activation_bytes;
      ranks_[j].wants_forward =
          forwards(j) < micro_batches_ && least <= terms.limit_bytes && !put_off(j);
    }
    for (std::size_t j = ranks_.size() - 1; j-- > 0;) {
      if (!ranks_[j + 1].wants_forward) ranks_[j].wants_forward = false;
    }
    for (std::size_t j = 0; j < ranks_.size(); ++j) {
      // This round's B needs its F; and there is one only after that of the rank before.
      if (forwards(j) <= round) ranks_[j].wants_forward = forwards(j) < micro_batches_;
      const int before =
          j == 0 ? micro_batches_ : forwards(j - 1) + (ranks_[j - 1].wants_forward ? 1 : 0);
      if (forwards(j) >= before) ranks_[j].wants_forward = false;
    }
  }

  /// How much less than the rank that waited most this one has waited.
  [[nodiscard]] double spare(std::size_t j) const { return most_waited_ms_ - ranks_[j].waited_ms; }

  void fill_until(std::size_t j, double there_ms) {
    const Rank& rank = ranks_[j];
    while (pending(j) > 0 && rank.free_at_ms + terms_[j].weight_ms <= there_ms) weight(j);
    if (pending(j) > 0 && rank.free_at_ms < there_ms &&
        (flags_.fill_greedily || there_ms - rank.free_at_ms > spare(j))) {
      weight(j);
    }
  }

  void forward_with_weights(std::size_t j) {
    while (pending(j) > 0 &&
           ranks_[j].held_bytes + terms_[j].activation_bytes > terms_[j].limit_bytes) {
      weight(j);
    }
    fill_until(j, activation_there(j));
    forward(j);
    most_waited_ms_ = std::max(most_waited_ms_, ranks_[j].waited_ms);
  }

  void input_with_weights(std::size_t j) {
    fill_until(j, gradient_there(j));
    // Nothing but W's is left then, and nobody waits for this rank.
    if (j == 0 && forwards(j) == micro_batches_) {
      while (pending(j) > 0) weight(j);
    }
    input(j);
    most_waited_ms_ = std::max(most_waited_ms_, ranks_[j].waited_ms);
  }

  const std::vector<StageTerms>& terms_;
  int micro_batches_;
  GreedyFlags flags_;
  std::vector<Rank> ranks_;
  double most_waited_ms_ = 0;
};

}  // namespace

Order greedy_order(const std::vector<StageTerms>& terms, int micro_batches, GreedyFlags flags) {
  return Greedy(terms, micro_batches, flags).run();
}

}  // namespace planaria
