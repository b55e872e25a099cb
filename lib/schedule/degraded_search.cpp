#include "schedule/degraded_search.hpp"

#include <algorithm>
#include <cmath>
#include <utility>

#include <planaria/base/check.hpp>
#include <planaria/base/random.hpp>

namespace planaria::degrading {
namespace {

/// One scale for what is minimised, with enough of the rest that there is a slope to walk down.
double height_of(const Score& score) {
  return score.first_ms + (0.02 * score.second_ms) + (0.05 * score.unevenness_ms);
}

class Search {
 public:
  Search(const Problem& problem, const Bounds& bounds, const Orders& orders,
         const SearchOptions& options)
      : problem_(problem),
        options_(options),
        first_bound_ms_(problem.staggered ? bounds.period_ms : bounds.makespan_ms),
        second_bound_ms_(problem.staggered ? bounds.makespan_ms : bounds.period_ms),
        random_(options.seed),
        judge_(problem),
        current_(orders),
        best_(orders) {
    const auto score = judge_.score(current_);
    check(score.has_value(), "a search starts from orders that end");
    best_score_ = *score;
    height_ = height_of(*score);
  }

  Orders run() {
    std::int64_t in_vain = 0;
    find_chain();
    while (in_vain < options_.moves_in_vain && !is_proven() && options_.keep_going()) {
      ++in_vain;
      if (in_vain % restart_after == 0) restart();
      changed_.clear();
      owned_.clear();
      if (!move() || !limits_hold()) {
        undo();
        continue;
      }
      const auto score = judge_.score(current_);
      if (!score || height_of(*score) > height_ + slack_ms()) {
        undo();
        continue;
      }
      height_ = height_of(*score);
      if (is_better(*score, best_score_)) {
        // Less memory alone is welcome, but nothing to go on for.
        if (!is_same_time(*score)) in_vain = 0;
        best_score_ = *score;
        best_ = current_;
      }
      find_chain();
    }
    return best_;
  }

 private:
  static constexpr std::int64_t restart_after = 4000;

  [[nodiscard]] bool is_proven() const {
    return !is_less(first_bound_ms_, best_score_.first_ms) &&
           !is_less(second_bound_ms_, best_score_.second_ms);
  }
  [[nodiscard]] bool is_same_time(const Score& score) const {
    return !is_less(score.first_ms, best_score_.first_ms) &&
           !is_less(score.second_ms, best_score_.second_ms);
  }
  // Now and then a step up, mostly a small one.
  double slack_ms() {
    if (random_.below(8) != 0) return 0;
    return -std::log(1 - random_.uniform()) * 0.01 * best_score_.first_ms;
  }
  void restart() {
    current_ = best_;
    height_ = height_of(*judge_.score(current_));
    find_chain();
  }

  [[nodiscard]] std::vector<int>& ops_of(int rank) { return at(current_.ranks, rank); }
  [[nodiscard]] int owner_of(int op) const { return at(current_.owner, cell_of(op)); }
  [[nodiscard]] int position_of(int op) {
    const auto& ops = ops_of(owner_of(op));
    return static_cast<int>(std::find(ops.begin(), ops.end(), op) - ops.begin());
  }

  /// The ops that decide what is minimised, each with no time between it and the one it follows.
  void find_chain() {
    chain_.clear();
    int op = -1;
    double most_ms = -1;
    for (const auto& ops : current_.ranks) {
      if (ops.empty()) continue;
      const double end_ms = judge_.end_ms(ops.back());
      const double ms = problem_.staggered ? end_ms - judge_.start_ms(ops.front()) : end_ms;
      if (ms > most_ms) {
        most_ms = ms;
        op = ops.back();
      }
    }
    // Steps of no time could go round for ever only in orders that never end.
    while (op >= 0) {
      chain_.push_back(op);
      const int from = judge_.feeder(op);
      const int position = position_of(op);
      const int previous = position > 0 ? at(ops_of(owner_of(op)), position - 1) : -1;
      const bool waited =
          from >= 0 && (previous < 0 || judge_.arrival_ms(current_, op) > judge_.end_ms(previous));
      op = waited ? from : previous;
    }
  }

  void save(int rank) {
    for (const auto& [saved, ops] : changed_) {
      if (saved == rank) return;
    }
    changed_.emplace_back(rank, ops_of(rank));
  }
  void own(int cell, int rank) {
    owned_.emplace_back(cell, at(current_.owner, cell));
    at(current_.owner, cell) = rank;
  }
  void undo() {
    for (auto& [rank, ops] : changed_) ops_of(rank) = std::move(ops);
    // No move changes the owner of a cell twice.
    for (const auto& [cell, rank] : owned_) at(current_.owner, cell) = rank;
  }
  [[nodiscard]] bool limits_hold() const {
    return std::all_of(changed_.begin(), changed_.end(),
                       [&](const auto& saved) { return judge_.fits(current_, saved.first); });
  }

  [[nodiscard]] int below(std::size_t bound) { return static_cast<int>(random_.below(bound)); }

  bool move() {
    int op = at(chain_, below(chain_.size()));
    // A span may also be shortened at its start, by other first work.
    if (problem_.staggered && random_.below(6) == 0) op = ops_of(owner_of(chain_.front())).front();
    switch (random_.below(8)) {
      case 0:
      case 1:
      case 2:
        return shift(op, -1);
      case 3:
      case 4:
        return shift(op, 1);
      case 5:
        return exchange(op);
      default:
        return reroute(op);
    }
  }

  /// Moves an op some places earlier or later in its rank's order, short ways more often.
  bool shift(int op, int direction) {
    const int rank = owner_of(op);
    auto& ops = ops_of(rank);
    const int from = position_of(op);
    int far = 1;
    while (far < 64 && random_.below(2) == 0) far *= 2;
    far = 1 + below(static_cast<std::size_t>(far));
    int to = from;
    while (far-- > 0) {
      const int beyond = to + direction;
      if (beyond < 0 || beyond >= static_cast<int>(ops.size())) break;
      if (cell_of(at(ops, beyond)) == cell_of(op)) break;  // F, B, W of a cell stay in order
      to = beyond;
    }
    if (to == from) return false;
    save(rank);
    const auto begin = ops.begin();
    if (to < from) {
      std::rotate(begin + to, begin + from, begin + from + 1);
    } else {
      std::rotate(begin + from, begin + from + 1, begin + to + 1);
    }
    return true;
  }

  [[nodiscard]] int other_rank(int op) {
    const auto& live = at(problem_.live, problem_.stage(cell_of(op)).place);
    return at(live, below(live.size()));
  }

  /// Exchanges two cells of a stage, wherever they are, each in the place of the other.
  bool exchange(int op) {
    const int cell = cell_of(op);
    const int other = problem_.cell(problem_.stage_of_cell(cell),
                                    below(static_cast<std::size_t>(problem_.micro_batches)));
    if (other == cell || at(current_.fused, cell) != at(current_.fused, other)) return false;
    const int rank = at(current_.owner, cell);
    const int other_rank = at(current_.owner, other);
    save(rank);
    save(other_rank);
    const auto rename = [&](int at_rank) {
      for (int& one : ops_of(at_rank)) {
        if (cell_of(one) == cell) {
          one = op_of(other, part_of(one));
        } else if (cell_of(one) == other) {
          one = op_of(cell, part_of(one));
        }
      }
    };
    rename(rank);
    if (other_rank != rank) rename(other_rank);
    own(cell, other_rank);
    own(other, rank);
    return true;
  }

  /// Moves a cell to another live rank of its stage, its ops to about the times they have now.
  bool reroute(int op) {
    const int cell = cell_of(op);
    const int from = owner_of(op);
    const int to = other_rank(op);
    if (to == from) return false;
    save(from);
    save(to);
    std::erase_if(ops_of(from), [&](int one) { return cell_of(one) == cell; });
    own(cell, to);
    auto& ops = ops_of(to);
    std::size_t position = 0;
    const bool fused = at(current_.fused, cell) != 0;
    for (const Part part : {Part::forward, Part::input, Part::weight}) {
      if (part == Part::weight && fused) continue;
      const int one = op_of(cell, part);
      const double ms = judge_.start_ms(one);
      while (position < ops.size() && judge_.start_ms(ops[position]) < ms) ++position;
      if (random_.below(4) == 0) position = std::min(position + 1, ops.size());
      ops.insert(ops.begin() + static_cast<std::ptrdiff_t>(position), one);
      ++position;
    }
    return true;
  }

  const Problem& problem_;
  const SearchOptions& options_;
  double first_bound_ms_;
  double second_bound_ms_;
  Random random_;
  Judge judge_;
  Orders current_;
  Orders best_;
  Score best_score_;
  double height_ = 0;
  std::vector<int> chain_;                                 // from the last op back
  std::vector<std::pair<int, std::vector<int>>> changed_;  // rank, its ops before the move
  std::vector<std::pair<int, int>> owned_;                 // cell, its owner before the move
};

}  // namespace

Orders searched(const Problem& problem, const Bounds& bounds, const Orders& orders,
                const SearchOptions& options) {
  return Search(problem, bounds, orders, options).run();
}

}  // namespace planaria::degrading
