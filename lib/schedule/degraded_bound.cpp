#include "schedule/degraded_bound.hpp"

#include <algorithm>
#include <cmath>

#include <planaria/base/check.hpp>
#include <planaria/schedule/bounds.hpp>

namespace planaria::degrading {
namespace {

class Bounding {
 public:
  explicit Bounding(const Problem& problem) : problem_(problem) {
    arrivals_ms_.emplace_back(static_cast<std::size_t>(problem.micro_batches), 0.0);
    for (int stage = 0; stage + 1 < problem.stage_count(); ++stage) {
      arrivals_ms_.push_back(arrivals_behind(stage));
    }
  }

  [[nodiscard]] Bounds all() const {
    // Who runs F of a micro-batch at stage 0 runs its B and W, too.
    const double chain_ms = round_trip_ms(problem_, 0) + stage(0).input_ms + stage(0).weight_ms;
    Bounds bounds{chain_ms, chain_ms};
    for (int place = 0; place < problem_.depth; ++place) {
      const Bounds of = problem_.chunks == 1 ? bounds_of_stage(place) : bounds_of_place(place);
      bounds.makespan_ms = std::max(bounds.makespan_ms, of.makespan_ms);
      bounds.period_ms = std::max(bounds.period_ms, of.period_ms);
    }
    // A span is part of the whole.
    bounds.makespan_ms = std::max(bounds.makespan_ms, bounds.period_ms);
    return bounds;
  }

 private:
  [[nodiscard]] const Stage& stage(int index) const { return at(problem_.stages, index); }
  [[nodiscard]] int live(int place) const {
    return static_cast<int>(at(problem_.live, place).size());
  }

  // The k-th forward of a stage ends once k have come, and once its ranks had the time for k.
  [[nodiscard]] std::vector<double> arrivals_behind(int index) const {
    const auto& here = at(arrivals_ms_, index);
    const int ranks = live(stage(index).place);
    std::vector<double> behind;
    for (int k = 0; k < problem_.micro_batches; ++k) {
      const int rounds = k / ranks;
      const double by_time_ms = here.front() + (rounds * stage(index).forward_ms);
      behind.push_back(std::max(by_time_ms, at(here, k)) + stage(index).forward_ms +
                       least_send_ms(problem_, index, index + 1));
    }
    return behind;
  }

  /// From the end of a stage's B to the end of the micro-batch's work at stage 0.
  [[nodiscard]] double way_back_ms(int index) const {
    double sum_ms = stage(0).weight_ms;
    for (int before = index - 1; before >= 0; --before) {
      sum_ms += least_send_ms(problem_, before + 1, before) + stage(before).input_ms;
    }
    return sum_ms;
  }

  /// Micro-batches of one stage that a rank can have in flight; of the stage that takes least where
  /// there are several.
  [[nodiscard]] int most_in_flight(int place) const {
    std::int64_t least_bytes = stage(problem_.stage_at(place, 0)).activation_bytes;
    for (int chunk = 1; chunk < problem_.chunks; ++chunk) {
      least_bytes = std::min(least_bytes, stage(problem_.stage_at(place, chunk)).activation_bytes);
    }
    int most = problem_.in_flight_limit;
    if (least_bytes > 0) {
      const std::int64_t by_bytes = at(problem_.limit_bytes, place) / least_bytes;
      most = static_cast<int>(std::min<std::int64_t>(most, by_bytes));
    }
    return most;
  }

  /// Deals the micro-batches, each to the rank that would be done first; `done_ms(i, n)` does not
  /// fall with n, so no way of dealing has a lesser maximum.
  template <class DoneMs>
  [[nodiscard]] double least_maximum_ms(int ranks, const DoneMs& done_ms) const {
    std::vector<int> counts(static_cast<std::size_t>(ranks), 0);
    double largest_ms = 0;
    for (int k = 0; k < problem_.micro_batches; ++k) {
      int best = 0;
      for (int i = 1; i < ranks; ++i) {
        if (done_ms(i, at(counts, i) + 1) < done_ms(best, at(counts, best) + 1)) best = i;
      }
      largest_ms = std::max(largest_ms, done_ms(best, ++at(counts, best)));
    }
    return largest_ms;
  }

  [[nodiscard]] Bounds bounds_of_stage(int index) const {
    const Stage& own = stage(index);
    const int ranks = live(index);
    const int most = most_in_flight(index);
    const double trip_ms = round_trip_ms(problem_, index);
    const double back_ms = way_back_ms(index);
    // A rank's first B comes a round trip after its first F; and a micro-batch is in flight for a
    // round trip and its B, so that of n one place in flight sees n / most, rounded up.
    const auto last_input_ms = [&](int n) {
      const double idle_ms = std::max(0.0, trip_ms - (std::min(most, n) * own.forward_ms));
      const int turns = ((n - 1) / most) + 1;
      return std::max(idle_ms + (n * (own.forward_ms + own.input_ms)),
                      turns * (trip_ms + own.input_ms));
    };
    const auto span_ms = [&](int n) {
      const double idle_ms = std::max(0.0, trip_ms - (std::min(most, n) * own.forward_ms));
      return std::max(idle_ms + (n * own.work_ms()), last_input_ms(n) + own.weight_ms);
    };
    // The i-th rank to start has at least i micro-batches to wait for.
    const auto back_at_ms = [&](int i, int n) {
      return at(at(arrivals_ms_, index), i) + last_input_ms(n) + back_ms;
    };
    const auto done_ms = [&](int i, int n) {
      return std::max(at(at(arrivals_ms_, index), i) + span_ms(n), back_at_ms(i, n));
    };
    const int used = std::min(ranks, problem_.micro_batches);
    const int share = (problem_.micro_batches + ranks - 1) / ranks;
    Bounds bounds;
    bounds.makespan_ms = least_maximum_ms(used, done_ms);
    // Every rank of stage 0 starts at 0, so that the way back there ends a span.
    bounds.period_ms = std::max(span_ms(share), least_maximum_ms(used, back_at_ms));
    return bounds;
  }

  // Chunks of one place may be spread over its ranks in any way: what holds is the mean.
  [[nodiscard]] Bounds bounds_of_place(int place) const {
    double work_ms = 0, longest_ms = 0, largest_work_ms = 0, in_flight_ms = 0;
    double trip_ms = round_trip_ms(problem_, problem_.stage_at(place, 0));
    double first_ms = at(arrivals_ms_, problem_.stage_at(place, 0)).front();
    bool even = true;
    for (int chunk = 0; chunk < problem_.chunks; ++chunk) {
      const int index = problem_.stage_at(place, chunk);
      work_ms += stage(index).work_ms();
      in_flight_ms += round_trip_ms(problem_, index) + stage(index).input_ms;
      longest_ms = std::max(longest_ms, stage(index).forward_ms);
      trip_ms = std::min(trip_ms, round_trip_ms(problem_, index));
      first_ms = std::min(first_ms, at(arrivals_ms_, index).front());
      largest_work_ms = std::max(largest_work_ms, stage(index).work_ms());
      even = even && stage(index).work_ms() == stage(problem_.stage_at(place, 0)).work_ms();
    }
    const int cells = problem_.micro_batches * problem_.chunks;
    const int most = std::min(most_in_flight(place), cells);
    const int share = (cells + live(place) - 1) / live(place);
    double busy_ms = std::max(problem_.micro_batches * work_ms / live(place), largest_work_ms);
    if (even) busy_ms = std::max(busy_ms, share * largest_work_ms);
    double span_ms = busy_ms + std::max(0.0, trip_ms - (most * longest_ms));
    // All places in flight of all ranks together see all micro-batches for as long as they take.
    const double places = static_cast<double>(most) * live(place);
    span_ms = std::max(span_ms, problem_.micro_batches * in_flight_ms / places);
    return {first_ms + span_ms, span_ms};
  }

  const Problem& problem_;
  std::vector<std::vector<double>> arrivals_ms_;  // [stage][k]: the k-th forward's input
};

}  // namespace

namespace {

// What each stage does by itself, with the arguments of bounds.cpp: those know W's memory.
Bounds bounds_of_loads(const Problem& problem) {
  PipelineLimits limits{.micro_batches = problem.micro_batches,
                        .costs = {},
                        .memory = {},
                        .limit_bytes = {},
                        .loads = {}};
  const bool limited = std::ranges::any_of(
      problem.limit_bytes, [](std::int64_t bytes) { return bytes != Problem::unlimited; });
  for (const Stage& stage : problem.stages) {
    limits.costs.push_back(
        {stage.forward_ms, stage.input_ms, stage.weight_ms, stage.send_ms, stage.send_back_ms});
    if (limited) {
      limits.memory.push_back({stage.activation_bytes, stage.weight_bytes, 0});
      limits.limit_bytes.push_back(at(problem.limit_bytes, stage.place));
    }
    const int ranks = static_cast<int>(at(problem.live, stage.place).size());
    const int share = (problem.micro_batches + ranks - 1) / ranks;
    limits.loads.push_back({share, std::min(share, problem.in_flight_limit)});
  }
  const auto makespan_ms = makespan_bound_ms(limits);
  const auto span_ms = span_bound_ms(limits);
  check(makespan_ms.ok() && span_ms.ok(), "limits of a request that was checked");
  return {makespan_ms.value(), span_ms.value()};
}

}  // namespace

Bounds bounds_of(const Problem& problem) {
  Bounds bounds = Bounding(problem).all();
  if (problem.chunks > 1) return bounds;
  const Bounds by_loads = bounds_of_loads(problem);
  bounds.makespan_ms = std::max(bounds.makespan_ms, by_loads.makespan_ms);
  bounds.period_ms = std::max(bounds.period_ms, by_loads.period_ms);
  return bounds;
}

}  // namespace planaria::degrading
