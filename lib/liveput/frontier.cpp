#include "liveput/frontier.hpp"

#include <algorithm>
#include <map>

#include <fmt/format.h>

#include <planaria/base/text.hpp>

namespace planaria {
namespace {

using Needs = std::vector<std::uint16_t>;  // live holders that sets still need

// Besides its row: keys, nodes of the map, and the time to find one.
constexpr std::int64_t cells_of_a_state = 16;
constexpr std::int64_t products_of_a_move = 100;

// How many losses of a class may be among the decided, for each number of those.
std::vector<LossSplit> splits_of(int deciding, int decided, int losses_max) {
  std::vector<LossSplit> splits;
  for (int lost = 0; lost <= std::min(deciding + decided, losses_max); ++lost) {
    splits.emplace_back(LossSplit::Blocks{deciding, decided}, lost);
  }
  return splits;
}

// Below it a row is 0.
int fewest_losses(const LossRow& row) {
  const auto first = std::find_if(row.begin(), row.end(), [](double value) { return value != 0; });
  return static_cast<int>(first - row.begin());
}

class Frontier {
 public:
  Frontier(const Component& component, int replicas, int losses_max, SurvivalBudget& budget)
      : component_(component),
        losses_max_(losses_max),
        budget_(budget),
        what_(fmt::format("{} of {} layer sets on {}", counted(replicas, "live holder"),
                          component.sets, counted(component.workers(), "worker"))),
        undecided_(component.holders_of_sets()),
        needs_(static_cast<std::size_t>(component.sets), static_cast<std::uint16_t>(replicas)) {
    states_[{}] = {1.0};
  }

  Result<LossRow> solve(const std::vector<FrontierStep>& order) {
    std::vector<int> open;
    for (const FrontierStep& step : order) {
      PLANARIA_TRY_VOID(decide(step, open));
      open = step.open;
    }
    return states_.empty() ? LossRow{} : states_.begin()->second;
  }

 private:
  Result<void> decide(const FrontierStep& step, const std::vector<int>& open_before) {
    const HolderClass& deciding = component_.classes[static_cast<std::size_t>(step.holder_class)];
    for (const int set : deciding.sets)
      undecided_[static_cast<std::size_t>(set)] -= deciding.workers;
    PLANARIA_TRY_VOID(budget_.hold_cells(
        std::int64_t{deciding.workers} * std::min(decided_ + deciding.workers, losses_max_),
        what_));
    const auto splits = splits_of(deciding.workers, decided_, losses_max_);
    decided_ += deciding.workers;
    std::map<Needs, LossRow> after;
    for (const auto& [key, row] : states_) {
      for (std::size_t i = 0; i < open_before.size(); ++i) {
        needs_[static_cast<std::size_t>(open_before[i])] = key[i];
      }
      const int spare = losses_max_ - fewest_losses(row);
      for (int lost = 0; lost <= std::min(deciding.workers, spare); ++lost) {
        if (!is_enough(deciding, deciding.workers - lost)) break;  // nor with more losses
        LossRow& target = after[needs_after(step, deciding, deciding.workers - lost)];
        PLANARIA_TRY_VOID(
            budget_.spend(static_cast<std::int64_t>(row.size()) + products_of_a_move, what_));
        add(target, row, splits, lost);
      }
      PLANARIA_TRY_VOID(budget_.hold_cells(cells_of(after.size()), what_));
    }
    states_ = std::move(after);
    return {};
  }

  [[nodiscard]] std::int64_t cells_of(std::size_t states) const {
    return static_cast<std::int64_t>(states) *
           (std::min(decided_, losses_max_) + 1 + cells_of_a_state);
  }

  // Whether each set may still get what it needs, with so many live ones of the class.
  [[nodiscard]] bool is_enough(const HolderClass& deciding, int live) const {
    return std::all_of(deciding.sets.begin(), deciding.sets.end(), [&](int set) {
      const auto at = static_cast<std::size_t>(set);
      return needs_[at] <= live + undecided_[at];
    });
  }

  [[nodiscard]] Needs needs_after(const FrontierStep& step, const HolderClass& deciding,
                                  int live) const {
    Needs key;
    key.reserve(step.open.size());
    auto of_class = deciding.sets.begin();
    for (const int set : step.open) {
      while (of_class != deciding.sets.end() && *of_class < set) ++of_class;
      const bool is_held = of_class != deciding.sets.end() && *of_class == set;
      const int need = needs_[static_cast<std::size_t>(set)];
      key.push_back(static_cast<std::uint16_t>(is_held ? std::max(0, need - live) : need));
    }
    return key;
  }

  // With `lost` losses of the class behind those of `row`.
  void add(LossRow& target, const LossRow& row, const std::vector<LossSplit>& splits,
           int lost) const {
    const std::size_t length = std::min(row.size() + static_cast<std::size_t>(lost), splits.size());
    if (target.size() < length) target.resize(length, 0.0);
    for (auto all = static_cast<std::size_t>(lost); all < length; ++all) {
      target[all] += splits[all].at(lost) * row[all - static_cast<std::size_t>(lost)];
    }
  }

  const Component& component_;
  int losses_max_;
  SurvivalBudget& budget_;
  std::string what_;
  std::vector<int> undecided_;  // holders of each set
  Needs needs_;                 // of each set in the state that is looked at
  int decided_ = 0;             // workers
  std::map<Needs, LossRow> states_;
};

// Picks sets to close one after another.
class Closing {
 public:
  explicit Closing(const Component& component)
      : component_(component),
        classes_of_(static_cast<std::size_t>(component.sets)),
        undecided_(component.holders_of_sets()),
        is_open_(static_cast<std::size_t>(component.sets), false),
        is_decided_(component.classes.size(), false) {
    for (std::size_t i = 0; i < component.classes.size(); ++i) {
      for (const int set : component.classes[i].sets) {
        classes_of_[static_cast<std::size_t>(set)].push_back(static_cast<int>(i));
      }
    }
  }

  std::vector<FrontierStep> order() {
    std::vector<FrontierStep> steps;
    while (steps.size() < component_.classes.size()) {
      for (const int holder_class : classes_of_[static_cast<std::size_t>(next())]) {
        if (!is_decided_[static_cast<std::size_t>(holder_class)])
          steps.push_back(decide(holder_class));
      }
    }
    return steps;
  }

 private:
  // Of the open sets the one that opens the fewest; where none is open, the first in the layers'
  // order. From its middle on, a frontier would grow in both directions.
  [[nodiscard]] int next() const {
    int best = -1;
    std::size_t fewest = 0;
    int first = -1;
    for (int set = 0; set < component_.sets; ++set) {
      const auto at = static_cast<std::size_t>(set);
      if (first < 0 && undecided_[at] > 0) first = set;
      if (!is_open_[at]) continue;
      const std::size_t opened = opened_by(set);
      if (best < 0 || opened < fewest) {
        best = set;
        fewest = opened;
      }
    }
    return best < 0 ? first : best;
  }

  [[nodiscard]] std::size_t opened_by(int set) const {
    std::vector<int> opened;
    for (const int holder_class : classes_of_[static_cast<std::size_t>(set)]) {
      if (is_decided_[static_cast<std::size_t>(holder_class)]) continue;
      for (const int other : component_.classes[static_cast<std::size_t>(holder_class)].sets) {
        if (!is_open_[static_cast<std::size_t>(other)]) opened.push_back(other);
      }
    }
    std::sort(opened.begin(), opened.end());
    return static_cast<std::size_t>(std::unique(opened.begin(), opened.end()) - opened.begin());
  }

  FrontierStep decide(int holder_class) {
    const HolderClass& deciding = component_.classes[static_cast<std::size_t>(holder_class)];
    is_decided_[static_cast<std::size_t>(holder_class)] = true;
    for (const int set : deciding.sets) {
      const auto at = static_cast<std::size_t>(set);
      undecided_[at] -= deciding.workers;
      is_open_[at] = undecided_[at] > 0;
    }
    FrontierStep step{holder_class, {}};
    for (int set = 0; set < component_.sets; ++set) {
      if (is_open_[static_cast<std::size_t>(set)]) step.open.push_back(set);
    }
    return step;
  }

  const Component& component_;
  std::vector<std::vector<int>> classes_of_;
  std::vector<int> undecided_;
  std::vector<bool> is_open_;
  std::vector<bool> is_decided_;
};

}  // namespace

Result<void> SurvivalBudget::hold_cells(std::int64_t cells, const std::string& what) const {
  if (cells <= cells_max_) return {};
  return Fault::exhausted(
      fmt::format("survival: {} needs more than {} states x losses at once, "
                  "must ask for fewer live holders or losses",
                  what, cells_max_));
}

Result<void> SurvivalBudget::spend(std::int64_t products, const std::string& what) {
  products_left_ -= products;
  if (products_left_ >= 0) return {};
  return Fault::exhausted(
      fmt::format("survival: {} needs more than {} products, must ask for fewer "
                  "live holders or losses",
                  what, products_max_));
}

std::vector<FrontierStep> frontier_order(const Component& component) {
  return Closing(component).order();
}

Result<LossRow> component_row(const Component& component, const std::vector<FrontierStep>& order,
                              const RowRequest& request, SurvivalBudget& budget) {
  const auto [replicas, losses_max] = request;
  const std::vector<int> holders = component.holders_of_sets();
  const int fewest = *std::min_element(holders.begin(), holders.end());
  if (fewest < replicas) return LossRow{};
  const auto certain_up_to = [](int lost) {
    return LossRow(static_cast<std::size_t>(lost) + 1, 1.0);
  };
  if (fewest - replicas >= losses_max) return certain_up_to(losses_max);
  if (component.sets == 1) return certain_up_to(fewest - replicas);  // then impossible
  return Frontier(component, replicas, losses_max, budget).solve(order);
}

}  // namespace planaria
