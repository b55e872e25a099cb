#include <algorithm>
#include <cstdlib>
#include <limits>
#include <optional>
#include <tuple>
#include <utility>

#include <planaria/base/check.hpp>
#include <planaria/planner/replan.hpp>

#include "planner/holdings.hpp"

namespace planaria {
namespace {

constexpr int nobody = -1;

/// A way to shadow a stage: its first `cut` layers by `before`, the others by `behind`. The same
/// worker twice is an idle one that takes all; nobody twice leaves it to who holds least.
struct Way {
  int before = nobody;
  int behind = nobody;
  int cut = 0;
  bool idle = false;
};

struct Outcome {
  std::vector<std::pair<int, int>> shadows;  // layer, worker
  std::int64_t missing_bytes = 0;            // of layers that their side of the cut lacks then
  std::int64_t most_held_bytes = 0;          // by one of those that got a shadow
};

class Placement {
 public:
  Placement(const Layout& layout, const Holdings& holdings, int copies)
      : layout_(layout),
        holdings_(holdings),
        held_bytes_(count(holdings.workers()), 0),
        idle_(count(holdings.workers()), true),
        taken_(count(holdings.workers()), std::vector<bool>(count(holdings.layers()), false)),
        shadows_(count(holdings.workers()), std::vector<bool>(count(holdings.layers()), false)),
        wanted_(count(holdings.layers()), std::min(copies, holdings.workers())),
        fills_(count(holdings.layers()), false) {
    for (const PipelineAssignment& pipeline : layout.pipelines) {
      for (const StageAssignment& stage : pipeline.stages) {
        const int worker = number_of(stage);
        idle_[count(worker)] = false;
        for (int layer = stage.layers.first.value; layer <= stage.layers.last.value; ++layer) {
          if (!taken_[count(worker)][count(layer)]) take(layer, worker);
        }
      }
    }
  }

  [[nodiscard]] std::vector<ShadowAssignment> place() {
    for (int layer = 0; layer < holdings_.layers(); ++layer) keep_scarce_holders(layer);
    const int rounds = std::max(0, *std::max_element(wanted_.begin(), wanted_.end()));
    for (int round = 0; round < rounds; ++round) {
      place_once(layout_.pipelines[count(round) % layout_.pipelines.size()].stages);
    }
    std::vector<ShadowAssignment> all;
    for (int worker = 0; worker < holdings_.workers(); ++worker) {
      ShadowAssignment shadow{holdings_.id_of(worker), {}};
      for (int layer = 0; layer < holdings_.layers(); ++layer) {
        if (shadows_[count(worker)][count(layer)]) shadow.layers.emplace_back(layer);
      }
      if (!shadow.layers.empty()) all.push_back(std::move(shadow));
    }
    return all;
  }

 private:
  static std::size_t count(int number) { return static_cast<std::size_t>(number); }

  [[nodiscard]] int number_of(const StageAssignment& stage) const {
    const auto worker = holdings_.number_of(stage.worker);
    check(worker.has_value(), "whoever computes is one of the workers there are");
    return *worker;
  }

  void take(int layer, int worker) {
    check(!taken_[count(worker)][count(layer)], "a worker holds a layer once");
    taken_[count(worker)][count(layer)] = true;
    held_bytes_[count(worker)] += holdings_.bytes_of(layer);
    --wanted_[count(layer)];
  }

  void shadow(int layer, int worker) {
    take(layer, worker);
    shadows_[count(worker)][count(layer)] = true;
  }

  /// Where holders are no more than wanted all of them shadow; the others wanted will be filled.
  void keep_scarce_holders(int layer) {
    std::vector<int> present;
    for (int worker = 0; worker < holdings_.workers(); ++worker) {
      if (holdings_.holds(worker, layer) && !taken_[count(worker)][count(layer)]) {
        present.push_back(worker);
      }
    }
    if (static_cast<int>(present.size()) > wanted_[count(layer)]) return;
    for (const int worker : present) shadow(layer, worker);
    fills_[count(layer)] = true;
  }

  [[nodiscard]] bool may_shadow(int worker, int layer) const {
    return worker != nobody && !taken_[count(worker)][count(layer)] &&
           (fills_[count(layer)] || holdings_.holds(worker, layer));
  }

  /// Gives every layer that wants shadows one more. The ends have one neighbour only: they first.
  void place_once(const std::vector<StageAssignment>& stages) {
    const int last = static_cast<int>(stages.size()) - 1;
    place_stage(stages, 0);
    if (last > 0) place_stage(stages, last);
    for (int stage = 1; stage < last; ++stage) place_stage(stages, stage);
  }

  void place_stage(const std::vector<StageAssignment>& stages, int index) {
    const LayerRange range = stages[count(index)].layers;
    bool wanted = false;
    for (int layer = range.first.value; layer <= range.last.value; ++layer) {
      wanted = wanted || wanted_[count(layer)] > 0;
    }
    if (!wanted) return;
    using Rank = std::tuple<std::int64_t, std::int64_t, bool, int, std::size_t>;
    std::optional<std::pair<Rank, Outcome>> best;
    const std::vector<Way> ways = ways_for(stages, index);
    for (std::size_t i = 0; i < ways.size(); ++i) {
      Outcome outcome = outcome_of(ways[i], range);
      const Rank rank{outcome.missing_bytes, outcome.most_held_bytes, !ways[i].idle,
                      std::abs(2 * ways[i].cut - range.size()), i};
      if (!best || rank < best->first) best.emplace(rank, std::move(outcome));
    }
    for (const auto& [layer, worker] : best->second.shadows) shadow(layer, worker);
  }

  [[nodiscard]] std::vector<Way> ways_for(const std::vector<StageAssignment>& stages,
                                          int index) const {
    const int size = stages[count(index)].layers.size();
    const bool any_before = index > 0;
    const bool any_behind = count(index) + 1 < stages.size();
    const int before = any_before ? number_of(stages[count(index) - 1]) : nobody;
    const int behind = any_behind ? number_of(stages[count(index) + 1]) : nobody;
    std::vector<Way> ways;
    for (int worker = 0; worker < holdings_.workers(); ++worker) {
      // Half of it as its cut: an idle worker is not judged by where it would be cut.
      if (idle_[count(worker)]) ways.push_back({worker, worker, size / 2, true});
    }
    for (int cut = any_behind ? 0 : size; cut <= (any_before ? size : 0); ++cut) {
      ways.push_back({before, behind, cut});
    }
    if (ways.empty()) ways.push_back({});
    return ways;
  }

  [[nodiscard]] Outcome outcome_of(const Way& way, LayerRange range) const {
    Outcome outcome;
    std::vector<std::int64_t> held = held_bytes_;
    for (int layer = range.first.value; layer <= range.last.value; ++layer) {
      const bool first_part = layer - range.first.value < way.cut;
      const int side = first_part ? way.before : way.behind;
      const int other = first_part ? way.behind : way.before;
      int worker = nobody;
      if (wanted_[count(layer)] > 0) {
        worker = may_shadow(side, layer)    ? side
                 : may_shadow(other, layer) ? other
                                            : who_holds_least(layer, held);
        held[count(worker)] += holdings_.bytes_of(layer);
        outcome.most_held_bytes = std::max(outcome.most_held_bytes, held[count(worker)]);
        outcome.shadows.emplace_back(layer, worker);
      }
      if (side == nobody || (worker != side && !taken_[count(side)][count(layer)])) {
        outcome.missing_bytes += holdings_.bytes_of(layer);
      }
    }
    return outcome;
  }

  [[nodiscard]] int who_holds_least(int layer, const std::vector<std::int64_t>& held) const {
    int least = nobody;
    const auto rank = [&](int worker) {
      return std::pair(held[count(worker)], !idle_[count(worker)]);
    };
    for (int worker = 0; worker < holdings_.workers(); ++worker) {
      if (!may_shadow(worker, layer)) continue;
      if (least == nobody || rank(worker) < rank(least)) least = worker;
    }
    check(least != nobody, "no more shadows are wanted than workers can take");
    return least;
  }

  const Layout& layout_;
  const Holdings& holdings_;
  std::vector<std::int64_t> held_bytes_;    // [worker], active and shadows
  std::vector<bool> idle_;                  // [worker]
  std::vector<std::vector<bool>> taken_;    // [worker][layer], active or shadow
  std::vector<std::vector<bool>> shadows_;  // [worker][layer]
  std::vector<int> wanted_;                 // [layer], shadows still to be placed
  std::vector<bool> fills_;                 // [layer], its shadows are to come from non-holders
};

}  // namespace

std::vector<ShadowAssignment> place_shadows(const Layout& layout,
                                            const std::vector<std::int64_t>& layer_bytes,
                                            const std::vector<WorkerId>& workers,
                                            const LayerHolders& holders, int copies) {
  check(!layer_bytes.empty() && !layout.pipelines.empty(), "a layout computes layers");
  const Holdings holdings(workers, layer_bytes, holders);
  return Placement(layout, holdings, copies).place();
}

}  // namespace planaria
