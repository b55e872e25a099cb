#include "planner/plan_bound.hpp"

#include <algorithm>
#include <utility>
#include <vector>

#include <planaria/schedule/builders.hpp>

namespace planaria {
namespace {

/// The bound is searched for to this share of itself.
constexpr double precision = 1e-3;
/// What is within this share of each other is equal.
constexpr double rounding = 1e-12;
/// Widths up to this are counted in the knapsack.
constexpr int counted_width_max = 3;

class PlanBound {
 public:
  PlanBound(const SearchTools& tools, const SearchLimits& limits)
      : sums_(tools.sums),
        limits_(limits),
        workers_(tools.terms.workers()),
        depth_most_(std::min(tools.terms.layers(), workers_)),
        fused_(std::ranges::all_of(
            limits.schedules,
            [](const std::string& schedule) { return schedule == "gpipe" || schedule == "1f1b"; })),
        in_chunks_(std::ranges::any_of(limits.schedules, [](const std::string& schedule) {
          return chunks_of(schedule) > 1;
        })) {
    slowest_ = tools.terms.worker(0).speed;
    std::int64_t memory_most = 0;
    for (int index = 0; index < workers_; ++index) {
      const WorkerTerms& worker = tools.terms.worker(index);
      speed_ += worker.speed;
      fastest_ = std::max(fastest_, worker.speed);
      slowest_ = std::min(slowest_, worker.speed);
      memory_most = std::max(memory_most, worker.memory_bytes);
    }
    const int layers = sums_.layers();
    const std::int64_t model = sums_.state_bytes(0, layers) + sums_.gradient_bytes(0, layers);
    while (depth_least_ < depth_most_ && depth_least_ * memory_most < model) ++depth_least_;
  }

  [[nodiscard]] double bound_ms(double step_ms) {
    double least_ms = step_ms;
    const int width_least = std::max(limits_.width.value_or(limits_.width_least), 1);
    const int width_most = limits_.width.value_or(workers_);
    for (int width = width_least; width <= std::min(width_most, workers_);) {
      const int next = width == 1 ? 2 : width * 2;
      const int last = std::min({next - 1, width_most, workers_});
      least_ms = std::min(least_ms, bound_ms(width, last, least_ms));
      width = next;
    }
    return least_ms;
  }

 private:
  [[nodiscard]] double work_ms(int width) const {
    const int layers = sums_.layers();
    const double each_ms = sums_.optimizer_ms(0, layers) +
                           (slowest_ * reduction_transfers(width) * sums_.transfer_ms(0, layers));
    return ((limits_.micro_batches * micro_batch_ms(0, layers)) + (width * each_ms)) / speed_;
  }

  /// At speed 1.
  [[nodiscard]] double micro_batch_ms(int first, int end) const {
    const double compute_ms = sums_.compute_ms(first, end);
    if (limits_.recompute != Recompute::always) return compute_ms;
    return compute_ms + sums_.forward_ms(first, end);
  }

  /// For plans of `first` to `last` pipelines; `known_ms` where it is not less.
  [[nodiscard]] double bound_ms(int first, int last, double known_ms) {
    transfers_ = reduction_transfers(first);
    double low = work_ms(first);
    if (low >= known_ms * (1 - rounding)) return known_ms;
    // Chunks may balance what no cut into one part a worker does.
    if (in_chunks_) return low;
    if (!enough(known_ms * (1 - rounding), last)) return known_ms;
    double high = known_ms;
    while (high - low > precision * high) {
      const double middle = (low + high) / 2;
      if (middle <= low || middle >= high) break;  // of numbers so small there is none between
      (enough(middle, last) ? high : low) = middle;
    }
    return low;
  }

  /// Whether at most `width` pipelines may take all micro-batches in that time.
  [[nodiscard]] bool enough(double step_ms, int width) {
    std::vector<std::pair<int, int>> items;  // depth, capacity; deeper ones take more
    for (int depth = depth_least_; depth <= depth_most_; ++depth) {
      if (limits_.depth && depth != *limits_.depth) continue;
      const int known = items.empty() ? 0 : items.back().second;
      const int capacity = capacity_of(depth, step_ms, known);
      if (capacity > known) items.emplace_back(depth, capacity);
    }
    const bool counted = width <= counted_width_max;
    const int rounds = counted ? width : 1;
    std::vector<int> before(static_cast<std::size_t>(workers_) + 1, 0);
    std::vector<int> best = before;
    for (int round = 0; round < rounds; ++round) {
      for (int used = 1; used <= workers_; ++used) {
        const auto at = static_cast<std::size_t>(used);
        best[at] = std::max(best[at], best[at - 1]);
        for (const auto& [depth, capacity] : items) {
          if (depth > used) break;
          const auto left = at - static_cast<std::size_t>(depth);
          // Uncounted: any number of pipelines, in one round.
          const int others = counted ? before[left] : best[left];
          best[at] = std::max(best[at], others + capacity);
        }
        best[at] = std::min(best[at], limits_.micro_batches);
      }
      before = best;
    }
    return best.back() >= limits_.micro_batches;
  }

  /// The most micro-batches that a pipeline of the fastest workers takes, where more than `taken`.
  [[nodiscard]] int capacity_of(int depth, double step_ms, int taken) const {
    const double all_ms = micro_batch_ms(0, sums_.layers());
    int refused = limits_.micro_batches + 1;
    if (all_ms > 0) {  // its workers have no more time than this together
      refused = static_cast<int>(
          std::min<double>(refused, (step_ms * depth * fastest_ / all_ms * (1 + 1e-9)) + 1));
    }
    // One more stage makes little difference: by doubling, then halving.
    int step = 1;
    while (taken + step < refused && fits(depth, taken + step, step_ms)) {
      taken += step;
      step *= 2;
    }
    refused = std::min(refused, taken + step);
    while (refused - taken > 1) {
      const int middle = taken + ((refused - taken) / 2);
      (fits(depth, middle, step_ms) ? taken : refused) = middle;
    }
    return taken;
  }

  /// Whether every stage can end in time: each takes as many layers as it can, since to begin later
  /// spares more of its work than it costs in waiting.
  [[nodiscard]] bool fits(int depth, int micro_batches, double step_ms) const {
    const double limit_ms = step_ms * (1 + 1e-9);  // rounding must not make it a false bound
    int first = 0;
    for (int stage = 0; stage < depth && first < sums_.layers(); ++stage) {
      int end = first;
      while (end < sums_.layers() && ends_ms(stage, first, end + 1, micro_batches) <= limit_ms) {
        ++end;
      }
      if (end == first) return false;
      first = end;
    }
    return first == sums_.layers();
  }

  [[nodiscard]] double ends_ms(int stage, int first, int end, int micro_batches) const {
    const double sends_ms = stage * sums_.least_send_ms();
    const double fill_ms = (sums_.forward_ms(0, first) / fastest_) + sends_ms;
    const double steady_ms = micro_batches * micro_batch_ms(first, end) / fastest_;
    const double alone_ms = fill_ms + steady_ms + (sums_.optimizer_ms(first, end) / fastest_) +
                            (transfers_ * sums_.transfer_ms(first, end));
    if (!fused_) return alone_ms;
    const double up_ms = micro_batch_ms(0, first) / fastest_;  // and the first one down
    return std::max(alone_ms, up_ms + (2 * sends_ms) + steady_ms);
  }

  const LayerSums& sums_;
  const SearchLimits& limits_;
  int workers_;
  int depth_least_ = 1;
  int depth_most_;
  bool fused_;
  bool in_chunks_;
  double speed_ = 0;
  double fastest_ = 0;
  double slowest_ = 0;
  double transfers_ = 0;
};

}  // namespace

double plan_bound_ms(const SearchTools& tools, const SearchLimits& limits, double step_ms) {
  return PlanBound(tools, limits).bound_ms(step_ms);
}

}  // namespace planaria
