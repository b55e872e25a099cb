#include "planner/exact_search.hpp"

#include <algorithm>
#include <limits>
#include <map>
#include <utility>

#include "planner/pipeline_options.hpp"

namespace planaria {
namespace {

/// More pipelines than that are not put together.
constexpr std::size_t options_max = 200'000;
/// Comparisons for the table of capacities that take as long as looking at a partial plan.
constexpr std::int64_t cells_per_effort = 16;
constexpr double infinity = std::numeric_limits<double>::infinity();
/// What is not shorter by this share of the step is not better: rounding.
constexpr double gain_least = 1e-12;

/// Which workers are left, as one number.
class WorkerStates {
 public:
  explicit WorkerStates(const KindCounts& all) {
    for (const int count : all) {
      strides_.push_back(size_);
      size_ = size_ > states_max ? size_ : size_ * (count + 1);
    }
  }
  [[nodiscard]] std::int64_t size() const { return size_; }
  [[nodiscard]] std::int64_t number(const KindCounts& counts) const {
    std::int64_t number = 0;
    for (std::size_t kind = 0; kind < counts.size(); ++kind) {
      number += strides_[kind] * counts[kind];
    }
    return number;
  }
  [[nodiscard]] static bool within(const KindCounts& some, const KindCounts& all) {
    for (std::size_t kind = 0; kind < some.size(); ++kind) {
      if (some[kind] > all[kind]) return false;
    }
    return true;
  }
  static constexpr std::int64_t states_max = 1'000'000;

 private:
  std::vector<std::int64_t> strides_;
  std::int64_t size_ = 1;
};

class ExactSearch {
 public:
  ExactSearch(const SearchTools& tools, const SearchLimits& limits, const ExactRequest& request)
      : tools_(tools),
        limits_(limits),
        request_(request),
        kinds_(tools.terms),
        states_(kinds_.all()),
        lanes_(lanes_in(limits.micro_batches, request.lane_size)),
        missing_((lanes_ * request.lane_size) - limits.micro_batches),
        best_ms_(request.below_ms) {}

  [[nodiscard]] ExactAnswer answer() {
    auto options = pipeline_options(tools_, limits_, request_, kinds_, options_max, answer_.effort);
    if (!options || states_.size() > WorkerStates::states_max) return std::move(answer_);
    options_ = *std::move(options);
    for (const PipelineOption& option : options_) state_of_.push_back(states_.number(option.uses));
    times_.resize(options_.size());
    fitting_.assign(options_.size(), unknown);
    left_ = kinds_.all();
    answer_.complete = true;
    const int width_least = limits_.width.value_or(limits_.width_least);
    const int width_most =
        std::min({limits_.width.value_or(tools_.terms.workers()), tools_.terms.workers(), lanes_});
    for (int width = width_least; width <= width_most && answer_.complete; ++width) {
      search_width(width);
    }
    return std::move(answer_);
  }

 private:
  void search_width(int width) {
    transfers_ = reduction_transfers(width);
    list_open_options();
    if (!fill_capacities(width)) {
      answer_.complete = false;
      return;
    }
    chosen_.clear();
    extend(width, lanes_, 0, missing_ > 0);
  }

  /// The most micro-batches of an option's that may take less than the best.
  [[nodiscard]] int share_most(const PipelineOption& option) const {
    int most = limits_.micro_batches;
    if (option.bound_ms(1, transfers_) >= best_ms_) return 0;
    for (const PipelineOption::Bound& bound : option.bounds) {
      const double left_ms = best_ms_ - bound.fixed_ms - (transfers_ * bound.transfer_ms);
      if (left_ms < most * bound.micro_batch_ms) {
        most = static_cast<int>(left_ms / bound.micro_batch_ms) + 1;  // one more: rounding
      }
    }
    return std::min(most, limits_.micro_batches);
  }

  /// The most lanes for which the option has memory: more never need less.
  [[nodiscard]] int lanes_fitting(std::size_t option) {
    int& known = fitting_[option];
    if (known != unknown) return known;
    int taken = 0;
    int refused = lanes_ + 1;
    while (refused - taken > 1) {
      const int lanes = taken + ((refused - taken) / 2);
      ++answer_.effort;
      KindCounts used(left_.size(), 0);
      const PipelineDraft draft = draft_of({option, lanes, true}, used);
      const bool fits = tools_.evaluator.fits_memory(request_.schedule, request_.lane_size, draft);
      (fits ? taken : refused) = lanes;
    }
    known = taken;
    return known;
  }

  void list_open_options() {
    open_.clear();
    lanes_most_.clear();
    for (std::size_t i = 0; i < options_.size(); ++i) {
      const int micro_batches = share_most(options_[i]);
      // The last lane may be shorter.
      int lanes = std::min(lanes_, (micro_batches + missing_) / request_.lane_size);
      if (lanes >= 1) lanes = std::min(lanes, lanes_fitting(i));
      if (lanes < 1) continue;
      open_.push_back(i);
      lanes_most_.push_back(lanes);
    }
  }

  /// Fills, for pipelines up to `width` and every set of workers left, the most lanes that so many
  /// pipelines of those can take.
  bool fill_capacities(int width) {
    std::map<std::int64_t, std::pair<KindCounts, int>> by_use;  // most lanes of each use
    for (std::size_t i = 0; i < open_.size(); ++i) {
      auto& most = by_use[state_of_[open_[i]]];
      most = {options_[open_[i]].uses, std::max(most.second, lanes_most_[i])};
    }
    const auto work = static_cast<std::int64_t>(by_use.size()) * states_.size() * width;
    answer_.effort += (work / cells_per_effort) + static_cast<std::int64_t>(options_.size());
    if (answer_.effort > request_.effort_max) return false;
    capacities_.assign(static_cast<std::size_t>(width) + 1, {});
    capacities_[0].assign(static_cast<std::size_t>(states_.size()), 0);
    for (std::size_t count = 1; count < capacities_.size(); ++count) {
      capacities_[count].assign(capacities_[0].size(), none);
      KindCounts left(left_.size(), 0);
      do {
        const std::int64_t state = states_.number(left);
        int& most = capacities_[count][static_cast<std::size_t>(state)];
        for (const auto& [used, use] : by_use) {
          if (!WorkerStates::within(use.first, left)) continue;
          const int others = capacities_[count - 1][static_cast<std::size_t>(state - used)];
          if (others != none) most = std::max(most, use.second + others);
        }
      } while (next(left));
    }
    return true;
  }

  /// Counts on; false after the last.
  [[nodiscard]] bool next(KindCounts& counts) const {
    for (std::size_t kind = 0; kind < counts.size(); ++kind) {
      if (++counts[kind] <= static_cast<int>(kinds_.members(static_cast<int>(kind)).size())) {
        return true;
      }
      counts[kind] = 0;
    }
    return false;
  }

  /// A pipeline of the plan that is being put together.
  struct Chosen {
    std::size_t option;
    int lanes;
    bool has_last;  // the last lane, which may be shorter
  };

  [[nodiscard]] int micro_batches_of(const Chosen& chosen) const {
    return (chosen.lanes * request_.lane_size) - (chosen.has_last ? missing_ : 0);
  }

  /// Adds `count` pipelines for `lanes` lanes, by options from the open_[from] on.
  void extend(int count, int lanes, std::size_t from, bool short_lane_open) {
    if (count == 0) {
      if (lanes == 0 && !short_lane_open) price();
      return;
    }
    const std::int64_t state = states_.number(left_);
    for (std::size_t i = from; i < open_.size() && answer_.complete; ++i) {
      const std::size_t option = open_[i];
      if (!WorkerStates::within(options_[option].uses, left_)) continue;
      const int others = capacities_[static_cast<std::size_t>(count) - 1]
                                    [static_cast<std::size_t>(state - state_of_[option])];
      if (others == none) continue;
      const bool same = !chosen_.empty() && chosen_.back().option == option;
      int most = std::min(lanes_most_[i], lanes - (count - 1));
      if (same) most = std::min(most, chosen_.back().lanes);
      for (int share = std::max(1, lanes - others); share <= most; ++share) {
        for (const bool has_last : {false, true}) {
          if (has_last && !short_lane_open) continue;
          if (++answer_.effort > request_.effort_max) answer_.complete = false;
          if (!answer_.complete) return;
          const Chosen chosen{option, share, has_last};
          if (own_ms(chosen) >= best_ms_ * (1 - gain_least)) continue;
          take(chosen, 1);
          extend(count - 1, lanes - share, i, short_lane_open && !has_last);
          take(chosen, -1);
        }
      }
    }
  }

  void take(const Chosen& chosen, int sign) {
    for (std::size_t kind = 0; kind < left_.size(); ++kind) {
      left_[kind] -= sign * options_[chosen.option].uses[kind];
    }
    if (sign > 0) {
      chosen_.push_back(chosen);
    } else {
      chosen_.pop_back();
    }
  }

  /// Stands for any of its kind: `used` counts those of each kind taken before.
  [[nodiscard]] PipelineDraft draft_of(const Chosen& chosen, KindCounts& used) const {
    const PipelineOption& option = options_[chosen.option];
    PipelineDraft draft{{}, micro_batches_of(chosen)};
    int first = 0;
    for (std::size_t stage = 0; stage < option.kinds.size(); ++stage) {
      const int kind = option.kinds[stage];
      const int member = used[static_cast<std::size_t>(kind)]++;
      const int worker = kinds_.members(kind)[static_cast<std::size_t>(member)];
      draft.stages.push_back({first, option.lasts[stage], worker, false});
      first = option.lasts[stage] + 1;
    }
    return draft;
  }

  /// When the pipeline would have ended its step if no other held it up; infinity where it does not
  /// fit.
  [[nodiscard]] double own_ms(const Chosen& chosen) {
    auto& known = times_[chosen.option];
    const auto at = static_cast<std::size_t>((chosen.lanes * 2) + (chosen.has_last ? 1 : 0));
    if (known.size() <= at) known.resize(at + 1);
    if (!known[at].priced) {
      KindCounts used(left_.size(), 0);
      PipelineDraft draft = draft_of(chosen, used);
      known[at].times = tools_.evaluator.times(request_.schedule, request_.lane_size,
                                               tools_.evaluator.no_shadows(), draft);
      known[at].priced = true;
    }
    if (known[at].times == nullptr) return infinity;
    const PipelineOption& option = options_[chosen.option];
    double end_ms = 0;
    int first = 0;
    for (std::size_t stage = 0; stage < option.kinds.size(); ++stage) {
      const int end = option.lasts[stage] + 1;
      const double speed = tools_.terms.worker(kinds_.members(option.kinds[stage]).front()).speed;
      end_ms = std::max(end_ms, known[at].times->end_ms[stage] +
                                    (transfers_ * tools_.sums.transfer_ms(first, end)) +
                                    (tools_.sums.optimizer_ms(first, end) / speed));
      first = end;
    }
    return end_ms;
  }

  void price() {
    PlanDraft draft{.schedule = request_.schedule, .lane_size = request_.lane_size};
    KindCounts used(left_.size(), 0);
    for (const Chosen& chosen : chosen_) draft.pipelines.push_back(draft_of(chosen, used));
    // The shorter lane is the step's last.
    for (std::size_t i = 0; i < chosen_.size(); ++i) {
      if (!chosen_[i].has_last) continue;
      std::rotate(draft.pipelines.begin() + static_cast<std::ptrdiff_t>(i),
                  draft.pipelines.begin() + static_cast<std::ptrdiff_t>(i) + 1,
                  draft.pipelines.end());
    }
    const auto step_ms = tools_.evaluator.step_ms(draft);
    if (!step_ms || *step_ms >= best_ms_ * (1 - gain_least)) return;
    best_ms_ = *step_ms;
    answer_.best = FoundPlan{std::move(draft), *step_ms};
  }

  static constexpr int none = -1;
  static constexpr int unknown = -1;
  struct Priced {
    bool priced = false;
    const PipelineTimes* times = nullptr;
  };

  const SearchTools& tools_;
  const SearchLimits& limits_;
  const ExactRequest& request_;
  WorkerKinds kinds_;
  WorkerStates states_;
  int lanes_;
  int missing_;  // micro-batches that the last lane is short of
  double best_ms_;
  std::vector<PipelineOption> options_;
  std::vector<std::int64_t> state_of_;        // [option]: its workers
  std::vector<std::vector<Priced>> times_;    // [option][2 x lanes + has the last]
  std::vector<int> fitting_;                  // [option]: lanes, or unknown
  std::vector<std::size_t> open_;             // options that may better the best
  std::vector<int> lanes_most_;               // of open_
  std::vector<std::vector<int>> capacities_;  // [pipelines][workers left]; none: not possible
  double transfers_ = 0;                      // of each gradient, at the width searched
  KindCounts left_;
  std::vector<Chosen> chosen_;
  ExactAnswer answer_;
};

}  // namespace

ExactAnswer exact_search(const SearchTools& tools, const SearchLimits& limits,
                         const ExactRequest& request) {
  return ExactSearch(tools, limits, request).answer();
}

}  // namespace planaria
