// Who holds which states in a layout, and what they weigh.
#pragma once

#include <cstdint>
#include <vector>

#include <planaria/model/profile.hpp>
#include <planaria/planner/replan.hpp>

namespace planaria {

/// What each layer's parameters and optimizer state weigh.
inline std::vector<std::int64_t> state_bytes(const Profile& profile) {
  std::vector<std::int64_t> bytes;
  for (const LayerProfile& layer : profile.layers) {
    bytes.push_back(layer.parameter_bytes + layer.state_bytes);
  }
  return bytes;
}

/// Who computes or shadows what holds it.
inline LayerHolders holders_of(const Layout& layout) {
  LayerHolders holders;
  for (const PipelineAssignment& pipeline : layout.pipelines) {
    for (const StageAssignment& stage : pipeline.stages) {
      for (LayerId at = stage.layers.first; at <= stage.layers.last; at = at.next()) {
        holders[at].insert(stage.worker);
      }
    }
  }
  for (const ShadowAssignment& shadow : layout.shadows) {
    for (const LayerId at : shadow.layers) holders[at].insert(shadow.worker);
  }
  return holders;
}

}  // namespace planaria
