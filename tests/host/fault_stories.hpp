// tests/host/fault_stories.hpp: orders and small layouts for stories about faults.
#pragma once

#include <string>
#include <vector>

#include <planaria/host/faults.hpp>

namespace planaria::host {

/// Returns the first order that `text` gives.
inline FaultOrder order_of(const std::string& text) {
  return faults_from_text(text).value().orders.at(0);
}

/// Returns one pipeline whose stages, of two layers each, are the workers' in turn.
inline Layout layout_of(const std::vector<int>& stages,
                        const std::vector<ShadowAssignment>& shadows) {
  Layout layout{.pipelines = {{.micro_batches = 4, .stages = {}}}, .shadows = shadows};
  int layer = 0;
  for (const int worker : stages) {
    layout.pipelines[0].stages.push_back({{LayerId{layer}, LayerId{layer + 1}}, WorkerId{worker}});
    layer += 2;
  }
  return layout;
}

/// Returns a shadow of two layers, as many as a stage of layout_of() has.
inline ShadowAssignment shadow(int worker, int first_layer) {
  return {WorkerId{worker}, {LayerId{first_layer}, LayerId{first_layer + 1}}};
}

}  // namespace planaria::host
