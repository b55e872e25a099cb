#include "planner/partition.hpp"

#include <algorithm>
#include <limits>
#include <utility>

#include <planaria/base/check.hpp>
#include <planaria/model/lanes.hpp>

namespace planaria {
namespace {

constexpr double infinity = std::numeric_limits<double>::infinity();
/// Every step is shorter; finite, for differences from it.
constexpr double no_limit = std::numeric_limits<double>::max();
/// The least is found to this share of itself.
constexpr double precision = 1e-5;

class Partition {
 public:
  Partition(const CostTerms& terms, const LayerSums& sums, const PartitionRequest& request)
      : terms_(terms),
        sums_(sums),
        request_(request),
        stages_(static_cast<int>(request.workers.size())),
        partial_sums_(LaneTree::partial_sums_max(request.lanes)) {
    for (int stage = 0; stage < stages_; ++stage) speed_ += speed_of(stage);
  }

  [[nodiscard]] std::optional<std::vector<StageDraft>> best() {
    if (stages_ > sums_.layers() || !cover(no_limit)) return std::nullopt;
    double high = longest();
    std::vector<StageDraft> best = drafts_;
    double low = least();
    while (high - low > precision * high) {
      const double middle = low + ((high - low) / 2);
      if (middle <= low || middle >= high) break;  // of numbers so small there is none between
      if (cover(middle)) {
        high = std::min(middle, longest());
        best = drafts_;
      } else {
        low = middle;
      }
    }
    return best;
  }

 private:
  [[nodiscard]] int worker_of(int stage) const {
    return request_.workers[static_cast<std::size_t>(stage)];
  }
  [[nodiscard]] double speed_of(int stage) const { return terms_.worker(worker_of(stage)).speed; }
  [[nodiscard]] std::int64_t memory_of(int stage) const {
    return request_.memory_bytes[static_cast<std::size_t>(stage)];
  }

  [[nodiscard]] double least() const {
    const double work = (request_.micro_batches * sums_.compute_ms(0, sums_.layers())) +
                        sums_.optimizer_ms(0, sums_.layers());
    return work / speed_;
  }

  /// All micro-batches at stage `stage` with layers [first, end), and what comes after.
  [[nodiscard]] RoundStage cost(int stage, int first, int end, bool recompute) const {
    const double speed = speed_of(stage);
    double micro_batch_ms = sums_.compute_ms(first, end);
    if (recompute) micro_batch_ms += sums_.forward_ms(first, end);
    RoundStage cost;
    if (!request_.rounds.fused) {
      const double weight_ms = sums_.backward_weight_ms(first, end);
      micro_batch_ms -= weight_ms;
      cost.beside_ms = request_.micro_batches * weight_ms / speed;
    }
    cost.on_way_ms =
        (((request_.micro_batches * micro_batch_ms) + sums_.optimizer_ms(first, end)) / speed) +
        (request_.reductions * sums_.transfer_ms(first, end));
    cost.link_ms = request_.micro_batches * 2 * sums_.least_send_ms(end);
    return cost;
  }

  /// What the rounds that end at the stage take above `limit` for each of theirs, at most, given
  /// that of the stage before.
  [[nodiscard]] double above(const RoundStage& cost, double limit, double before) const {
    const double gone_on = before - ((request_.rounds.per_stage - 1) * limit);
    return std::max(cost.beside_ms, gone_on) + cost.on_way_ms - limit;
  }

  [[nodiscard]] bool fits(int stage, int first, int end, bool recompute) const {
    const HeldMost& held = (*request_.held)[static_cast<std::size_t>(stage)];
    return peak_bytes_of(sums_, first, end, recompute, held, partial_sums_) <= memory_of(stage);
  }

  [[nodiscard]] bool takes_in_time(int stage, int first, int end, double limit,
                                   bool recompute) const {
    return above(cost(stage, first, end, recompute), limit, above_) <= 0;
  }

  /// Returns the end of the most layers from `first` on that the stage takes within `limit`, or
  /// `first` where it takes none. Costs and, but for cuts, memory grow with the layers. By
  /// doubling, then halving: stages are short where they are many.
  [[nodiscard]] int reach(int stage, int first, int most, double limit, bool recompute) const {
    const auto takes = [&](int end) {
      return takes_in_time(stage, first, end, limit, recompute) &&
             fits(stage, first, end, recompute);
    };
    int taken = first;
    int step = 1;
    while (taken + step <= most && takes(taken + step)) {
      taken += step;
      step *= 2;
    }
    int refused = std::min(taken + step, most + 1);
    while (refused - taken > 1) {
      const int end = taken + ((refused - taken) / 2);
      (takes(end) ? taken : refused) = end;
    }
    return taken;
  }

  /// Gives every stage in turn as many layers as `limit` allows. Taking more now is never worse
  /// later: what a round is longer by here, it would be by there, between workers of one speed.
  bool cover(double limit) {
    drafts_.clear();
    above_ = -infinity;
    int first = 0;
    for (int stage = 0; stage < stages_; ++stage) {
      const int most = sums_.layers() - (stages_ - 1 - stage);
      int end = first;
      bool recompute = request_.recompute == Recompute::always;
      if (!recompute) end = reach(stage, first, most, limit, false);
      // Who recomputes takes longer: it spares nothing but memory.
      const bool in_time = end < most && takes_in_time(stage, first, end + 1, limit, false);
      if (recompute || (request_.recompute == Recompute::any && in_time)) {
        const int other = reach(stage, first, most, limit, true);
        if (other > end) {
          recompute = true;
          end = other;
        }
      }
      if (end == first) return false;
      if (request_.rounds.bind) {
        const RoundStage here = cost(stage, first, end, recompute);
        above_ = above(here, limit, above_) + here.link_ms;
      }
      drafts_.push_back({first, end - 1, worker_of(stage), recompute});
      first = end;
    }
    return first == sums_.layers();
  }

  [[nodiscard]] double longest() const {
    std::vector<RoundStage> stages;
    for (int stage = 0; stage < stages_; ++stage) {
      const StageDraft& draft = drafts_[static_cast<std::size_t>(stage)];
      stages.push_back(cost(stage, draft.first, draft.last + 1, draft.recompute));
    }
    return longest_round(request_.rounds, stages).period_ms;
  }

  const CostTerms& terms_;
  const LayerSums& sums_;
  const PartitionRequest& request_;
  int stages_;
  int partial_sums_;
  double speed_ = 0;
  double above_ = 0;                // of cover(): rounds that may go on, with the link to the next
  std::vector<StageDraft> drafts_;  // of the last cover()
};

}  // namespace

std::optional<std::vector<StageDraft>> balanced_partition(const CostTerms& terms,
                                                          const LayerSums& sums,
                                                          const PartitionRequest& request) {
  check(!request.workers.empty(), "a pipeline has a stage");
  return Partition(terms, sums, request).best();
}

}  // namespace planaria
