#include <planaria/planner/chunks.hpp>

#include <algorithm>
#include <limits>
#include <map>
#include <set>

#include <planaria/base/check.hpp>

namespace planaria {
namespace {

// Stands for the schedule's ranks where only its placement is wanted.
Schedule placed(int ranks, const ChunkForm& form) {
  Schedule schedule;
  schedule.placement = form.placement;
  schedule.chunks = form.chunks;
  schedule.ranks.resize(static_cast<std::size_t>(ranks));
  return schedule;
}

/// Least possible largest sums for every suffix of the layers and number of stages. A range's sum
/// is added left to right, so that equal costs give equal sums wherever they are compared.
class Balancer {
 public:
  Balancer(const std::vector<double>& costs, int stages) : stages_(stages) {
    const std::size_t layers = costs.size();
    constexpr double nothing = std::numeric_limits<double>::infinity();
    least_.assign(static_cast<std::size_t>(stages) + 1, std::vector<double>(layers + 1, nothing));
    least_[0][layers] = 0;
    for (std::size_t left = 1; left < least_.size(); ++left) {
      for (std::size_t first = 0; first + left <= layers; ++first) {
        double sum = 0;
        for (std::size_t last = first; last + left <= layers; ++last) {
          sum += costs[last];
          if (sum >= least_[left][first]) break;  // sums only grow
          least_[left][first] =
              std::min(least_[left][first], std::max(sum, least_[left - 1][last + 1]));
        }
      }
    }
  }

  /// The shortest first stage that leaves the rest its bottleneck, again and again: sums grow with
  /// a stage's length, so that is the lexicographically least.
  [[nodiscard]] std::vector<LayerRange> ranges() const {
    const double most = least_.back()[0];
    std::vector<LayerRange> ranges;
    std::size_t first = 0;
    for (auto left = static_cast<std::size_t>(stages_); left > 0; --left) {
      std::size_t last = first;
      while (least_[left - 1][last + 1] > most) ++last;
      ranges.push_back({LayerId{static_cast<int>(first)}, LayerId{static_cast<int>(last)}});
      first = last + 1;
    }
    return ranges;
  }

 private:
  int stages_;
  std::vector<std::vector<double>> least_;  // [stages][first layer]
};

}  // namespace

std::vector<LayerRange> balance(const std::vector<double>& layer_costs, int stages) {
  check(stages >= 1 && stages <= static_cast<int>(layer_costs.size()),
        "every stage has at least one layer");
  return Balancer(layer_costs, stages).ranges();
}

bool stands_as(const PipelineAssignment& pipeline, const ChunkForm& form) {
  const int stages = static_cast<int>(pipeline.stages.size());
  if (form.chunks < 1 || stages % form.chunks != 0) return false;
  const Schedule schedule = placed(stages / form.chunks, form);
  std::set<WorkerId> workers;
  for (int rank = 0; rank < schedule.depth(); ++rank) {
    const WorkerId worker = pipeline.stages[static_cast<std::size_t>(rank)].worker;
    if (!workers.insert(worker).second) return false;
    for (int chunk = 0; chunk < form.chunks; ++chunk) {
      const auto stage = static_cast<std::size_t>(schedule.stage_of(rank, chunk));
      if (pipeline.stages[stage].worker != worker) return false;
    }
  }
  return true;
}

std::optional<ChunkForm> form_of(const PipelineAssignment& pipeline) {
  const int chunks = chunks_in(pipeline);
  if (chunks == 1) return ChunkForm{};
  for (const Placement placement : {Placement::v, Placement::loop}) {
    if (placement == Placement::v && chunks != 2) continue;
    if (stands_as(pipeline, {placement, chunks})) return ChunkForm{placement, chunks};
  }
  return std::nullopt;
}

int chunks_in(const PipelineAssignment& pipeline) {
  std::map<WorkerId, int> stages;
  for (const StageAssignment& stage : pipeline.stages) ++stages[stage.worker];
  const int first = stages.empty() ? 0 : stages.begin()->second;
  const bool even =
      std::ranges::all_of(stages, [&](const auto& one) { return one.second == first; });
  return even ? first : 0;
}

Layout in_chunks(const Layout& layout, const std::vector<double>& layer_costs,
                 const ChunkForm& form) {
  Layout cut{layout.pipelines, {}};
  if (form.chunks == 1) return cut;
  for (PipelineAssignment& pipeline : cut.pipelines) {
    check_equal(chunks_in(pipeline), 1, "stages of each worker before they are cut finer");
    const int ranks = static_cast<int>(pipeline.stages.size());
    const int stages = ranks * form.chunks;
    if (stages > static_cast<int>(layer_costs.size())) continue;
    const std::vector<LayerRange> ranges = balance(layer_costs, stages);
    const Schedule schedule = placed(ranks, form);
    std::vector<StageAssignment> finer(ranges.size());
    for (int rank = 0; rank < ranks; ++rank) {
      for (int chunk = 0; chunk < form.chunks; ++chunk) {
        const auto stage = static_cast<std::size_t>(schedule.stage_of(rank, chunk));
        finer[stage] = {ranges[stage], pipeline.stages[static_cast<std::size_t>(rank)].worker};
      }
    }
    pipeline.stages = std::move(finer);
  }
  return cut;
}

}  // namespace planaria
