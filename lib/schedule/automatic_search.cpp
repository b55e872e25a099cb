#include "schedule/automatic_search.hpp"

#include <algorithm>
#include <cmath>
#include <limits>

#include "schedule/automatic_exact.hpp"
#include "schedule/automatic_rules.hpp"

namespace planaria {
namespace {

// What a ms of span counts, where one of makespan counts 1.
constexpr double usual_span_weight = 0.1;

/// One action taken out of a rank's order and put in elsewhere.
struct Move {
  std::size_t rank = 0;
  std::size_t from = 0;
  std::size_t to = 0;
};

void apply(RankOrder& order, std::size_t from, std::size_t to) {
  const auto at = [&](std::size_t position) {
    return order.begin() + static_cast<std::ptrdiff_t>(position);
  };
  if (from < to) {
    std::rotate(at(from), at(from + 1), at(to + 1));
  } else {
    std::rotate(at(to), at(from), at(from + 1));
  }
}

class Search {
 public:
  Search(Player& player, const std::vector<Order>& starts, const Score& goal, Random random,
         const std::function<bool()>& keep_going)
      : player_(player), starts_(starts), goal_(goal), random_(random), keep_going_(keep_going) {
    best_score_.makespan_ms = std::numeric_limits<double>::infinity();
    for (const Order& start : starts) consider(start);
    order_ = best_;
  }

  SearchAnswer run() {
    // Of small pipelines a narrow beam often proves the best at once.
    if (actions() <= 4000) beam(16);
    settle();
    RuleSearch rules(player_, Random(random_.next()), [this] { return energy(); });
    // Rules before single actions, since they change all rounds of a schedule at once.
    for (int round = 0; !met() && keep_going_(); ++round) {
      const int longer = std::min(round, 6);
      span_weight_ = usual_span_weight;
      consider(rules.run(100 << longer, keep_going_));
      span_weight_ = round % 2 == 0 ? usual_span_weight : 0.5;
      begin_at(round % 3 == 2 ? starts_[below(starts_.size())] : best_);
      anneal(2000 << longer, 0.3 * mean_action_ms());
      beam(std::size_t{32} << std::min(round, 12));
    }
    return {best_, goal_};
  }

 private:
  [[nodiscard]] bool met() const { return !better(goal_, best_score_); }

  void consider(const Order& order) {
    player_.play(order);
    if (!better(player_.score(), best_score_)) return;
    best_ = order;
    best_score_ = player_.score();
  }

  /// Looks for a better makespan with a beam, or where that is the least for a better span.
  void beam(std::size_t width) {
    if (met() || player_.limits_sends()) return;
    const bool by_span = !more(best_score_.makespan_ms, goal_.makespan_ms);
    ExactObjective objective{std::vector<double>(order_.size(), 0),
                             std::numeric_limits<double>::infinity(), best_score_.makespan_ms};
    if (by_span) {
      for (std::size_t rank = 0; rank < order_.size(); ++rank) {
        objective.offset_ms[rank] = -player_.head_ms(rank);
      }
      objective.deadline_ms = best_score_.makespan_ms;
      objective.known = best_score_.span_ms;
    }
    const ExactAnswer answer = best_order(player_.terms(), player_.micro_batches(), objective,
                                          {.width = width, .keep_going = keep_going_});
    if (answer.order) consider(*answer.order);
    // A bound of the span among the schedules of the least makespan is all that is asked for.
    double& bound = by_span ? goal_.span_ms : goal_.makespan_ms;
    bound = std::max(bound, answer.bound);
  }

  void begin_at(const Order& order) {
    order_ = order;
    player_.play(order_);
    energy_ = energy();
    score_ = player_.score();
    player_.trace(order_, deciding_rank(), path_);
  }

  void anneal(int moves, double temperature) {
    for (int move = 0; move < moves; ++move) {
      if (met() || !keep_going_()) return;
      const double left = 1 - (static_cast<double>(move) / moves);
      try_move(temperature * left * left);
    }
  }

  /// From each start downhill a little: some lack a step or two.
  void settle() {
    const int moves = static_cast<int>(std::clamp<std::size_t>(400'000 / actions(), 50, 600));
    span_weight_ = 0.5;
    for (const Order& start : starts_) {
      begin_at(start);
      anneal(moves, 0);
    }
  }

  [[nodiscard]] std::size_t actions() const {
    return 3 * order_.size() * static_cast<std::size_t>(player_.micro_batches());
  }
  [[nodiscard]] double mean_action_ms() const {
    double sum = 0;
    for (const StageTerms& terms : player_.terms()) {
      sum += terms.forward_ms + terms.input_ms + terms.weight_ms;
    }
    return sum / (3 * static_cast<double>(player_.terms().size()));
  }

  /// What annealing makes small: the makespan above all, then the span, then all ends.
  [[nodiscard]] double energy() const {
    const Score score = player_.score();
    double ends = 0;
    for (std::size_t rank = 0; rank < player_.terms().size(); ++rank) ends += player_.end_ms(rank);
    return std::max(score.makespan_ms, goal_.makespan_ms) +
           (span_weight_ * std::max(score.span_ms, goal_.span_ms)) +
           (0.02 * ends / static_cast<double>(player_.terms().size()));
  }

  std::size_t below(std::size_t bound) { return static_cast<std::size_t>(random_.below(bound)); }

  /// A rank whose end decides the makespan, or the span.
  std::size_t deciding_rank() {
    const bool by_span = !better({goal_.makespan_ms, 0}, {score_.makespan_ms, 0}) || below(4) == 0;
    std::size_t found = 0;
    double most = -1;
    const std::size_t ranks = player_.terms().size();
    for (std::size_t rank = 0; rank < ranks; ++rank) {
      const double end = player_.end_ms(rank) - (by_span ? player_.head_ms(rank) : 0);
      if (end > most) {
        most = end;
        found = rank;
      }
    }
    return found;
  }

  /// A position at which `rank` stood still in the last play, or any where it never did.
  std::size_t drawn_gap(std::size_t rank) {
    const std::size_t size = order_[rank].size();
    std::size_t position = below(size);
    for (std::size_t tried = 0; tried < size && !player_.stood_still(rank, position); ++tried) {
      position = position == 0 ? size - 1 : position - 1;
    }
    return position;
  }

  Move drawn_move() {
    if (below(16) == 0) {
      const std::size_t rank = below(order_.size());
      const std::size_t from = below(order_[rank].size());
      const std::size_t reach = 1 + below(8);
      const std::size_t to = below(2) == 0 ? from + reach : from - std::min(from, reach);
      return {rank, from, std::min(to, order_[rank].size() - 1)};
    }
    const std::size_t at = below(path_.size());
    const std::size_t rank = path_[at].rank;
    // The path's stay on that rank: positions first..last, of which the first stood still.
    std::size_t head = at;
    while (head > 0 && path_[head - 1].rank == rank) --head;
    std::size_t tail = at;
    while (tail + 1 < path_.size() && path_[tail + 1].rank == rank) ++tail;
    const std::size_t last = path_[head].position;
    const std::size_t first = path_[tail].position;
    const std::size_t low = first - std::min<std::size_t>(first, 2);
    const std::size_t high = std::min(last + 2, order_[rank].size() - 1);
    if (below(4) == 0) return {rank, path_[at].position, drawn_gap(rank)};
    if (below(3) == 0) return {rank, path_[at].position, first};
    if (below(2) == 0) return {rank, path_[at].position, std::min(last + 1, high)};
    return {rank, path_[at].position, low + below(high - low + 1)};
  }

  void try_move(double temperature) {
    const Move move = drawn_move();
    RankOrder& rank = order_[move.rank];
    if (move.from == move.to || rank[move.from] == rank[move.to]) return;
    apply(rank, move.from, move.to);
    if (fits(rank, player_.terms()[move.rank]) && player_.play(order_)) {
      const double after = energy();
      if (after <= energy_ ||
          (temperature > 0 && random_.uniform() < std::exp((energy_ - after) / temperature))) {
        energy_ = after;
        score_ = player_.score();
        player_.trace(order_, deciding_rank(), path_);
        if (better(score_, best_score_)) {
          best_score_ = score_;
          best_ = order_;
        }
        return;
      }
    }
    apply(rank, move.to, move.from);
  }

  Player& player_;
  const std::vector<Order>& starts_;
  Order order_, best_;
  Score goal_;
  Random random_;
  const std::function<bool()>& keep_going_;
  Score score_, best_score_;
  double energy_ = 0;
  double span_weight_ = usual_span_weight;
  std::vector<Player::Step> path_;
};

}  // namespace

SearchAnswer improved(Player& player, const std::vector<Order>& starts, const Score& goal,
                      Random random, const std::function<bool()>& keep_going) {
  return Search(player, starts, goal, random, keep_going).run();
}

}  // namespace planaria
