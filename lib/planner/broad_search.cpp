#include "planner/broad_search.hpp"

#include <algorithm>
#include <functional>
#include <limits>
#include <map>
#include <numeric>
#include <queue>
#include <utility>

#include <planaria/schedule/builders.hpp>

#include "planner/cover_search.hpp"
#include "planner/covers.hpp"
#include "planner/refine.hpp"
#include "planner/spread.hpp"
#include "planner/step_estimate.hpp"

namespace planaria {
namespace {

/// What is estimated to take more than so much of the best is not priced.
constexpr double estimate_slack = 1.03;
/// Actions simulated and layers reduced, after which no more shapes are priced.
constexpr std::int64_t effort_max = 700'000;
/// Of covers by several depths the first so many are priced, as long as they end within this factor
/// of the best.
constexpr std::size_t covers_most = 40;
constexpr double covers_slack = 1.0005;
/// To cut and share out, in the same unit.
constexpr std::int64_t effort_of_draft = 2000;

constexpr double infinity = std::numeric_limits<double>::infinity();

/// What is found of the plans of one schedule and width.
struct Family {
  std::optional<double> step_ms;
  int workers = 0;
  std::optional<double> untried_ms;    // the least estimate of what was not priced
  std::map<WorkerOrder, int> too_few;  // workers on which it does not fit
};

/// Pipelines in which `workers` are spread evenly.
struct EvenShape {
  std::string schedule;
  WorkerOrder order;
  int width = 1;
  int workers = 1;
  CutRule cut = CutRule::by_rounds;
  Family* family = nullptr;
  double estimate_ms = 0;
  bool tried = false;
};

class BroadSearch {
 public:
  BroadSearch(const SearchTools& tools, const SearchLimits& limits, double below_ms,
              std::vector<FamilyResult>& families)
      : tools_(tools),
        limits_(limits),
        families_(families),
        spreader_(tools, limits),
        estimate_(tools, limits, spreader_),
        best_ms_(below_ms) {}

  [[nodiscard]] std::optional<FoundPlan> best() {
    for (const std::string& schedule : limits_.schedules) {
      for (const WorkerOrder order : spreader_.orders()) add_shapes(schedule, order);
    }
    price_in_turn();
    bool refined = false;
    if (found_ && !limits_.width && !limits_.depth && spreader_.orders().size() == 1) {
      for (const std::string& schedule : limits_.schedules) {
        if (chunks_of(schedule) == 1) price_mixtures(schedule);
      }
      FoundPlan before = *found_;
      if (chunks_of(before.draft.schedule) == 1) price_covers(before.draft.schedule);
      // Covers have pipelines of more kinds, which small moves better less: what is best before
      // may be best after.
      if (found_->step_ms < before.step_ms) {
        refine(tools_, spreader_, before);
        refine(tools_, spreader_, *found_);
        if (before.step_ms < found_->step_ms) found_ = std::move(before);
        refined = true;
      }
    }
    if (found_ && !refined) refine(tools_, spreader_, *found_);
    tell_families();
    return std::move(found_);
  }

 private:
  [[nodiscard]] int workers() const { return tools_.terms.workers(); }
  [[nodiscard]] int layers() const { return tools_.terms.layers(); }

  void add_shapes(const std::string& schedule, WorkerOrder order) {
    const int depth_most = layers() / chunks_of(schedule);
    const int lanes = lanes_in(limits_.micro_batches, limits_.lane_sizes.front());
    const int width_least = limits_.width.value_or(limits_.width_least);
    const int width_most = std::min({limits_.width.value_or(workers()), workers(), lanes});
    for (int width = width_least; width <= width_most; ++width) {
      const int depth_first = limits_.depth.value_or(1);
      const int depth_last = std::min(limits_.depth.value_or(depth_most), workers() / width);
      for (int depth = depth_first; depth <= depth_last; ++depth) {
        if (depth > depth_most) break;
        add_shape({schedule, order, width, width * depth});
        // Cuts that know nothing of rounds are sometimes best, and cheap to try.
        const bool all = width == std::min(workers() / depth, width_most);
        if (!all || chunks_of(schedule) > 1) continue;
        if (layers() % depth == 0) {
          add_shape({schedule, order, width, width * depth, CutRule::equal_counts});
        }
        add_shape({schedule, order, width, width * depth, CutRule::by_template});
      }
      const int all = std::min(workers(), width * depth_most);
      if (limits_.depth || all % width == 0) continue;
      add_shape({schedule, order, width, all});
      if (chunks_of(schedule) == 1) {
        add_shape({schedule, order, width, all, CutRule::by_template});
      }
    }
  }

  void add_shape(EvenShape shape) {
    const int depth = (shape.workers + shape.width - 1) / shape.width;
    if (shape.schedule == "zb-h2" && limits_.micro_batches / shape.width < (2 * depth) - 1) return;
    shape.estimate_ms = estimate_.of_even(shape.schedule, shape.width, shape.workers);
    shape.family = &families_by_name_[{shape.schedule, shape.width}];
    if (shape.estimate_ms != infinity) shapes_.push_back(std::move(shape));
  }

  /// Prices the shape estimated to be fastest, then the next; first by estimate alone, then with
  /// its cuts by a better one.
  void price_in_turn() {
    using Waiting = std::pair<double, std::size_t>;  // estimate, shape
    std::priority_queue<Waiting, std::vector<Waiting>, std::greater<>> waiting;
    for (std::size_t i = 0; i < shapes_.size(); ++i) waiting.emplace(shapes_[i].estimate_ms, i);
    std::vector<std::optional<PlanDraft>> drafts(shapes_.size());
    while (!waiting.empty()) {
      const auto [estimate_ms, index] = waiting.top();
      waiting.pop();
      if (estimate_ms > estimate_slack * best_ms_) return;
      if (found_ && effort_ > effort_max) return;
      EvenShape& shape = shapes_[index];
      if (drafts[index]) {
        price(shape, *std::exchange(drafts[index], std::nullopt));
        continue;
      }
      // What does not fit on some workers does not on fewer.
      shape.tried = true;
      int& too_few = shape.family->too_few[shape.order];
      if (shape.workers <= too_few) continue;
      auto draft = draft_of(shape);
      if (!draft && shape.cut == CutRule::by_rounds) too_few = std::max(too_few, shape.workers);
      if (!draft) continue;
      waiting.emplace(estimate_.of(*draft), index);
      drafts[index] = std::move(draft);
    }
  }

  /// In the first lanes in which it fits; larger ones spare memory alone.
  std::optional<PlanDraft> draft_of(const EvenShape& shape) {
    const std::vector<int> depths = even_depths(shape.width, shape.workers);
    std::optional<PlanDraft> any;
    for (const int lane_size : limits_.lane_sizes) {
      if (lanes_in(limits_.micro_batches, lane_size) < shape.width) break;
      auto draft = spreader_.draft({shape.schedule, lane_size, depths, shape.order, shape.cut});
      effort_ += effort_of_draft + shape.workers;
      if (draft && !recomputes(*draft)) return draft;
      if (draft && (!any || estimate_.of(*draft) < estimate_.of(*any))) any = std::move(draft);
    }
    return any;
  }

  void price(const EvenShape& shape, PlanDraft draft) {
    const auto step_ms = price(std::move(draft));
    Family& family = *shape.family;
    if (!step_ms || (family.step_ms && *family.step_ms <= *step_ms)) return;
    family.step_ms = step_ms;
    family.workers = shape.workers;
  }

  static bool recomputes(const PlanDraft& draft) {
    return std::ranges::any_of(draft.pipelines, [](const PipelineDraft& pipeline) {
      return std::ranges::any_of(pipeline.stages, &StageDraft::recompute);
    });
  }

  std::optional<double> price(PlanDraft draft) {
    const std::int64_t actions = tools_.evaluator.actions();
    const auto step_ms = tools_.evaluator.step_ms(draft);
    effort_ += tools_.evaluator.actions() - actions +
               static_cast<std::int64_t>(draft.pipelines.size()) * layers();
    if (step_ms && *step_ms < best_ms_) {
      best_ms_ = *step_ms;
      found_ = FoundPlan{std::move(draft), *step_ms};
    }
    return step_ms;
  }

  void tell_families() {
    for (const EvenShape& shape : shapes_) {
      if (shape.tried) continue;
      auto& untried_ms = shape.family->untried_ms;
      untried_ms = std::min(untried_ms.value_or(infinity), shape.estimate_ms);
    }
    for (const auto& [key, family] : families_by_name_) {
      families_.push_back(
          {key.first, key.second, family.workers, family.step_ms, family.untried_ms});
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
      const auto depths = depths_for(schedule, middle, lanes);
      if (!depths) {
        low = middle;
        continue;
      }
      high = middle;
      if (static_cast<int>(depths->size()) >= limits_.width_least) {
        auto draft = spreader_.draft({schedule, lane_size, *depths, WorkerOrder::as_numbered});
        effort_ += effort_of_draft;
        if (draft && estimate_.of(*draft) <= estimate_slack * best_ms_) price(*std::move(draft));
      }
    }
  }

  /// Lanes that a pipeline of each of these depths takes by `step_ms`. The estimate is linear in
  /// the share: of a pipeline in a plan as wide as the best.
  [[nodiscard]] std::vector<int> capacities(const std::string& schedule, double step_ms,
                                            const Depths& depths) {
    const int lane_size = found_->draft.lane_size;
    const int lanes = lanes_in(limits_.micro_batches, lane_size);
    const int width = static_cast<int>(found_->draft.pipelines.size());
    std::vector<int> capacities;
    for (int depth = depths.least; depth <= depths.most; ++depth) {
      const double ahead_ms = estimate_.of_one(schedule, depth, 0, width);
      if (ahead_ms == infinity) {
        capacities.push_back(0);
        continue;
      }
      const double lane_ms = estimate_.of_one(schedule, depth, lane_size, width) - ahead_ms;
      const double fits = lane_ms > 0 ? (step_ms - ahead_ms) / lane_ms : lanes;
      int most = static_cast<int>(std::clamp<double>(fits, 0, lanes));
      if (schedule == "zb-h2" && most * lane_size < (2 * depth) - 1) most = 0;
      capacities.push_back(most);
    }
    return capacities;
  }

  [[nodiscard]] std::optional<std::vector<int>> depths_for(const std::string& schedule,
                                                           double step_ms, int lanes) {
    const int depth_most = std::min(layers(), workers());
    const std::vector<int> capacity = capacities(schedule, step_ms, {1, depth_most});
    std::vector<int> best(static_cast<std::size_t>(workers()) + 1, 0);
    std::vector<int> last(best.size(), 0);
    for (int used = 1; used <= workers(); ++used) {
      const auto at = static_cast<std::size_t>(used);
      best[at] = best[at - 1];
      for (int depth = 1; depth <= std::min(depth_most, used); ++depth) {
        const int together = best[at - static_cast<std::size_t>(depth)] +
                             capacity[static_cast<std::size_t>(depth) - 1];
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

  /// Covers of the workers by pipelines of depths around the best plan's, cut in two ways.
  void price_covers(const std::string& schedule) {
    const int lane_size = found_->draft.lane_size;
    const auto covers = promising_covers(tools_, limits_, spreader_, *found_);
    const std::int64_t effort_most = effort_ + effort_max;
    for (std::size_t i = 0; i < std::min(covers.size(), covers_most); ++i) {
      if (effort_ > effort_most || covers[i].end_ms > covers_slack * best_ms_) return;
      std::optional<PlanDraft> before;
      for (const CutRule cut : {CutRule::by_rounds, CutRule::by_template}) {
        auto draft =
            spreader_.draft({schedule, lane_size, covers[i].depths, WorkerOrder::as_numbered, cut});
        effort_ += effort_of_draft;
        if (!draft || draft == before) continue;
        price_cover(*draft);
        before = std::move(draft);
      }
    }
  }

  void price_cover(PlanDraft draft) {
    const double estimate_ms = estimate_.of(draft);
    if (estimate_ms > estimate_slack * best_ms_) return;
    const auto step_ms = price(draft);
    // Its pipelines wait for each other; with other shares perhaps less.
    if (!step_ms || estimate_ms >= best_ms_) return;
    FoundPlan levelled{std::move(draft), *step_ms};
    effort_ += level_kinds(tools_, spreader_, levelled);
    if (levelled.step_ms >= best_ms_) return;
    best_ms_ = levelled.step_ms;
    found_ = std::move(levelled);
  }

  const SearchTools& tools_;
  const SearchLimits& limits_;
  std::vector<FamilyResult>& families_;
  Spreader spreader_;
  StepEstimate estimate_;
  double best_ms_;
  std::optional<FoundPlan> found_;
  std::map<std::pair<std::string, int>, Family> families_by_name_;  // schedule, width
  std::vector<EvenShape> shapes_;
  std::int64_t effort_ = 0;
};

}  // namespace

std::optional<FoundPlan> broad_search(const SearchTools& tools, const SearchLimits& limits,
                                      double below_ms, std::vector<FamilyResult>& families) {
  return BroadSearch(tools, limits, below_ms, families).best();
}

}  // namespace planaria
