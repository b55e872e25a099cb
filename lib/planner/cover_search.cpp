#include "planner/cover_search.hpp"

#include <algorithm>
#include <cmath>
#include <cstdint>
#include <cstdlib>
#include <limits>
#include <set>
#include <utility>

#include "planner/covers.hpp"
#include "planner/lane_moves.hpp"
#include "planner/rounds.hpp"

namespace planaria {
namespace {

/// Covers are looked for that end between these factors of the best step.
constexpr double time_least = 0.85;
constexpr double time_most = 1.001;
/// Widths x workers x depths of all knapsacks together.
constexpr std::int64_t cells_max = 3'000'000;
/// The same of one of them, beyond which none are looked for.
constexpr std::int64_t cells_of_one_max = 600'000;
/// Knapsacks for one range of depths.
constexpr std::int64_t times_most = 24;

/// Actions simulated, after which no more depths are tried.
constexpr std::int64_t actions_max = 60'000;
/// After so many micro-batches for each stage, and so many more, a pipeline goes on as it will for
/// ever, about.
constexpr int settled_depths = 3;
constexpr int settled_more = 24;

/// Of a lane: what ends at this time to the last bit counts as well.
constexpr double rounding = 1e-6;

constexpr double infinity = std::numeric_limits<double>::infinity();

/// What a pipeline of some depth takes: so much, and so much for each lane.
struct Pace {
  double ahead_ms = infinity;
  double lane_ms = 0;
  [[nodiscard]] double end_ms(int lanes) const { return ahead_ms + (lanes * lane_ms); }
};

class CoverSearch {
 public:
  CoverSearch(const SearchTools& tools, const SearchLimits& limits, Spreader& spreader,
              const FoundPlan& best)
      : tools_(tools),
        limits_(limits),
        spreader_(spreader),
        best_(best),
        lanes_(lanes_in(limits.micro_batches, best.draft.lane_size)) {
    std::size_t stages = 0;
    for (const PipelineDraft& pipeline : best.draft.pipelines) stages += pipeline.stages.size();
    mean_ = static_cast<double>(stages) / static_cast<double>(best.draft.pipelines.size());
    around_ = {std::max(1, static_cast<int>(mean_ / 2)),
               std::min({tools.sums.layers(), workers(), static_cast<int>(3 * mean_)})};
  }

  [[nodiscard]] std::vector<Cover> run() {
    if (cells_of(around_) > cells_of_one_max) return {};
    find_paces();
    const std::vector<Depths> ranges = this->ranges();
    std::int64_t left = cells_max;
    for (std::size_t i = 0; i < ranges.size(); ++i) {
      left -= look(ranges[i], left / static_cast<std::int64_t>(ranges.size() - i));
    }
    std::ranges::stable_sort(found_, {}, [](const Cover& cover) {
      return std::pair(cover.end_ms, cover.depths.size());
    });
    std::vector<Cover> all;
    std::set<std::vector<int>> known;
    for (Cover& cover : found_) {
      if (known.insert(cover.depths).second) all.push_back(std::move(cover));
    }
    return all;
  }

 private:
  [[nodiscard]] int workers() const { return tools_.terms.workers(); }

  /// All depths; and apart those less than twice as deep as some, and those little deeper: of what
  /// takes equally many lanes the knapsack knows one cover, and the more alike pipelines are, the
  /// less they wait for each other.
  [[nodiscard]] std::vector<Depths> ranges() const {
    std::vector<Depths> ranges{around_};
    const int least_most = static_cast<int>(std::ceil(mean_));
    for (int least = std::max(2, around_.least); least <= least_most; ++least) {
      ranges.push_back({least, std::min((2 * least) - 1, around_.most)});
      const int near = least + (least / 4);
      if (near > least && near < ranges.back().most) ranges.push_back({least, near});
    }
    return ranges;
  }

  [[nodiscard]] int width_most(const Depths& depths) const {
    return std::min(workers() / depths.least, lanes_);
  }
  [[nodiscard]] std::int64_t cells_of(const Depths& depths) const {
    return std::int64_t{width_most(depths)} * workers() * depths.count();
  }

  /// From the best plan's own depth outwards, as long as effort is left.
  void find_paces() {
    paces_.resize(static_cast<std::size_t>(around_.count()));
    std::vector<int> nearest;
    for (int depth = around_.least; depth <= around_.most; ++depth) nearest.push_back(depth);
    std::ranges::stable_sort(nearest, {}, [&](int depth) { return std::abs(depth - mean_); });
    const std::int64_t before = tools_.evaluator.actions();
    for (const int depth : nearest) {
      if (tools_.evaluator.actions() - before > actions_max) return;
      paces_[static_cast<std::size_t>(depth - around_.least)] = pace_of(depth);
    }
  }

  /// By simulation, but for what many lanes settle to.
  [[nodiscard]] Pace pace_of(int depth) {
    const int lane_size = best_.draft.lane_size;
    PlanDraft draft{.schedule = best_.draft.schedule, .lane_size = lane_size};
    draft.pipelines.resize(best_.draft.pipelines.size());
    PipelineDraft pipeline;
    for (int worker = 0; worker < depth; ++worker) pipeline.stages.push_back({0, 0, worker, false});
    const int share = std::max(1, lanes_ * depth / workers());
    pipeline.micro_batches = share * lane_size;
    if (!spreader_.cut_anew(draft, pipeline)) return {};
    const Pace by_rounds = simulated_pace(draft, pipeline);
    // Where many follow each other, fill and drain count little, for which templates are cut.
    if (share > settled(depth) || !spreader_.cut_alike(CutRule::by_template, pipeline)) {
      return by_rounds;
    }
    const Pace by_template = simulated_pace(draft, pipeline);
    return by_template.end_ms(share) < by_rounds.end_ms(share) ? by_template : by_rounds;
  }

  /// Lanes after which a pipeline goes on as it will for ever, about.
  [[nodiscard]] int settled(int depth) const {
    return lanes_in((settled_depths * depth) + settled_more, best_.draft.lane_size);
  }

  [[nodiscard]] Pace simulated_pace(const PlanDraft& draft, PipelineDraft pipeline) const {
    const int lane_size = draft.lane_size;
    const int settled = this->settled(static_cast<int>(pipeline.stages.size()));
    const int share = pipeline.micro_batches / lane_size;
    if (share > settled) {
      pipeline.micro_batches = settled * lane_size;
      const Round round =
          longest_round(tools_.terms, tools_.sums, round_rule(draft.schedule), pipeline.stages);
      const double lane_ms = round.period_ms * lane_size;
      return {own_end_ms(tools_, draft, std::move(pipeline)) - (settled * lane_ms), lane_ms};
    }
    const double end_ms = own_end_ms(tools_, draft, pipeline);
    pipeline.micro_batches += lane_size;
    const double more_ms = own_end_ms(tools_, draft, std::move(pipeline));
    if (more_ms == infinity) return {};
    return {end_ms - (share * (more_ms - end_ms)), more_ms - end_ms};
  }

  [[nodiscard]] const Pace& pace(int depth) const {
    return paces_[static_cast<std::size_t>(depth - around_.least)];
  }

  [[nodiscard]] int capacity(int depth, double end_ms) const {
    const auto& [ahead_ms, lane_ms] = pace(depth);
    if (ahead_ms == infinity) return 0;
    const double fits = lane_ms > 0 ? ((end_ms - ahead_ms) / lane_ms) + rounding : lanes_;
    const int most = static_cast<int>(std::clamp<double>(fits, 0, lanes_));
    const bool too_few =
        best_.draft.schedule == "zb-h2" && most * best_.draft.lane_size < (2 * depth) - 1;
    return too_few ? 0 : most;
  }

  /// The times between which nothing changes.
  [[nodiscard]] std::vector<double> times(const Depths& depths) const {
    const double least_ms = best_.step_ms * time_least;
    const double most_ms = best_.step_ms * time_most;
    std::vector<double> times;
    for (int depth = depths.least; depth <= depths.most; ++depth) {
      const auto& [ahead_ms, lane_ms] = pace(depth);
      if (ahead_ms == infinity || lane_ms <= 0) continue;
      const double fewest = std::ceil((least_ms - ahead_ms) / lane_ms);
      const int first = static_cast<int>(std::clamp<double>(fewest, 1, lanes_));
      for (int lanes = first; lanes <= lanes_; ++lanes) {
        const double end_ms = ahead_ms + (lanes * lane_ms);
        if (end_ms > most_ms) break;
        times.push_back(end_ms);
      }
    }
    std::ranges::sort(times);
    return times;
  }

  [[nodiscard]] Covers covers_by(const Depths& depths, double end_ms) const {
    std::vector<int> capacities;
    for (int depth = depths.least; depth <= depths.most; ++depth) {
      capacities.push_back(capacity(depth, end_ms));
    }
    return {depths, std::move(capacities), workers(), width_most(depths)};
  }

  /// Adds for every width the cover that is done first, as far as the cells allow: from the first
  /// time by which any width takes all lanes. Returns the cells spent.
  std::int64_t look(const Depths& depths, std::int64_t cells_most) {
    const int width_most = this->width_most(depths);
    const std::int64_t cells = cells_of(depths);
    const std::vector<double> times = this->times(depths);
    const std::int64_t allowed =
        std::min(times_most, cells_most / std::max<std::int64_t>(1, cells));
    std::int64_t left = allowed;
    std::size_t none_till = 0;
    std::size_t some_from = times.size();
    while (none_till < some_from && left > 1) {
      const std::size_t middle = none_till + ((some_from - none_till) / 2);
      const Covers covers = covers_by(depths, times[middle]);
      --left;
      bool any = false;
      for (int width = limits_.width_least; width <= width_most; ++width) {
        any = any || covers.lanes(width) >= lanes_;
      }
      (any ? some_from : none_till) = any ? middle : middle + 1;
    }
    std::vector<bool> covered(static_cast<std::size_t>(width_most) + 1, false);
    for (std::size_t i = some_from; i < times.size() && left > 0; ++i, --left) {
      const Covers covers = covers_by(depths, times[i]);
      for (int width = limits_.width_least; width <= width_most; ++width) {
        const auto index = static_cast<std::size_t>(width);
        if (covered[index] || covers.lanes(width) < lanes_) continue;
        covered[index] = true;
        found_.push_back({covers.depths(width), times[i]});
      }
    }
    return (allowed - left) * cells;
  }

  const SearchTools& tools_;
  const SearchLimits& limits_;
  Spreader& spreader_;
  const FoundPlan& best_;
  int lanes_;
  double mean_ = 1;
  Depths around_;
  std::vector<Pace> paces_;  // [depth - around_.least]
  std::vector<Cover> found_;
};

}  // namespace

std::vector<Cover> promising_covers(const SearchTools& tools, const SearchLimits& limits,
                                    Spreader& spreader, const FoundPlan& best) {
  return CoverSearch(tools, limits, spreader, best).run();
}

}  // namespace planaria
