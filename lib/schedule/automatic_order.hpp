// schedule/automatic_order.hpp: schedules as automatic() moves them about. Private.
// Is: the kinds of each rank's actions; micro-batches of a kind come in index order, since they are
// alike. Played by the rules of simulate(), without its checks.
#pragma once

#include <cstdint>
#include <vector>

#include <planaria/schedule/actions.hpp>

#include "schedule/limits.hpp"

namespace planaria {

using RankOrder = std::vector<ActionKind>;
using Order = std::vector<RankOrder>;  // [rank][position]

/// Returns the order of a schedule in single placement.
[[nodiscard]] Order order_of(const Schedule& schedule);
/// Returns the schedule of an order; a W is of the oldest micro-batch that still needs one.
[[nodiscard]] Schedule schedule_of(const Order& order, int micro_batches);
/// Whether a rank runs no B before its F and no W before its B, and never holds more than its
/// limit.
[[nodiscard]] bool fits(const RankOrder& order, const StageTerms& terms);

/// How good an order is: the makespan counts first, then the largest span.
struct Score {
  double makespan_ms = 0;
  double span_ms = 0;
  friend bool operator==(const Score&, const Score&) = default;
};
/// Whether `left` is better than `right` by more than rounding.
[[nodiscard]] bool better(const Score& left, const Score& right);
/// Whether `left` is more than `right` by more than rounding.
[[nodiscard]] bool more(double left, double right);

/// Plays orders of one pipeline, again and again. O(actions) each.
class Player {
 public:
  /// `sends_in_flight` as in SimulationOptions; slow where it is set.
  Player(std::vector<StageTerms> terms, int micro_batches, int sends_in_flight = 0);

  /// Plays the order; false where ranks wait for each other for ever.
  bool play(const Order& order);
  /// After a play that ended.
  [[nodiscard]] Score score() const;
  [[nodiscard]] double end_ms(std::size_t rank) const { return free_at_ms_[rank]; }
  /// When a rank's first F starts, in any order.
  [[nodiscard]] double head_ms(std::size_t rank) const { return heads_ms_[rank]; }

  /// Whether the rank's action at `position` waited for its input in the last play.
  [[nodiscard]] bool stood_still(std::size_t rank, std::size_t position) const {
    return waits_for_[rank][position] >= 0;
  }

  /// An action on a path of waits, which none of them could leave.
  struct Step {
    std::size_t rank = 0;
    std::size_t position = 0;
  };
  /// Puts into `path` what the last action of `rank` had to wait for, backwards from it to the
  /// step's start: the action before it on its rank, or where it stood still for its input, the one
  /// that made that.
  void trace(const Order& order, std::size_t rank, std::vector<Step>& path) const;

  [[nodiscard]] bool limits_sends() const { return sends_in_flight_ > 0; }
  [[nodiscard]] const std::vector<StageTerms>& terms() const { return terms_; }
  [[nodiscard]] int micro_batches() const { return micro_batches_; }

 private:
  struct Progress {
    std::size_t next = 0;
    std::size_t forwards = 0;
    std::size_t inputs = 0;
  };
  bool advance(const RankOrder& order, std::size_t rank);
  bool play_limited(const Order& order);

  std::vector<StageTerms> terms_;
  int micro_batches_;
  int sends_in_flight_;
  std::vector<StageCosts> costs_;
  std::vector<double> heads_ms_;
  // [rank][position]: whether it stood still for its input, and for which micro-batch's.
  std::vector<std::vector<int>> waits_for_;
  std::vector<std::vector<double>> activations_;  // [rank][micro-batch]: when F's input is there
  std::vector<std::vector<double>> gradients_;    // [rank][micro-batch]: when B's input is there
  std::vector<std::vector<std::size_t>> forward_at_, input_at_;  // [rank][micro-batch]: position
  std::vector<Progress> progress_;
  std::vector<double> free_at_ms_;
};

}  // namespace planaria
