#include "planner/repair.hpp"

#include <algorithm>
#include <limits>
#include <utility>

namespace planaria {

Repair::Repair(const Layout& before, const Holdings& holdings)
    : before_(before), holdings_(holdings) {
  for (std::size_t pipeline = 0; pipeline < before.pipelines.size(); ++pipeline) {
    find_runs(pipeline);
  }
}

void Repair::find_runs(std::size_t pipeline) {
  const auto& stages = before_.pipelines[pipeline].stages;
  for (std::size_t first = 0; first < stages.size(); ++first) {
    if (!lost(stages[first])) {
      possible_ = true;
      continue;
    }
    std::size_t last = first;
    while (last + 1 < stages.size() && lost(stages[last + 1])) ++last;
    const bool any_before = first > 0;
    const bool any_behind = last + 1 < stages.size();
    if (any_before || any_behind) {
      LostRun run{pipeline, first, last, {stages[first].layers.first, stages[last].layers.last}};
      run.cut_least = any_behind ? 0 : run.layers.size();
      run.cut_most = any_before ? run.layers.size() : 0;
      runs_.push_back(run);
    }
    first = last;
  }
}

std::vector<int> Repair::cuts_of_fewest_bytes() const {
  std::vector<int> cuts;
  for (const LostRun& run : runs_) {
    const auto& stages = before_.pipelines[run.pipeline].stages;
    const auto bytes_of = [&](int cut) {
      std::int64_t bytes = 0;
      const LayerId first_behind = run.layers.first.next(cut);
      if (cut > 0) {
        const auto worker = holdings_.number_of(stages[run.first_stage - 1].worker);
        bytes += holdings_.lacking_bytes(*worker, {run.layers.first, first_behind.next(-1)});
      }
      if (cut < run.layers.size()) {
        const auto worker = holdings_.number_of(stages[run.last_stage + 1].worker);
        bytes += holdings_.lacking_bytes(*worker, {first_behind, run.layers.last});
      }
      return bytes;
    };
    int best = run.cut_least;
    for (int cut = best; cut <= run.cut_most; ++cut) {
      if (bytes_of(cut) < bytes_of(best)) best = cut;
    }
    cuts.push_back(best);
  }
  return cuts;
}

Layout Repair::with_cuts(const std::vector<int>& cuts) const {
  Layout repaired{.pipelines = before_.pipelines};
  for (std::size_t i = 0; i < runs_.size(); ++i) {
    const LostRun& run = runs_[i];
    auto& stages = repaired.pipelines[run.pipeline].stages;
    const LayerId first_behind = run.layers.first.next(cuts[i]);
    if (run.first_stage > 0) {
      stages[run.first_stage - 1].layers.last = first_behind.next(-1);
    }
    if (run.last_stage + 1 < stages.size()) {
      stages[run.last_stage + 1].layers.first = first_behind;
    }
  }
  for (auto& pipeline : repaired.pipelines) {
    std::erase_if(pipeline.stages, [this](const StageAssignment& stage) { return lost(stage); });
  }
  std::erase_if(repaired.pipelines,
                [](const PipelineAssignment& pipeline) { return pipeline.stages.empty(); });
  return repaired;
}

Layout Repair::complete_pipelines() const {
  Layout complete;
  for (const PipelineAssignment& pipeline : before_.pipelines) {
    if (std::none_of(pipeline.stages.begin(), pipeline.stages.end(),
                     [this](const StageAssignment& stage) { return lost(stage); })) {
      complete.pipelines.push_back(pipeline);
    }
  }
  return complete;
}

}  // namespace planaria
