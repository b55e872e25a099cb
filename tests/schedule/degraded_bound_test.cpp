// Degraded schedules against brute force: every routing and every order of small requests.
#include <algorithm>
#include <map>
#include <vector>

#include "degraded_checks.hpp"

namespace planaria {

using test::checked;
using test::reached_ms;
using test::text;
using test::unit_request;

namespace {

/// Plays every schedule of one chunk a rank in which no action could start sooner, one action
/// after another by the time it starts. Equal micro-batches and equal ranks are tried once.
class EveryDegraded {
 public:
  explicit EveryDegraded(const DegradedRequest& request)
      : request_(request),
        p_(request.shape.stages),
        n_(request.shape.micro_batches * request.width),
        cells_(static_cast<std::size_t>(p_) * static_cast<std::size_t>(n_)),
        ranks_(static_cast<std::size_t>(p_ * request.width)) {}

  /// Starts from `known_ms`, which some schedule reaches; returns the least there is.
  double least_ms(double known_ms) {
    best_ms_ = known_ms;
    play(0, 0, 3 * p_ * n_);
    return best_ms_;
  }

 private:
  struct Cell {
    int done = 0;  // F, B, W
    int rank = -1;
    double input_ms = 0, gradient_ms = 0;
  };
  struct Rank {
    double first_ms = -1, free_ms = 0, to_do_ms = 0;
    int in_flight = 0;
  };
  Cell& cell(int stage, int i) {
    return cells_[(static_cast<std::size_t>(stage) * static_cast<std::size_t>(n_)) +
                  static_cast<std::size_t>(i)];
  }
  [[nodiscard]] const StageCosts& costs(int stage) const {
    return request_.costs[static_cast<std::size_t>(stage)];
  }

  void play(double now_ms, int last_rank, int left) {
    if (left == 0) {
      double worst_ms = 0;
      for (const Rank& rank : ranks_) worst_ms = std::max(worst_ms, value_ms(rank));
      best_ms_ = std::min(best_ms_, worst_ms);
      return;
    }
    for (int stage = 0; stage < p_; ++stage) {
      for (int i = 0; i < n_; ++i) {
        const Cell& of = cell(stage, i);
        if (of.done > 0) {
          if (of.done < 3) attempt(stage, i, of.rank, now_ms, last_rank, left);
          continue;
        }
        if (stage > 0 && cell(stage - 1, i).done == 0) continue;
        bool fresh = false;
        for (int k = 0; k < request_.width - request_.lost[static_cast<std::size_t>(stage)]; ++k) {
          const int rank = (k * p_) + stage;
          const bool unused = ranks_[static_cast<std::size_t>(rank)].first_ms < 0;
          if (unused && fresh) continue;
          fresh = fresh || unused;
          attempt(stage, i, rank, now_ms, last_rank, left);
        }
        if (stage == 0) break;  // equal micro-batches: the first that is left
      }
    }
  }

  [[nodiscard]] double value_ms(const Rank& rank) const {
    if (rank.first_ms < 0) return 0;
    return rank.free_ms + rank.to_do_ms - (request_.staggered ? rank.first_ms : 0);
  }

  void attempt(int stage, int i, int rank_index, double now_ms, int last_rank, int left) {
    Rank& rank = ranks_[static_cast<std::size_t>(rank_index)];
    Cell& of = cell(stage, i);
    const int kind = of.done;
    const double lasts_ms = kind == 0   ? costs(stage).forward_ms
                            : kind == 1 ? costs(stage).backward_input_ms
                                        : costs(stage).backward_weight_ms;
    if (kind == 1 && stage + 1 < p_ && cell(stage + 1, i).done < 2) return;
    if (kind == 0 && request_.in_flight_limit > 0 && rank.in_flight == request_.in_flight_limit)
      return;
    const double there_ms = kind == 0 ? of.input_ms : kind == 1 ? of.gradient_ms : 0;
    const double start_ms = std::max(rank.free_ms, there_ms);
    // Each schedule once: by start, then rank.
    if (start_ms < now_ms || (start_ms == now_ms && rank_index < last_rank)) return;
    const Rank rank_before = rank;
    const Cell cell_before = of;
    if (rank.first_ms < 0) rank.first_ms = start_ms;
    if (kind == 0) {
      rank.to_do_ms += costs(stage).backward_input_ms + costs(stage).backward_weight_ms;
      ++rank.in_flight;
    } else {
      rank.to_do_ms -= lasts_ms;
      if (kind == 1) --rank.in_flight;
    }
    rank.free_ms = start_ms + lasts_ms;
    if (value_ms(rank) < best_ms_) {
      ++of.done;
      of.rank = rank_index;
      if (kind == 0 && stage + 1 < p_) {
        cell(stage + 1, i).input_ms = rank.free_ms + costs(stage).send_ms;
      }
      if (kind == 1 && stage > 0) {
        const StageCosts& c = costs(stage);
        cell(stage - 1, i).gradient_ms = rank.free_ms + c.send_back_ms.value_or(c.send_ms);
      }
      play(start_ms, rank_index, left - 1);
    }
    of.done = cell_before.done;
    of.rank = cell_before.rank;
    rank = rank_before;
  }

  const DegradedRequest& request_;
  int p_, n_;
  std::vector<Cell> cells_;
  std::vector<Rank> ranks_;
  double best_ms_ = 0;
};

}  // namespace

TEST_CASE("no schedule of a small request is faster than its bound or than the answer", "[unit]") {
  struct Shape {
    int width, p, m, draws;
  };
  int proven = 0, all = 0;
  for (const Shape shape : {Shape{2, 1, 1, 10},
                            {2, 2, 1, 20},
                            {1, 2, 2, 20},
                            {3, 2, 1, 20},
                            {2, 3, 1, 20},
                            {1, 3, 2, 20},
                            {1, 2, 3, 20},
                            {2, 2, 2, 20},
                            {3, 3, 1, 8}}) {
    for (int seed = 1; seed <= shape.draws; ++seed) {
      Random random(static_cast<std::uint64_t>(seed));
      DegradedRequest request = unit_request(shape.width, shape.p, shape.m);
      for (StageCosts& costs : request.costs) {
        const auto draw = [&](int low) { return static_cast<double>(random.between(low, 3)); };
        costs = {draw(1), draw(1), draw(0), draw(0) / 2};
      }
      for (int& lost : request.lost) lost = static_cast<int>(random.between(0, shape.width - 1));
      request.in_flight_limit = static_cast<int>(random.below(3));
      request.staggered = seed % 2 == 0;
      INFO("seed " << seed << ": " << text(request));
      const DegradedSchedule answer = checked(request, [] { return true; });
      // The search finds the answer's time itself, and nothing below.
      const double reached = reached_ms(request, answer);
      const double least = EveryDegraded(request).least_ms(reached + 1);
      CHECK(answer.bound_ms <= least);
      CHECK(reached == least);
      proven += answer.bound_ms == least ? 1 : 0;
      ++all;
    }
  }
  CHECK(proven > all * 9 / 10);
}

}  // namespace planaria
