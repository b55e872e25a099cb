#include "planner/broad_search.hpp"

#include <algorithm>
#include <functional>
#include <limits>
#include <numeric>
#include <tuple>
#include <utility>

#include <planaria/schedule/builders.hpp>

#include "planner/refine.hpp"
#include "planner/spread.hpp"

namespace planaria {
namespace {

/// What is estimated to take more than so much of the best is not priced.
constexpr double estimate_slack = 1.1;
/// Actions simulated and layers reduced, after which no more shapes are priced.
constexpr std::int64_t effort_max = 1'000'000;

/// Pipelines in which `workers` are spread evenly.
struct EvenShape {
  std::string schedule;
  WorkerOrder order;
  int width = 1;
  int workers = 1;
  double estimate_ms = 0;
};

std::vector<int> even_depths(int width, int workers) {
  std::vector<int> depths;
  for (int i = 0; i < width; ++i) depths.push_back((workers + width - 1 - i) / width);
  return depths;
}

class BroadSearch {
 public:
  BroadSearch(const SearchTools& tools, const SearchLimits& limits, double below_ms,
              std::vector<FamilyResult>& families)
      : tools_(tools),
        limits_(limits),
        families_(families),
        spreader_(tools, limits),
        best_ms_(below_ms) {
    for (int index = 0; index < workers(); ++index) {
      speeds_.push_back(tools.terms.worker(index).speed);
    }
    std::ranges::sort(speeds_, std::greater<>());
    for (const double speed : speeds_) speed_sums_.push_back(speed_sums_.back() + speed);
  }

  [[nodiscard]] std::optional<FoundPlan> best() {
    std::vector<EvenShape> shapes;
    for (const std::string& schedule : limits_.schedules) {
      for (const WorkerOrder order : spreader_.orders()) add_shapes(schedule, order, shapes);
    }
    std::ranges::stable_sort(shapes, {}, &EvenShape::estimate_ms);
    for (const EvenShape& shape : shapes) {
      if (shape.estimate_ms > estimate_slack * best_ms_) break;
      if (found_ && effort_ > effort_max) break;
      price(shape);
    }
    if (found_ && !limits_.width && !limits_.depth && spreader_.orders().size() == 1) {
      for (const std::string& schedule : limits_.schedules) {
        if (chunks_of(schedule) == 1) price_mixtures(schedule);
      }
    }
    if (found_) refine(tools_, spreader_, *found_);
    return std::move(found_);
  }

 private:
  [[nodiscard]] int workers() const { return tools_.terms.workers(); }
  [[nodiscard]] int layers() const { return tools_.terms.layers(); }

  void add_shapes(const std::string& schedule, WorkerOrder order, std::vector<EvenShape>& shapes) {
    const int depth_most = layers() / chunks_of(schedule);
    const int lanes = lanes_in(limits_.micro_batches, limits_.lane_sizes.front());
    const int width_least = limits_.width.value_or(limits_.width_least);
    const int width_most = std::min({limits_.width.value_or(workers()), workers(), lanes});
    for (int width = width_least; width <= width_most; ++width) {
      const int depth_first = limits_.depth.value_or(1);
      const int depth_last = std::min(limits_.depth.value_or(depth_most), workers() / width);
      for (int depth = depth_first; depth <= depth_last; ++depth) {
        if (depth > depth_most) break;
        add_shape({schedule, order, width, width * depth}, shapes);
      }
      const int all = std::min(workers(), width * depth_most);
      if (!limits_.depth && all % width != 0) add_shape({schedule, order, width, all}, shapes);
    }
  }

  void add_shape(EvenShape shape, std::vector<EvenShape>& shapes) {
    const int depth = (shape.workers + shape.width - 1) / shape.width;
    if (shape.schedule == "zb-h2" && limits_.micro_batches / shape.width < (2 * depth) - 1) return;
    shape.estimate_ms = estimate(shape.schedule, shape.width, shape.workers);
    shapes.push_back(std::move(shape));
  }

  /// About what a step takes: the mean pipeline's steady phase, its fill and drain, and what comes
  /// after.
  [[nodiscard]] double estimate(const std::string& schedule, int width, int used) {
    const double speed = speed_sums_[static_cast<std::size_t>(used)] / used;
    const double depth = static_cast<double>(used) / width;
    const int whole_depth = std::max(1, used / width);
    const int share = (limits_.micro_batches + width - 1) / width;
    const LayerSums& sums = tools_.sums;
    const double forward_ms = sums.forward_ms(0, layers()) / depth / speed;
    double stage_ms = sums.compute_ms(0, layers()) / depth / speed;
    if (limits_.recompute == Recompute::always) stage_ms += forward_ms;
    double steady_ms = stage_ms;
    if (used % width == 0 && chunks_of(schedule) == 1) {
      steady_ms = std::max(steady_ms, spreader_.bottleneck_ms(whole_depth) / speed);
    }
    double fill_ms = stage_ms;
    if (schedule.starts_with("zb") || schedule.starts_with("v-")) fill_ms = forward_ms;
    const double after_ms =
        (sums.optimizer_ms(0, layers()) / depth / speed) +
        (reduction_transfers(width) * sums.transfer_ms(0, layers()) / depth);
    return (share * steady_ms) + ((depth - 1) * (fill_ms + sums.least_send_ms())) + after_ms;
  }

  void price(const EvenShape& shape) {
    const std::vector<int> depths = even_depths(shape.width, shape.workers);
    std::optional<double> best_ms;
    for (const int lane_size : limits_.lane_sizes) {
      if (lanes_in(limits_.micro_batches, lane_size) < shape.width) break;
      const auto priced = price({shape.schedule, lane_size, depths, shape.order});
      if (priced && (!best_ms || priced->step_ms < *best_ms)) best_ms = priced->step_ms;
      // Larger lanes spare memory alone.
      if (priced && !recomputes(priced->draft)) break;
    }
    tell(shape.schedule, shape.width, shape.workers, best_ms);
  }

  static bool recomputes(const PlanDraft& draft) {
    return std::ranges::any_of(draft.pipelines, [](const PipelineDraft& pipeline) {
      return std::ranges::any_of(pipeline.stages, &StageDraft::recompute);
    });
  }

  std::optional<FoundPlan> price(const Spreader::Shape& shape) {
    auto draft = spreader_.draft(shape);
    if (!draft) return std::nullopt;
    const std::int64_t actions = tools_.evaluator.actions();
    const auto step_ms = tools_.evaluator.step_ms(*draft);
    effort_ += tools_.evaluator.actions() - actions +
               static_cast<std::int64_t>(shape.depths.size()) * layers();
    if (!step_ms) return std::nullopt;
    if (*step_ms < best_ms_) {
      best_ms_ = *step_ms;
      found_ = FoundPlan{*draft, *step_ms};
    }
    return FoundPlan{*std::move(draft), *step_ms};
  }

  void tell(const std::string& schedule, int width, int workers, std::optional<double> step_ms) {
    const auto known = std::ranges::find_if(families_, [&](const FamilyResult& family) {
      return family.schedule == schedule && family.width == width;
    });
    if (known == families_.end()) {
      families_.push_back({schedule, width, workers, step_ms});
    } else if (step_ms && (!known->step_ms || *step_ms < *known->step_ms)) {
      *known = {schedule, width, workers, step_ms};
    }
  }

  /// Pipelines of any depths together, for workers that are alike: for a time, the most lanes that
  /// pipelines of each depth can take (about), and of these the multiset that takes most.
  void price_mixtures(const std::string& schedule) {
    const int lane_size = found_->draft.lane_size;
    const int lanes = lanes_in(limits_.micro_batches, lane_size);
    double high = best_ms_;
    double low = best_ms_ / 2;
    for (int round = 0; round < 12; ++round) {
      const double middle = (low + high) / 2;
      const auto depths = depths_for(schedule, lane_size, middle, lanes);
      if (!depths) {
        low = middle;
        continue;
      }
      high = middle;
      if (static_cast<int>(depths->size()) >= limits_.width_least) {
        price(Spreader::Shape{schedule, lane_size, *depths, WorkerOrder::as_numbered});
      }
    }
  }

  [[nodiscard]] std::optional<std::vector<int>> depths_for(const std::string& schedule,
                                                           int lane_size, double step_ms,
                                                           int lanes) {
    const int depth_most = std::min(layers(), workers());
    const int width = static_cast<int>(found_->draft.pipelines.size());
    std::vector<int> capacity{0};
    for (int depth = 1; depth <= depth_most; ++depth) {
      // The estimate is linear in the share: a pipeline of this depth in so wide a plan.
      const double ahead_ms = estimate_one(schedule, depth, 0, width);
      const double lane_ms = estimate_one(schedule, depth, lane_size, width) - ahead_ms;
      const double fits = lane_ms > 0 ? (step_ms - ahead_ms) / lane_ms : lanes;
      int most = static_cast<int>(std::clamp<double>(fits, 0, lanes));
      if (schedule == "zb-h2" && most * lane_size < (2 * depth) - 1) most = 0;
      capacity.push_back(most);
    }
    std::vector<int> best(static_cast<std::size_t>(workers()) + 1, 0);
    std::vector<int> last(best.size(), 0);
    for (int used = 1; used <= workers(); ++used) {
      const auto at = static_cast<std::size_t>(used);
      best[at] = best[at - 1];
      for (int depth = 1; depth <= std::min(depth_most, used); ++depth) {
        const int together = best[at - static_cast<std::size_t>(depth)] +
                             capacity[static_cast<std::size_t>(depth)];
        if (together > best[at]) {
          best[at] = together;
          last[at] = depth;
        }
      }
    }
    if (best.back() < lanes) return std::nullopt;
    std::vector<int> depths;
    for (int used = workers(); used > 0;) {
      const int depth = last[static_cast<std::size_t>(used)];
      if (depth > 0) depths.push_back(depth);
      used -= std::max(depth, 1);
    }
    std::ranges::sort(depths, std::greater<>());
    if (static_cast<int>(depths.size()) > lanes) return std::nullopt;
    return depths;
  }

  [[nodiscard]] double estimate_one(const std::string& schedule, int depth, int micro_batches,
                                    int width) {
    const double speed = speeds_.front();
    const LayerSums& sums = tools_.sums;
    const double forward_ms = sums.forward_ms(0, layers()) / depth / speed;
    double stage_ms = spreader_.bottleneck_ms(depth) / speed;
    if (limits_.recompute == Recompute::always) stage_ms += forward_ms;
    const double fill_ms = schedule.starts_with("zb") ? forward_ms : stage_ms;
    const double after_ms =
        (sums.optimizer_ms(0, layers()) / depth / speed) +
        (reduction_transfers(width) * sums.transfer_ms(0, layers()) / depth);
    return (micro_batches * stage_ms) + ((depth - 1) * (fill_ms + sums.least_send_ms())) +
           after_ms;
  }

  const SearchTools& tools_;
  const SearchLimits& limits_;
  std::vector<FamilyResult>& families_;
  Spreader spreader_;
  std::vector<double> speeds_;         // the fastest first
  std::vector<double> speed_sums_{0};  // of the fastest so many
  double best_ms_;
  std::optional<FoundPlan> found_;
  std::int64_t effort_ = 0;
};

}  // namespace

std::optional<FoundPlan> broad_search(const SearchTools& tools, const SearchLimits& limits,
                                      double below_ms, std::vector<FamilyResult>& families) {
  return BroadSearch(tools, limits, below_ms, families).best();
}

}  // namespace planaria
