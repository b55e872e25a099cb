#include "planner/shadow_search.hpp"

#include <algorithm>
#include <numeric>
#include <tuple>
#include <utility>

namespace planaria {
namespace {

class ShadowSearch {
 public:
  ShadowSearch(const SearchTools& tools, const FoundPlan& plan, int holders)
      : tools_(tools),
        terms_(tools.terms),
        draft_(plan.draft),
        wanted_(holders - static_cast<int>(plan.draft.pipelines.size())) {
    draft_.shadows.assign(static_cast<std::size_t>(terms_.layers()), {});
    computes_.assign(static_cast<std::size_t>(terms_.workers()), false);
    for (int worker = 0; worker < terms_.workers(); ++worker) {
      room_.push_back(terms_.worker(worker).memory_bytes);
    }
    for (PipelineDraft& pipeline : draft_.pipelines) {
      const PipelineTimes* const times = tools.evaluator.times(
          draft_.schedule, draft_.lane_size, tools.evaluator.no_shadows(), pipeline);
      for (std::size_t stage = 0; times != nullptr && stage < pipeline.stages.size(); ++stage) {
        const auto worker = static_cast<std::size_t>(pipeline.stages[stage].worker);
        computes_[worker] = true;
        room_[worker] =
            terms_.worker(pipeline.stages[stage].worker).memory_bytes - times->peak_bytes[stage];
      }
    }
  }

  [[nodiscard]] std::optional<FoundPlan> best() {
    std::vector<int> layers(static_cast<std::size_t>(terms_.layers()));
    std::iota(layers.begin(), layers.end(), 0);
    std::ranges::stable_sort(layers, std::greater<>(), [&](int layer) { return bytes_of(layer); });
    for (const int layer : layers) {
      for (int copy = 0; copy < wanted_; ++copy) {
        if (!place(layer)) return std::nullopt;
      }
    }
    const auto step_ms = tools_.evaluator.step_ms(draft_);
    if (!step_ms) return std::nullopt;
    best_ms_ = *step_ms;
    for (bool better = true; better && tried_ < tries_max;) better = improve();
    return FoundPlan{std::move(draft_), best_ms_};
  }

 private:
  [[nodiscard]] std::int64_t bytes_of(int layer) const {
    return terms_.layer(layer).state_bytes + terms_.layer(layer).gradient_bytes;
  }

  [[nodiscard]] std::vector<int> holders_of(int layer) const {
    std::vector<int> holders = draft_.shadows[static_cast<std::size_t>(layer)];
    for (const PipelineDraft& pipeline : draft_.pipelines) {
      for (const StageDraft& stage : pipeline.stages) {
        if (stage.first <= layer && layer <= stage.last) holders.push_back(stage.worker);
      }
    }
    return holders;
  }

  [[nodiscard]] bool can_shadow(int worker, int layer, const std::vector<int>& holders) const {
    return room_[static_cast<std::size_t>(worker)] >= bytes_of(layer) &&
           std::ranges::find(holders, worker) == holders.end();
  }

  bool place(int layer) {
    const std::vector<int> holders = holders_of(layer);
    using Rank = std::tuple<bool, bool, bool, std::int64_t, int>;
    std::optional<Rank> best;
    for (int worker = 0; worker < terms_.workers(); ++worker) {
      if (!can_shadow(worker, layer, holders)) continue;
      const WorkerTerms& of = terms_.worker(worker);
      const bool same_zone = std::ranges::any_of(
          holders, [&](int holder) { return terms_.worker(holder).zone == of.zone; });
      const bool same_host = std::ranges::any_of(
          holders, [&](int holder) { return terms_.worker(holder).host == of.host; });
      const Rank rank{same_zone, same_host, computes_[static_cast<std::size_t>(worker)],
                      -room_[static_cast<std::size_t>(worker)], worker};
      if (!best || rank < *best) best = rank;
    }
    if (!best) return false;
    put(layer, std::get<4>(*best));
    return true;
  }

  void put(int layer, int worker) {
    auto& shadows = draft_.shadows[static_cast<std::size_t>(layer)];
    shadows.insert(std::ranges::lower_bound(shadows, worker), worker);
    room_[static_cast<std::size_t>(worker)] -= bytes_of(layer);
  }

  void take(int layer, int worker) {
    auto& shadows = draft_.shadows[static_cast<std::size_t>(layer)];
    shadows.erase(std::ranges::find(shadows, worker));
    room_[static_cast<std::size_t>(worker)] += bytes_of(layer);
  }

  /// Tries every shadow at every other worker.
  bool improve() {
    bool any = false;
    for (int layer = 0; layer < terms_.layers(); ++layer) {
      const std::vector<int> shadows = draft_.shadows[static_cast<std::size_t>(layer)];
      for (const int from : shadows) any = move_away(layer, from) || any;
    }
    return any;
  }

  bool move_away(int layer, int from) {
    int at = from;
    for (int to = 0; to < terms_.workers() && tried_ < tries_max; ++to) {
      if (!can_shadow(to, layer, holders_of(layer))) continue;
      take(layer, at);
      put(layer, to);
      ++tried_;
      const auto step_ms = tools_.evaluator.step_ms(draft_);
      if (step_ms && *step_ms < best_ms_ * (1 - gain_least)) {
        best_ms_ = *step_ms;
        at = to;
        continue;
      }
      take(layer, to);
      put(layer, at);
    }
    return at != from;
  }

  static constexpr int tries_max = 2000;
  static constexpr double gain_least = 1e-12;

  const SearchTools& tools_;
  const CostTerms& terms_;
  PlanDraft draft_;
  int wanted_;  // shadows of each layer
  std::vector<bool> computes_;
  std::vector<std::int64_t> room_;  // [worker]
  double best_ms_ = 0;
  int tried_ = 0;
};

}  // namespace

std::optional<FoundPlan> with_shadows(const SearchTools& tools, const FoundPlan& plan,
                                      int holders) {
  return ShadowSearch(tools, plan, holders).best();
}

}  // namespace planaria
