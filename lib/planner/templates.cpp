#include <planaria/planner/templates.hpp>

#include <algorithm>
#include <cmath>
#include <limits>
#include <tuple>
#include <utility>

#include <fmt/format.h>

#include <planaria/base/check.hpp>

namespace planaria {
namespace {

constexpr int layers_max = 4096;
constexpr double sum_max_ms = 1e300;  // far enough from overflow for (3 nodes + 3) times as much

/// What the layers [first, end) take, added from left to right. Rounding is monotone, so a range
/// never takes less than one within it: splitting a stage makes no stage slower, also in the last
/// bit. All that follows rests on this.
class RangeSums {
 public:
  explicit RangeSums(const std::vector<double>& layer_ms) : layers_(layer_ms.size()) {
    sums_.reserve(layers_ * (layers_ + 1) / 2);
    for (std::size_t first = 0; first < layers_; ++first) {
      rows_.push_back(sums_.size());
      double sum = 0;
      for (std::size_t last = first; last < layers_; ++last) sums_.push_back(sum += layer_ms[last]);
    }
  }
  [[nodiscard]] int layers() const { return static_cast<int>(layers_); }
  [[nodiscard]] double ms(int first, int end) const {
    return sums_[rows_[static_cast<std::size_t>(first)] + static_cast<std::size_t>(end - first) -
                 1];
  }

 private:
  std::size_t layers_;
  std::vector<double> sums_;
  std::vector<std::size_t> rows_;
};

/// How slow the slowest stage must be, at least, when the outermost layers of one side make so many
/// stages. No layers make no stages, which are faster than any; what cannot be is infinitely slow.
class LeastSlowest {
 public:
  /// `ms(first, end)` counts layers from that side. O(layers x stages): where the last stage should
  /// begin moves only inwards as layers are added.
  template <class RangeMs>
  LeastSlowest(int layers, int stages_max, const RangeMs& ms)
      : layers_(layers),
        least_(static_cast<std::size_t>(layers + 1) * static_cast<std::size_t>(stages_max + 1),
               std::numeric_limits<double>::infinity()) {
    at(0, 0) = -1;
    for (int stages = 1; stages <= stages_max; ++stages) {
      int cut = stages - 1;
      for (int end = stages; end <= layers; ++end) {
        while (cut < end - 1 && of(stages - 1, cut) < ms(cut, end)) ++cut;
        at(stages, end) = std::max(of(stages - 1, cut), ms(cut, end));
        if (cut > stages - 1) at(stages, end) = std::min(at(stages, end), ms(cut - 1, end));
      }
    }
  }
  [[nodiscard]] double of(int stages, int layers) const {
    return least_[(static_cast<std::size_t>(stages) * static_cast<std::size_t>(layers_ + 1)) +
                  static_cast<std::size_t>(layers)];
  }

 private:
  double& at(int stages, int layers) {
    return least_[(static_cast<std::size_t>(stages) * static_cast<std::size_t>(layers_ + 1)) +
                  static_cast<std::size_t>(layers)];
  }
  int layers_;
  std::vector<double> least_;
};

/// A stage that is the first of the slowest, with the fewest stages that the layers before it
/// (each faster) and behind it (none slower) can make. They can make any number from there to one
/// for each layer.
struct Bottleneck {
  int first = 0;
  int end = 0;
  double ms = 0;
  int before = 0;
  int behind = 0;
};

struct Choice {
  double total_ms = std::numeric_limits<double>::infinity();
  double slowest_ms = 0;
  int slowest = 0;
  int first = 0;
  int end = 0;
  /// The tie rule of templates.hpp, but for the cuts that a bottleneck leaves open.
  [[nodiscard]] auto rank() const { return std::tuple(total_ms, slowest_ms, slowest, first, end); }
};

class TemplateSearch {
 public:
  TemplateSearch(const std::vector<double>& layer_ms, int nodes_min, int nodes_max)
      : sums_(layer_ms),
        layers_(sums_.layers()),
        nodes_min_(nodes_min),
        nodes_max_(nodes_max),
        before_(layers_, nodes_max - 1, [&](int first, int end) { return sums_.ms(first, end); }),
        behind_(layers_, nodes_max - 1,
                [&](int first, int end) { return sums_.ms(layers_ - end, layers_ - first); }),
        best_(static_cast<std::size_t>(nodes_max - nodes_min + 1)) {}

  [[nodiscard]] std::vector<PipelineTemplate> templates() {
    try_every_bottleneck();
    std::vector<PipelineTemplate> templates;
    for (int nodes = nodes_min_; nodes <= nodes_max_; ++nodes) templates.push_back(made(nodes));
    return templates;
  }

 private:
  /// The longer a bottleneck reaches to either side, the slower it is, and the fewer stages can do
  /// for the layers beside it: their numbers only fall, so finding them is O(1) a bottleneck.
  void try_every_bottleneck() {
    const int stages_max = nodes_max_ - 1;
    std::vector<int> behind_of;  // by end
    for (int end = 0; end <= layers_; ++end) {
      behind_of.push_back(std::min(layers_ - end, stages_max));
    }
    for (int first = layers_ - 1; first >= 0; --first) {
      int before = std::min(first, stages_max);
      for (int end = first + 1; end <= layers_; ++end) {
        const double ms = sums_.ms(first, end);
        int& behind = behind_of[static_cast<std::size_t>(end)];
        if (before_.of(before, first) >= ms || behind_.of(behind, layers_ - end) > ms) continue;
        while (before > 0 && before_.of(before - 1, first) < ms) --before;
        while (behind > 0 && behind_.of(behind - 1, layers_ - end) <= ms) --behind;
        consider({first, end, ms, before, behind});
      }
    }
  }

  /// The total grows with k*, so the bottleneck stands as early as the layers behind it allow.
  void consider(const Bottleneck& bottleneck) {
    const auto& [first, end, ms, before, behind] = bottleneck;
    const int behind_max = layers_ - end;
    const int fewest = std::max(nodes_min_, before + 1 + behind);
    const int most = std::min(nodes_max_, first + 1 + behind_max);
    const double t1_ms = sums_.ms(0, layers_);
    const double t3_ms = sums_.ms(first, layers_);
    for (int nodes = fewest; nodes <= most; ++nodes) {
      const int slowest = std::max(before, nodes - 1 - behind_max);
      const double total_ms = t1_ms + steady_ms(nodes, slowest, ms) + t3_ms;
      Choice& best = best_[static_cast<std::size_t>(nodes - nodes_min_)];
      if (total_ms > best.total_ms) continue;
      const Choice choice{total_ms, ms, slowest, first, end};
      if (choice.rank() < best.rank()) best = choice;
    }
  }

  static double steady_ms(int nodes, int slowest, double ms) {
    return static_cast<double>((2 * nodes) + slowest + 1) * ms;
  }

  [[nodiscard]] PipelineTemplate made(int nodes) const {
    const Choice& best = best_[static_cast<std::size_t>(nodes - nodes_min_)];
    check(std::isfinite(best.total_ms), "some stage of every partition is the first slowest");
    PipelineTemplate made{.nodes = nodes,
                          .stages = {},
                          .t1_ms = sums_.ms(0, layers_),
                          .t2_ms = steady_ms(nodes, best.slowest, best.slowest_ms),
                          .t3_ms = sums_.ms(best.first, layers_),
                          .total_ms = best.total_ms,
                          .slowest = best.slowest,
                          .slowest_ms = best.slowest_ms};
    const int behind = nodes - 1 - best.slowest;
    cut(0, best.first, best.slowest, before_.of(best.slowest, best.first), made.stages);
    cut(best.first, best.end, 1, best.slowest_ms, made.stages);
    cut(best.end, layers_, behind, behind_.of(behind, layers_ - best.end), made.stages);
    return made;
  }

  /// Adds `stages` stages, none slower than `most_ms`, cut as early as can be. Requires that they
  /// can be. O(L).
  void cut(int first, int end, int stages, double most_ms, std::vector<LayerRange>& into) const {
    std::vector<int> fewest(static_cast<std::size_t>(end - first) + 1);  // stages from there to end
    int reach = end;
    for (int from = end - 1; from >= first; --from) {
      while (sums_.ms(from, reach) > most_ms) --reach;
      fewest[static_cast<std::size_t>(from - first)] =
          fewest[static_cast<std::size_t>(reach - first)] + 1;
    }
    int from = first;
    for (int left = stages - 1; left >= 0; --left) {
      int to = from + 1;
      while (fewest[static_cast<std::size_t>(to - first)] > left) ++to;
      into.push_back({LayerId{from}, LayerId{to - 1}});
      from = to;
    }
  }

  RangeSums sums_;
  int layers_;
  int nodes_min_;
  int nodes_max_;
  LeastSlowest before_;
  LeastSlowest behind_;
  std::vector<Choice> best_;  // by nodes
};

Result<void> check_layers(const std::vector<double>& layer_ms) {
  if (layer_ms.empty()) return Fault::invalid_input("layer_ms: none, must be at least 1");
  if (layer_ms.size() > layers_max) {
    return Fault::invalid_input(
        fmt::format("layer_ms: {} layers, must be at most {}", layer_ms.size(), layers_max));
  }
  double sum_ms = 0;
  for (std::size_t i = 0; i < layer_ms.size(); ++i) {
    if (!std::isfinite(layer_ms[i]) || layer_ms[i] < 0) {
      return Fault::invalid_input(
          fmt::format("layer_ms[{}]: {}, must be a finite number from 0", i, layer_ms[i]));
    }
    sum_ms += layer_ms[i];
  }
  if (sum_ms <= sum_max_ms) return {};
  return Fault::invalid_input(
      fmt::format("layer_ms: {} in all, must be at most {}", sum_ms, sum_max_ms));
}

Result<void> check_nodes(int nodes_min, int nodes_max, std::size_t layers) {
  if (nodes_min < 1) {
    return Fault::invalid_input(fmt::format("nodes_min: {}, must be at least 1", nodes_min));
  }
  if (nodes_max < nodes_min) {
    return Fault::invalid_input(
        fmt::format("nodes_max: {}, must be at least {}, nodes_min", nodes_max, nodes_min));
  }
  if (static_cast<std::size_t>(nodes_max) > layers) {
    return Fault::invalid_input(
        fmt::format("nodes_max: {}, must be at most {}, the number of layers", nodes_max, layers));
  }
  return {};
}

}  // namespace

Result<std::vector<PipelineTemplate>> pipeline_templates(const std::vector<double>& layer_ms,
                                                         int nodes_min, int nodes_max) {
  PLANARIA_TRY_VOID(check_layers(layer_ms));
  PLANARIA_TRY_VOID(check_nodes(nodes_min, nodes_max, layer_ms.size()));
  return TemplateSearch(layer_ms, nodes_min, nodes_max).templates();
}

}  // namespace planaria
