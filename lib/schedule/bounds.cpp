// The arguments. All schedules are taken to run F's, B's and W's of a rank in index order each:
// micro-batches are alike, so exchanging their numbers makes any schedule one of these, at the same
// times. G is B then W without anything between; its gradient leaves later than B's would.
//
// Of one stage: F_i is its i-th forward, T_i a time before which it does not start, S_j and D_j
// times before which B_j does not start and end. k is how many micro-batches fit in flight. When
// F_i starts, b B's and w W's have been run, whatever the schedule; so T_i is the least over b of
// the greatest of what follows from b:
//  - i + 1 - b in flight and b - w waiting for W fit the memory: no more than k, and w(b) at least;
//  - F_{i-1}, B_{b-1} and W_{w-1} are over, and what the stage before sends is there;
//  - all that work has been done since the stage's start;
//  - since B_j's start, j < b: b - j B's; the w W's but for j at most; and the i F's but for j + k
//    at most, since B_j was still in flight.
// B_j comes a round trip of F and B through the stages behind after F_j, not before the gradient
// that the stage behind sends at the earliest, and after work counted as above.
// Last the cool-down: F_{m-1} starts with a in flight and w W's done. Before B_{m-1} come the other
// a - 1 B's and x W's, and y = m - w - x W's are left. Time is at least the round trip there, and
// after B_{m-1} the longer of those W's and of the way up. The least over b, w and x is taken.
#include <planaria/schedule/bounds.hpp>

#include <algorithm>
#include <cmath>
#include <limits>

#include <fmt/format.h>

#include "schedule/limits.hpp"

namespace planaria {
namespace {

constexpr double never = -std::numeric_limits<double>::infinity();

/// What the rest of the pipeline imposes on a stage.
struct Surroundings {
  double start_ms = 0;       // F_0 is not there before
  double round_trip_ms = 0;  // from an F's end to its gradient's arrival
  double tail_ms = 0;        // from the last B's end to the end of the stages before
};

/// One stage's rank by itself; gives and takes times of its neighbours.
class StageBound {
 public:
  StageBound(const StageTerms& terms, const Surroundings& around, StageLoad load)
      : terms_(terms),
        around_(around),
        micro_batches_(load.micro_batches),
        most_in_flight_(static_cast<int>(terms.most_in_flight(load.micro_batches))),
        forward_starts_(count(), never),
        input_starts_(count(), never),
        input_ends_(count(), never) {
    if (load.in_flight_limit > 0) most_in_flight_ = std::min(most_in_flight_, load.in_flight_limit);
  }

  /// When F_i starts, and B_j ends, at the earliest; after update().
  [[nodiscard]] const std::vector<double>& forward_starts() const { return forward_starts_; }
  [[nodiscard]] const std::vector<double>& input_ends() const { return input_ends_; }

  /// Finds these times anew. `supply` and `gradients`: when inputs of F_i and B_j are there at the
  /// earliest; empty: nothing is known but the surroundings.
  void update(const std::vector<double>& supply, const std::vector<double>& gradients) {
    gradients_ = gradients;
    best_all_ = best_inputs_ = never;
    for (int i = 0; i < micro_batches_; ++i) {
      const double there = supply.empty() ? around_.start_ms : supply[at(i)];
      forward_starts_[at(i)] = forward_start_ms(i, std::max(around_.start_ms, there));
      settle_input(i);
    }
  }

  /// Returns when the last W here and the last of the stages before end, at the earliest.
  [[nodiscard]] double end_ms() const {
    double least = std::numeric_limits<double>::infinity();
    const int last = micro_batches_ - 1;
    for (int b = std::max(0, last + 1 - most_in_flight_); b <= last; ++b) {
      for (int w = least_weights(last, b); w <= b; ++w) {
        const double start = std::max(forward_starts_[at(last)], start_given(last, b, w));
        least = std::min(least, end_given(start, b, w));
      }
    }
    return least;
  }

 private:
  [[nodiscard]] std::size_t count() const { return static_cast<std::size_t>(micro_batches_); }
  static std::size_t at(int i) { return static_cast<std::size_t>(i); }

  /// W's that are over when F_i starts after `b` B's.
  [[nodiscard]] int least_weights(int i, int b) const {
    return std::max(0, b - static_cast<int>(terms_.most_pending(i + 1 - b, micro_batches_)));
  }
  /// W's that are over when B_j starts, which is in flight itself.
  [[nodiscard]] int least_weights_before_input(int j) const {
    return std::max(0, j - static_cast<int>(terms_.most_pending(1, micro_batches_)));
  }

  /// When F_i starts, given how many B's and W's are over; but for its input and F_{i-1}.
  [[nodiscard]] double start_given(int i, int b, int w) const {
    const double forward = terms_.forward_ms;
    const double inputs = b * terms_.input_ms;
    const double weights = w * terms_.weight_ms;
    double start = around_.start_ms + (i * forward) + inputs + weights;
    if (b == 0) return start;
    start = std::max(start, input_ends_[at(b - 1)]);
    if (w > 0) start = std::max(start, input_ends_[at(w - 1)] + terms_.weight_ms);
    const double since = (i - most_in_flight_) * forward;
    return std::max({start, since_all_[at(b - 1)] + inputs + weights + since,
                     since_inputs_[at(b - 1)] + inputs + since});
  }

  [[nodiscard]] double forward_start_ms(int i, double there_ms) const {
    double least = std::numeric_limits<double>::infinity();
    for (int b = std::max(0, i + 1 - most_in_flight_); b <= i; ++b) {
      // More B's take no less time.
      if (b > 0 && input_ends_[at(b - 1)] >= least) break;
      least = std::min(least, start_given(i, b, least_weights(i, b)));
    }
    if (i > 0) there_ms = std::max(there_ms, forward_starts_[at(i - 1)] + terms_.forward_ms);
    return std::max(there_ms, least);
  }

  /// Finds when B_j starts and ends, from F_j and what was before.
  void settle_input(int j) {
    const double work = terms_.forward_ms + terms_.input_ms;
    double start = forward_starts_[at(j)] + terms_.forward_ms + around_.round_trip_ms;
    if (!gradients_.empty()) start = std::max(start, gradients_[at(j)]);
    if (j > 0) start = std::max(start, input_ends_[at(j - 1)]);
    const double weights = least_weights_before_input(j) * terms_.weight_ms;
    start = std::max(
        start, around_.start_ms + ((j + 1) * terms_.forward_ms) + (j * terms_.input_ms) + weights);
    if (j > 0) {
      const double since =
          ((j + 1) * work) - terms_.input_ms - (most_in_flight_ * terms_.forward_ms);
      start = std::max({start, best_all_ + since + weights, best_inputs_ + since});
    }
    input_starts_[at(j)] = start;
    input_ends_[at(j)] = start + terms_.input_ms;
    best_all_ = std::max(best_all_, start - (j * (work + terms_.weight_ms)));
    best_inputs_ = std::max(best_inputs_, start - (j * work));
    since_all_.resize(count());
    since_inputs_.resize(count());
    since_all_[at(j)] = best_all_;
    since_inputs_[at(j)] = best_inputs_;
  }

  /// The end, where F_{m-1} starts at `start` after `b` B's and `w` W's.
  [[nodiscard]] double end_given(double start, int b, int w) const {
    const int last = micro_batches_ - 1;
    const double weight = terms_.weight_ms;
    const double after_forward = start + terms_.forward_ms;
    // B_{m-1} starts at `fixed` at the earliest, and at `with_work` + x W.
    double fixed = std::max({input_starts_[at(last)], after_forward + around_.round_trip_ms});
    const double all = micro_batches_ * (terms_.forward_ms + terms_.input_ms);
    const double with_work = std::max({after_forward + ((last - b) * terms_.input_ms),
                                       around_.start_ms + all - terms_.input_ms + (w * weight),
                                       since_all_[at(last)] + all - terms_.input_ms -
                                           (most_in_flight_ * terms_.forward_ms) + (w * weight)});
    const int most = last - w;
    const int least = std::max(0, least_weights_before_input(last) - w);
    int x = least;
    // W's in the gap cost nothing; of those beyond the first only moves time about.
    if (weight > 0 && fixed > with_work) {
      const double fit = std::floor((fixed - with_work) / weight);
      x = fit < most ? std::max(least, static_cast<int>(fit)) : std::max(least, most);
    }
    double end = std::numeric_limits<double>::infinity();
    for (int inside = x; inside <= std::max(x, std::min(x + 1, most)); ++inside) {
      const double before = std::max(fixed, with_work + (inside * weight));
      const double after = std::max(around_.tail_ms, (micro_batches_ - w - inside) * weight);
      end = std::min(end, before + terms_.input_ms + after);
    }
    return end;
  }

  StageTerms terms_;
  Surroundings around_;
  int micro_batches_;
  int most_in_flight_;
  std::vector<double> gradients_;
  std::vector<double> forward_starts_, input_starts_, input_ends_;
  // The greatest, over j so far, of S_j less j times F+B+W, and F+B.
  double best_all_ = never, best_inputs_ = never;
  std::vector<double> since_all_, since_inputs_;
};

/// What each stage finds around it when the others do nothing but its micro-batches.
std::vector<Surroundings> surroundings(const std::vector<StageTerms>& terms) {
  std::vector<Surroundings> around(terms.size());
  double start = 0;
  double tail = 0;
  for (std::size_t stage = 0; stage < terms.size(); ++stage) {
    around[stage].start_ms = start;
    start += terms[stage].forward_ms + terms[stage].send_ms;
    if (stage > 0) {
      const StageTerms& before = terms[stage - 1];
      tail = terms[stage].send_back_ms + before.input_ms + std::max(before.weight_ms, tail);
    }
    around[stage].tail_ms = tail;
  }
  double trip = 0;
  for (std::size_t stage = terms.size(); stage-- > 0;) {
    if (stage + 1 < terms.size()) {
      const StageTerms& behind = terms[stage + 1];
      trip += terms[stage].send_ms + behind.forward_ms + behind.input_ms + behind.send_back_ms;
    }
    around[stage].round_trip_ms = trip;
  }
  return around;
}

std::vector<double> later(std::vector<double> times_ms, double by_ms) {
  for (double& time : times_ms) time += by_ms;
  return times_ms;
}

/// The bounds of all stages, which tell each other what they know.
class PipelineBound {
 public:
  PipelineBound(const std::vector<StageTerms>& terms, const std::vector<StageLoad>& loads,
                bool coupled)
      : terms_(terms), coupled_(coupled) {
    const std::vector<Surroundings> around = surroundings(terms);
    for (std::size_t stage = 0; stage < terms.size(); ++stage) {
      stages_.emplace_back(terms[stage], around[stage], loads[stage]);
      Surroundings alone = around[stage];
      alone.tail_ms = 0;
      alone_.emplace_back(terms[stage], alone, loads[stage]);
      starts_ms_.push_back(around[stage].start_ms);
    }
  }

  double makespan_ms() {
    for (std::size_t stage = terms_.size(); stage-- > 0;) {
      // F_i does not come before the slowest stage on the way has run i others.
      std::vector<double> supply;
      double slowest = 0;
      for (std::size_t before = 0; before < stage; ++before) {
        slowest = std::max(slowest, terms_[before].forward_ms);
      }
      if (coupled_) {
        for (std::size_t i = 0; i < stages_[stage].forward_starts().size(); ++i) {
          supply.push_back(starts_ms_[stage] + (static_cast<double>(i) * slowest));
        }
      }
      stages_[stage].update(supply, gradients_of(stages_, stage));
    }
    if (coupled_) {
      // Nobody waits for ever in this: each pass uses only what passes before it proved.
      for (std::size_t stage = 1; stage < terms_.size(); ++stage) update_both(stage);
      for (std::size_t stage = terms_.size() - 1; stage-- > 0;) update_both(stage);
    }
    double bound = 0;
    for (const StageBound& stage : stages_) bound = std::max(bound, stage.end_ms());
    return bound;
  }

  double span_ms() {
    // Times since a stage's own F_0; the stage behind starts its own later than the way to it
    // takes, whenever that is.
    double bound = 0;
    for (std::size_t stage = terms_.size(); stage-- > 0;) {
      alone_[stage].update({}, gradients_of(alone_, stage));
      bound = std::max(bound, alone_[stage].end_ms() - starts_ms_[stage]);
    }
    return bound;
  }

 private:
  [[nodiscard]] std::vector<double> gradients_of(const std::vector<StageBound>& stages,
                                                 std::size_t stage) const {
    if (!coupled_ || stage + 1 == stages.size()) return {};
    return later(stages[stage + 1].input_ends(), terms_[stage + 1].send_back_ms);
  }
  void update_both(std::size_t stage) {
    std::vector<double> supply;
    if (stage > 0) {
      supply = later(stages_[stage - 1].forward_starts(),
                     terms_[stage - 1].forward_ms + terms_[stage - 1].send_ms);
    }
    stages_[stage].update(supply, gradients_of(stages_, stage));
  }

  std::vector<StageTerms> terms_;
  bool coupled_;
  std::vector<StageBound> stages_;  // since the step's start
  std::vector<StageBound> alone_;   // the same, where a stage starts does not count
  std::vector<double> starts_ms_;
};

Result<PipelineBound> pipeline_bound(const PipelineLimits& limits) {
  PLANARIA_TRY(terms,
               stage_terms(limits.micro_batches, limits.costs, limits.memory, limits.limit_bytes));
  for (StageTerms& stage : terms) {
    if (stage.weight_gradient_bytes <= stage.limit_bytes) continue;
    // What a W needs never fits: all backwards are fused, and gradients leave at their end.
    stage.input_ms += stage.weight_ms;
    stage.weight_ms = 0;
    stage.weight_gradient_bytes = 0;
  }
  if (limits.loads.empty()) {
    return PipelineBound(terms, std::vector<StageLoad>(terms.size(), {limits.micro_batches, 0}),
                         true);
  }
  if (limits.loads.size() != terms.size()) {
    return Fault::invalid_input(fmt::format("loads: of {} stages, must be of {}, as costs are",
                                            limits.loads.size(), terms.size()));
  }
  for (std::size_t stage = 0; stage < terms.size(); ++stage) {
    const StageLoad& load = limits.loads[stage];
    if (load.micro_batches < 1) {
      return Fault::invalid_input(fmt::format("loads[{}].micro_batches: {}, must be at least 1",
                                              stage, load.micro_batches));
    }
    if (load.in_flight_limit < 0) {
      return Fault::invalid_input(fmt::format("loads[{}].in_flight_limit: {}, must be at least 0",
                                              stage, load.in_flight_limit));
    }
  }
  return PipelineBound(terms, limits.loads, false);
}

}  // namespace

Result<double> makespan_bound_ms(const PipelineLimits& limits) {
  PLANARIA_TRY(bound, pipeline_bound(limits));
  return bound.makespan_ms();
}

double placed_bound_ms(const Schedule& shape, const std::vector<StageCosts>& costs) {
  std::vector<double> arrives_ms{0.0};  // [stage]: earliest
  double down_and_up_ms = 0;
  for (int stage = 0; stage < shape.stages(); ++stage) {
    const StageCosts& of = costs[static_cast<std::size_t>(stage)];
    // A hand-over within a rank is free: the middle of a v, and everything on one rank.
    const bool free =
        shape.depth() == 1 || (shape.placement == Placement::v && stage == shape.depth() - 1);
    const bool free_back =
        shape.depth() == 1 || (shape.placement == Placement::v && stage == shape.depth());
    arrives_ms.push_back(arrives_ms.back() + of.forward_ms + (free ? 0 : of.send_ms));
    down_and_up_ms += of.forward_ms + of.backward_input_ms;
    if (stage + 1 < shape.stages() && !free) down_and_up_ms += of.send_ms;
    if (stage > 0 && !free_back) down_and_up_ms += of.send_back_ms.value_or(of.send_ms);
  }
  double bound = down_and_up_ms;
  for (int rank = 0; rank < shape.depth(); ++rank) {
    double work_ms = 0;
    for (int chunk = 0; chunk < shape.chunks; ++chunk) {
      const StageCosts& of = costs[static_cast<std::size_t>(shape.stage_of(rank, chunk))];
      work_ms += of.forward_ms + of.backward_input_ms + of.backward_weight_ms;
    }
    bound = std::max(bound, arrives_ms[static_cast<std::size_t>(shape.stage_of(rank, 0))] +
                                (shape.micro_batches * work_ms));
  }
  return bound;
}

Result<double> span_bound_ms(const PipelineLimits& limits) {
  PLANARIA_TRY(bound, pipeline_bound(limits));
  return bound.span_ms();
}

}  // namespace planaria
