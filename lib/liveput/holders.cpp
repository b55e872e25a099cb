#include <planaria/liveput/holders.hpp>

#include <algorithm>
#include <cstdint>
#include <map>
#include <set>

#include <fmt/format.h>

namespace planaria {
namespace {

constexpr std::int64_t cells_max = 20'000'000;  // runs of layers x pipelines

int layers_of(const Layout& layout) {
  if (layout.pipelines.empty() || layout.pipelines.front().stages.empty()) return 0;
  return layout.pipelines.front().stages.back().layers.last.value + 1;
}

int micro_batches_of(const Layout& layout) {
  std::int64_t sum = 0;
  for (const PipelineAssignment& pipeline : layout.pipelines) sum += pipeline.micro_batches;
  return static_cast<int>(std::min<std::int64_t>(sum, INT32_MAX));
}

// The first layer of each run in which nobody's holding changes.
std::set<LayerId> first_layers_of_runs(const Layout& layout) {
  std::set<LayerId> firsts;
  for (const PipelineAssignment& pipeline : layout.pipelines) {
    for (const StageAssignment& stage : pipeline.stages) firsts.insert(stage.layers.first);
  }
  const LayerId end{layers_of(layout)};
  for (const ShadowAssignment& shadow : layout.shadows) {
    for (const LayerId layer : shadow.layers) {
      firsts.insert(layer);
      if (layer.next() < end) firsts.insert(layer.next());
    }
  }
  return firsts;
}

}  // namespace

Holders grid_holders(const GridShape& grid) {
  check(grid.width >= 1 && grid.depth >= 1, "a grid has a pipeline of a stage");
  check(grid.workers / grid.depth >= grid.width, "a grid's workers suffice");
  Holders holders;
  holders.workers = grid.workers;
  holders.of_layers.resize(static_cast<std::size_t>(grid.depth));
  for (int worker = 0; worker < grid.width * grid.depth; ++worker) {
    holders.of_layers[static_cast<std::size_t>(worker % grid.depth)].emplace_back(worker);
  }
  return holders;
}

Result<Holders> holders_of(const Layout& layout, int workers) {
  PLANARIA_TRY_VOID(verify(layout, {.layers = layers_of(layout),
                                    .micro_batches = micro_batches_of(layout),
                                    .lane_size = 1,
                                    .workers = workers}));
  const std::set<LayerId> firsts = first_layers_of_runs(layout);
  const auto cells = static_cast<std::int64_t>(firsts.size() * layout.pipelines.size());
  if (cells > cells_max) {
    return Fault::exhausted(
        fmt::format("pipelines: {} of {} runs of layers, must be at most {} together",
                    layout.pipelines.size(), firsts.size(), cells_max));
  }
  std::map<LayerId, std::vector<WorkerId>> shadowing;
  for (const ShadowAssignment& shadow : layout.shadows) {
    for (const LayerId layer : shadow.layers) shadowing[layer].push_back(shadow.worker);
  }
  std::vector<std::size_t> stage_at(layout.pipelines.size(), 0);
  Holders holders;
  holders.workers = workers;
  for (const LayerId first : firsts) {
    std::vector<WorkerId> of_run;
    for (std::size_t i = 0; i < layout.pipelines.size(); ++i) {
      const auto& stages = layout.pipelines[i].stages;
      while (stages[stage_at[i]].layers.last < first) ++stage_at[i];
      of_run.push_back(stages[stage_at[i]].worker);
    }
    const auto shadows = shadowing.find(first);
    if (shadows != shadowing.end()) {
      of_run.insert(of_run.end(), shadows->second.begin(), shadows->second.end());
    }
    std::sort(of_run.begin(), of_run.end());
    of_run.erase(std::unique(of_run.begin(), of_run.end()), of_run.end());
    holders.of_layers.push_back(std::move(of_run));
  }
  return holders;
}

int fewest_holders(const Holders& holders) {
  check(!holders.of_layers.empty(), "there is a layer");
  std::size_t fewest = holders.of_layers.front().size();
  for (const auto& of_layer : holders.of_layers) fewest = std::min(fewest, of_layer.size());
  return static_cast<int>(fewest);
}

}  // namespace planaria
