// Proves that a layout fits a run. Shares no code with whoever made it.
#include <algorithm>
#include <map>
#include <set>

#include <fmt/format.h>

#include <planaria/base/text.hpp>
#include <planaria/model/layout.hpp>

namespace planaria {
namespace {

std::string stage_path(std::size_t pipeline, std::size_t stage) {
  return fmt::format("pipelines[{}].stages[{}]", pipeline, stage);
}

Result<void> verify_requirements(const LayoutRequirements& requirements) {
  const auto at_least_one = [](const char* name, int value) -> Result<void> {
    if (value >= 1) return {};
    return Fault::invalid_input(fmt::format("{}: {}, must be at least 1", name, value));
  };
  PLANARIA_TRY_VOID(at_least_one("layers", requirements.layers));
  PLANARIA_TRY_VOID(at_least_one("micro_batches", requirements.micro_batches));
  PLANARIA_TRY_VOID(at_least_one("lane_size", requirements.lane_size));
  return at_least_one("workers", requirements.workers);
}

Result<void> verify_worker(WorkerId worker, const std::string& path, int workers) {
  if (worker.value >= 0 && worker.value < workers) return {};
  return Fault::invalid_input(
      fmt::format("{}.worker: {}, must be 0 to {}", path, worker.value, workers - 1));
}

// Every layer once, in order: each stage begins where the one before it ended.
Result<void> verify_stages(const PipelineAssignment& pipeline, std::size_t index, int layers) {
  if (pipeline.stages.empty()) {
    return Fault::invalid_input(
        fmt::format("pipelines[{}].stages: none, must be at least 1", index));
  }
  int next = 0;
  for (std::size_t stage = 0; stage < pipeline.stages.size(); ++stage) {
    const LayerRange range = pipeline.stages[stage].layers;
    if (next >= layers) {
      return Fault::invalid_input(fmt::format(
          "{}: layers {} to {}, must not be there: the stages before it hold all {}",
          stage_path(index, stage), range.first.value, range.last.value, counted(layers, "layer")));
    }
    if (range.first.value != next) {
      return Fault::invalid_input(
          fmt::format("{}.first_layer: {}, must be {}, the layer that follows",
                      stage_path(index, stage), range.first.value, next));
    }
    if (range.last.value < next || range.last.value >= layers) {
      return Fault::invalid_input(fmt::format("{}.last_layer: {}, must be {} to {}",
                                              stage_path(index, stage), range.last.value, next,
                                              layers - 1));
    }
    next = range.last.value + 1;
  }
  if (next == layers) return {};
  return Fault::invalid_input(fmt::format("{}.last_layer: {}, must be {}, the last layer",
                                          stage_path(index, pipeline.stages.size() - 1), next - 1,
                                          layers - 1));
}

// Whole lanes each, and all of the step's micro-batches together.
Result<void> verify_shares(const Layout& layout, const LayoutRequirements& requirements) {
  std::int64_t sum = 0;
  for (std::size_t index = 0; index < layout.pipelines.size(); ++index) {
    const int share = layout.pipelines[index].micro_batches;
    if (share < 1) {
      return Fault::invalid_input(
          fmt::format("pipelines[{}].micro_batches: {}, must be at least 1", index, share));
    }
    sum += share;
    if (sum > requirements.micro_batches) break;
    if (sum % requirements.lane_size != 0 && sum != requirements.micro_batches) {
      return Fault::invalid_input(
          fmt::format("pipelines[{}].micro_batches: {}, must be whole lanes of {}", index, share,
                      requirements.lane_size));
    }
  }
  if (sum == requirements.micro_batches) return {};
  return Fault::invalid_input(fmt::format("pipelines: shares of {}{} micro-batches, must sum to {}",
                                          sum > requirements.micro_batches ? "at least " : "", sum,
                                          requirements.micro_batches));
}

// A worker has its stages once: all its pipelines cut the layers alike and have it at the same
// places.
Result<void> verify_shared(const Layout& layout, WorkerId worker, std::size_t first,
                           std::size_t other) {
  const auto& stages = layout.pipelines[first].stages;
  const auto& others = layout.pipelines[other].stages;
  const auto refused = [&](std::size_t stage, const std::string& must) {
    return Fault::invalid_input(
        fmt::format("{}.worker: {}, must not be that of pipelines[{}] too: {}",
                    stage_path(other, stage), worker.value, first, must));
  };
  for (std::size_t stage = 0; stage < others.size(); ++stage) {
    if (others[stage].worker != worker) continue;
    if (stages.size() != others.size()) {
      return refused(stage,
                     fmt::format("it has {}, this one {}",
                                 counted(static_cast<int>(stages.size()), "stage"), others.size()));
    }
    for (std::size_t i = 0; i < stages.size(); ++i) {
      if (stages[i].layers != others[i].layers) {
        return refused(stage, fmt::format("they have other layers in stage {}", i));
      }
      if ((stages[i].worker == worker) != (others[i].worker == worker)) {
        return refused(stage, fmt::format("the worker is in stage {} of one alone", i));
      }
    }
    return {};
  }
  return {};
}

Result<void> verify_active_workers(const Layout& layout, int workers) {
  std::map<WorkerId, std::size_t> seen;  // its first pipeline
  for (std::size_t index = 0; index < layout.pipelines.size(); ++index) {
    const auto& stages = layout.pipelines[index].stages;
    for (std::size_t stage = 0; stage < stages.size(); ++stage) {
      PLANARIA_TRY_VOID(verify_worker(stages[stage].worker, stage_path(index, stage), workers));
      const auto [known, is_new] = seen.emplace(stages[stage].worker, index);
      if (is_new || known->second == index) continue;
      PLANARIA_TRY_VOID(verify_shared(layout, known->first, known->second, index));
    }
  }
  return {};
}

Result<void> verify_shadow(const ShadowAssignment& shadow, const std::string& path,
                           const Layout& layout, int layers) {
  const std::vector<LayerId> computed = computed_by(layout, shadow.worker);
  std::set<LayerId> seen;
  for (std::size_t i = 0; i < shadow.layers.size(); ++i) {
    const LayerId layer = shadow.layers[i];
    const auto refused = [&](const std::string& why) {
      return Fault::invalid_input(fmt::format("{}.layers[{}]: {}, {}", path, i, layer.value, why));
    };
    if (layer.value < 0 || layer.value >= layers) {
      return refused(fmt::format("must be 0 to {}", layers - 1));
    }
    if (!seen.insert(layer).second) return refused("must not be there twice");
    if (std::find(computed.begin(), computed.end(), layer) != computed.end()) {
      return refused(
          fmt::format("must not be a layer that worker {} computes", shadow.worker.value));
    }
  }
  return {};
}

Result<void> verify_shadows(const Layout& layout, const LayoutRequirements& requirements) {
  std::set<WorkerId> seen;
  for (std::size_t index = 0; index < layout.shadows.size(); ++index) {
    const ShadowAssignment& shadow = layout.shadows[index];
    const std::string path = fmt::format("shadows[{}]", index);
    PLANARIA_TRY_VOID(verify_worker(shadow.worker, path, requirements.workers));
    if (!seen.insert(shadow.worker).second) {
      return Fault::invalid_input(
          fmt::format("{}.worker: {}, must not be there twice", path, shadow.worker.value));
    }
    PLANARIA_TRY_VOID(verify_shadow(shadow, path, layout, requirements.layers));
  }
  return {};
}

}  // namespace

Result<void> verify(const Layout& layout, const LayoutRequirements& requirements) {
  PLANARIA_TRY_VOID(verify_requirements(requirements));
  if (layout.pipelines.empty()) {
    return Fault::invalid_input("pipelines: none, must be at least 1");
  }
  for (std::size_t index = 0; index < layout.pipelines.size(); ++index) {
    PLANARIA_TRY_VOID(verify_stages(layout.pipelines[index], index, requirements.layers));
  }
  PLANARIA_TRY_VOID(verify_shares(layout, requirements));
  PLANARIA_TRY_VOID(verify_active_workers(layout, requirements.workers));
  return verify_shadows(layout, requirements);
}

}  // namespace planaria
