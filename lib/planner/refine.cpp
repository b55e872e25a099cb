#include "planner/refine.hpp"

#include <algorithm>
#include <map>
#include <utility>

#include "planner/lane_moves.hpp"

namespace planaria {
namespace {

/// Actions simulated and layers reduced, after which no more moves are tried.
constexpr std::int64_t effort_max = 200'000;
/// Moves that gain less of the step are rounding.
constexpr double gain_least = 1e-12;

class Refinement {
 public:
  Refinement(const SearchTools& tools, Spreader& spreader, FoundPlan& found)
      : tools_(tools), spreader_(spreader), found_(found) {}

  /// Returns the effort.
  std::int64_t move_lanes_only() {
    move_lanes_between_kinds();
    return effort_;
  }

  void run() {
    for (bool better = true; better && effort_left();) {
      better = move_lanes();
      better = move_cuts() || better;
      better = swap_workers() || better;
    }
  }

 private:
  [[nodiscard]] bool effort_left() const { return effort_ < effort_max; }

  bool take_if_better(PlanDraft draft) {
    const std::int64_t actions = tools_.evaluator.actions();
    const auto step_ms = tools_.evaluator.step_ms(draft);
    effort_ += tools_.evaluator.actions() - actions +
               static_cast<std::int64_t>(draft.pipelines.size()) * tools_.terms.layers();
    if (!step_ms || *step_ms >= found_.step_ms * (1 - gain_least)) return false;
    found_ = {std::move(draft), *step_ms};
    return true;
  }

  using Cuts = std::vector<int>;
  static Cuts cuts_of(const PipelineDraft& pipeline) {
    Cuts cuts;
    for (const StageDraft& stage : pipeline.stages) cuts.push_back(stage.last);
    return cuts;
  }

  /// Moves one cut of all pipelines that are cut alike, and of one of these alone.
  bool move_cuts() {
    std::map<Cuts, std::vector<std::size_t>> alike;
    for (std::size_t i = 0; i < found_.draft.pipelines.size(); ++i) {
      alike[cuts_of(found_.draft.pipelines[i])].push_back(i);
    }
    bool any = false;
    for (const auto& [cuts, pipelines] : alike) {
      any = move_cuts_of(pipelines) || any;
      if (pipelines.size() == 1 || pipelines.size() > most_alone) continue;
      for (const std::size_t pipeline : pipelines) any = move_cuts_of({pipeline}) || any;
    }
    return any;
  }

  bool move_cuts_of(const std::vector<std::size_t>& pipelines) {
    bool any = false;
    const std::size_t stages = found_.draft.pipelines[pipelines.front()].stages.size();
    for (std::size_t cut = 0; cut + 1 < stages; ++cut) {
      for (const int by : {-1, 1}) {
        while (effort_left() && take_if_better(with_cut_moved(pipelines, cut, by))) any = true;
      }
    }
    return any;
  }

  [[nodiscard]] PlanDraft with_cut_moved(const std::vector<std::size_t>& pipelines, std::size_t cut,
                                         int by) const {
    PlanDraft draft = found_.draft;
    for (const std::size_t pipeline : pipelines) {
      auto& stages = draft.pipelines[pipeline].stages;
      // An empty stage: a draft that is refused, the one there is stays.
      if (stages[cut].last + by < stages[cut].first) return found_.draft;
      if (stages[cut].last + by >= stages[cut + 1].last) return found_.draft;
      stages[cut].last += by;
      stages[cut + 1].first += by;
    }
    return draft;
  }

  /// From those that end last, all of a kind at once where one alone does not help, to those that
  /// end first.
  bool move_lanes() {
    bool any = false;
    while (effort_left() && move_lane()) any = true;
    return any;
  }

  bool move_lane() {
    std::vector<std::pair<double, std::size_t>> ends;
    for (std::size_t i = 0; i < found_.draft.pipelines.size(); ++i) {
      ends.emplace_back(own_end_ms(tools_, found_.draft, found_.draft.pipelines[i]), i);
    }
    std::ranges::stable_sort(ends, {}, &std::pair<double, std::size_t>::first);
    PlanDraft draft = found_.draft;
    std::size_t first = 0;
    std::size_t last = ends.size() - 1;
    for (int moved = 0; first < last && moved < moves_at_once; ++first, --last, ++moved) {
      auto& from = draft.pipelines[ends[last].second].micro_batches;
      auto& to = draft.pipelines[ends[first].second].micro_batches;
      if (from <= draft.lane_size) break;
      from -= draft.lane_size;
      to += draft.lane_size;
      if (take_if_better(draft)) return true;
    }
    return false;
  }

  /// What ends last by itself is not all: pipelines of other depths hold up reductions, and may do
  /// so less with a lane less, though they end before others.
  bool move_lanes_between_kinds() {
    bool any = false;
    while (effort_left() && move_lane_between_kinds()) any = true;
    return any;
  }

  bool move_lane_between_kinds() {
    std::map<std::pair<Cuts, int>, std::vector<std::size_t>> kinds;
    const auto& pipelines = found_.draft.pipelines;
    for (std::size_t i = 0; i < pipelines.size(); ++i) {
      kinds[{cuts_of(pipelines[i]), pipelines[i].micro_batches}].push_back(i);
    }
    if (kinds.size() > kinds_most) return false;
    for (const auto& [from_kind, from] : kinds) {
      for (const auto& [to_kind, to] : kinds) {
        if (from_kind == to_kind || from_kind.second <= found_.draft.lane_size) continue;
        PipelineDraft more = pipelines[to.front()];
        more.micro_batches += found_.draft.lane_size;
        if (own_end_ms(tools_, found_.draft, std::move(more)) >= found_.step_ms) continue;
        const std::size_t all = std::min(from.size(), to.size());
        if (take_if_better(with_lanes_moved(from, to, all))) return true;
        if (all > 1 && take_if_better(with_lanes_moved(from, to, 1))) return true;
      }
    }
    return false;
  }

  [[nodiscard]] PlanDraft with_lanes_moved(const std::vector<std::size_t>& from,
                                           const std::vector<std::size_t>& to,
                                           std::size_t count) const {
    PlanDraft draft = found_.draft;
    for (std::size_t i = 0; i < count; ++i) {
      draft.pipelines[from[i]].micro_batches -= draft.lane_size;
      draft.pipelines[to[i]].micro_batches += draft.lane_size;
    }
    return draft;
  }

  bool swap_workers() {
    bool any = false;
    if (spreader_.orders().size() == 1) return any;
    const int workers = tools_.terms.workers();
    for (int one = 0; one < workers && effort_left(); ++one) {
      for (int other = one + 1; other < workers && effort_left(); ++other) {
        if (spreader_.alike(one, other)) continue;
        if (auto draft = with_swapped(one, other)) {
          any = take_if_better(*std::move(draft)) || any;
        }
      }
    }
    return any;
  }

  /// The pipelines of the two are cut anew; an idle worker takes the other's place.
  [[nodiscard]] std::optional<PlanDraft> with_swapped(int one, int other) {
    PlanDraft draft = found_.draft;
    bool computes = false;
    for (PipelineDraft& pipeline : draft.pipelines) {
      bool changed = false;
      for (StageDraft& stage : pipeline.stages) {
        if (stage.worker != one && stage.worker != other) continue;
        stage.worker = stage.worker == one ? other : one;
        changed = true;
      }
      if (!changed) continue;
      computes = true;
      if (!spreader_.cut_anew(draft, pipeline)) return std::nullopt;
    }
    if (!computes) return std::nullopt;
    return draft;
  }

  /// Pipelines cut alike of which each is tried alone.
  static constexpr std::size_t most_alone = 8;
  static constexpr int moves_at_once = 64;
  /// Each is tried with each.
  static constexpr std::size_t kinds_most = 8;

  const SearchTools& tools_;
  Spreader& spreader_;
  FoundPlan& found_;
  std::int64_t effort_ = 0;
};

}  // namespace

void refine(const SearchTools& tools, Spreader& spreader, FoundPlan& found) {
  Refinement(tools, spreader, found).run();
}

std::int64_t level_kinds(const SearchTools& tools, Spreader& spreader, FoundPlan& found) {
  return Refinement(tools, spreader, found).move_lanes_only();
}

}  // namespace planaria
