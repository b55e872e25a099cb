// schedule/degraded_problem.hpp: what a degraded schedule must do, and orders of work that do it.
// Private.
#pragma once

#include <cstdint>
#include <limits>
#include <optional>
#include <vector>

#include <planaria/schedule/degraded.hpp>

namespace planaria::degrading {

template <class Items>
[[nodiscard]] auto& at(Items& items, int index) {
  return items[static_cast<std::size_t>(index)];
}

/// What one stage costs and holds; sends as they are between two ranks.
struct Stage {
  double forward_ms = 0;
  double input_ms = 0;   // B
  double weight_ms = 0;  // W
  double send_ms = 0;    // to the stage behind
  double send_back_ms = 0;
  std::int64_t activation_bytes = 0;
  std::int64_t weight_bytes = 0;  // from the end of B to the end of W
  int place = 0;                  // of its ranks in their pipelines
  int chunk = 0;
  [[nodiscard]] double work_ms() const { return forward_ms + input_ms + weight_ms; }
};

/// A checked request in numbers. A cell is a (stage, micro-batch).
struct Problem {
  static constexpr std::int64_t unlimited = std::numeric_limits<std::int64_t>::max();

  Placement placement = Placement::single;
  int depth = 1;
  int width = 1;
  int chunks = 1;
  int micro_batches = 1;  // of all pipelines
  std::vector<Stage> stages;
  std::vector<std::vector<int>> live;     // [place]: ranks, ascending
  std::vector<std::int64_t> limit_bytes;  // [place]
  int in_flight_limit = std::numeric_limits<int>::max();
  bool staggered = false;

  [[nodiscard]] int ranks() const { return depth * width; }
  [[nodiscard]] int stage_count() const { return depth * chunks; }
  [[nodiscard]] int cells() const { return stage_count() * micro_batches; }
  [[nodiscard]] int cell(int stage, int micro_batch) const {
    return (stage * micro_batches) + micro_batch;
  }
  [[nodiscard]] int stage_of_cell(int cell) const { return cell / micro_batches; }
  [[nodiscard]] const Stage& stage(int cell) const { return at(stages, stage_of_cell(cell)); }
  [[nodiscard]] int stage_at(int place, int chunk) const {
    if (placement == Placement::v) return chunk == 0 ? place : (2 * depth) - 1 - place;
    return (chunk * depth) + place;
  }
};

/// Checks a request (degraded_request.cpp); faults as degraded() tells.
[[nodiscard]] Result<Problem> problem_of(const DegradedRequest& request);

/// From a stage to a neighbouring one between ranks; nothing where both can be on one rank.
[[nodiscard]] double least_send_ms(const Problem& problem, int from, int to);
/// From the start of a stage's F to the earliest start of the same micro-batch's B.
[[nodiscard]] double round_trip_ms(const Problem& problem, int stage);

/// F, B and W of a cell are three numbers; the order of numbers is no order of work.
enum class Part { forward = 0, input = 1, weight = 2 };
[[nodiscard]] constexpr int op_of(int cell, Part part) {
  return (cell * 3) + static_cast<int>(part);
}
[[nodiscard]] constexpr int cell_of(int op) {
  return op / 3;
}
[[nodiscard]] constexpr Part part_of(int op) {
  return static_cast<Part>(op % 3);
}

/// Who computes each cell, and each rank's work in order. Where a cell is fused its B stands for G
/// and there is no W.
struct Orders {
  std::vector<std::vector<int>> ranks;  // [rank]: ops
  std::vector<int> owner;               // [cell]
  std::vector<char> fused;              // [cell]
  explicit Orders(const Problem& problem)
      : ranks(static_cast<std::size_t>(problem.ranks())),
        owner(static_cast<std::size_t>(problem.cells()), -1),
        fused(static_cast<std::size_t>(problem.cells()), 0) {}
};

/// How good orders are; less is better. What is minimised comes first, and of two that differ by
/// rounding alone neither is less.
struct Score {
  double first_ms = 0;
  double second_ms = 0;
  int peak_in_flight = 0;
  double unevenness_ms = 0;  // mean end of all ranks: a slope where the others are flat
};
[[nodiscard]] bool is_less(double left_ms, double right_ms);
/// Compares by what the caller sees: times, then the largest peak in flight.
[[nodiscard]] bool is_better(const Score& left, const Score& right);

/// Plays orders as simulate() does, but fast and again and again.
class Judge {
 public:
  explicit Judge(const Problem& problem);
  /// Returns how good the orders are, or nothing where some rank would wait for ever. O(ops).
  [[nodiscard]] std::optional<Score> score(const Orders& orders);
  /// Whether the rank's order keeps within the limits. O(its ops).
  [[nodiscard]] bool fits(const Orders& orders, int rank) const;
  [[nodiscard]] bool fits(const Orders& orders) const;
  /// Of the orders scored last.
  [[nodiscard]] double start_ms(int op) const { return at(start_, op); }
  [[nodiscard]] double end_ms(int op) const { return at(end_, op); }
  [[nodiscard]] double lasts_ms(const Orders& orders, int op) const;
  /// When what an op needs from another stage is there; 0 where it needs nothing.
  [[nodiscard]] double arrival_ms(const Orders& orders, int op) const;
  /// The op of another stage that an op waits for, or -1.
  [[nodiscard]] int feeder(int op) const;

 private:
  [[nodiscard]] bool play(const Orders& orders);

  const Problem& problem_;
  std::vector<double> start_, end_;  // [op]; end below 0: not yet
  std::vector<int> waiter_;          // [op]: the rank that stands still for it, or -1
  std::vector<int> next_;            // [rank]: position
  std::vector<int> awake_;
};

/// Writes orders as a schedule.
[[nodiscard]] Schedule schedule_of(const Problem& problem, const Orders& orders);

}  // namespace planaria::degrading
