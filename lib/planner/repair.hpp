// The pipelines there were, without the workers that are gone.
#pragma once

#include <vector>

#include "planner/holdings.hpp"

namespace planaria {

/// A run of lost stages with a stage left on at least one side. A cut gives the first `cut` of its
/// layers to the stage before, the rest to the stage behind.
struct LostRun {
  std::size_t pipeline = 0;
  std::size_t first_stage = 0;
  std::size_t last_stage = 0;
  LayerRange layers;
  int cut_least = 0;  // all of them where there is no stage behind
  int cut_most = 0;   // 0 where there is no stage before
  [[nodiscard]] int cuts() const { return cut_most - cut_least + 1; }
};

class Repair {
 public:
  /// Borrows both.
  Repair(const Layout& before, const Holdings& holdings);

  /// Tells whether any pipeline has a stage left.
  [[nodiscard]] bool possible() const { return possible_; }
  [[nodiscard]] const std::vector<LostRun>& runs() const { return runs_; }
  /// Returns for each run the cut that lets fewest bytes be transferred, of equals the lowest.
  [[nodiscard]] std::vector<int> cuts_of_fewest_bytes() const;
  /// Returns the pipelines with runs cut so; lost pipelines dropped, shares not set.
  [[nodiscard]] Layout with_cuts(const std::vector<int>& cuts) const;
  /// Returns the pipelines of which no stage is lost, shares not set.
  [[nodiscard]] Layout complete_pipelines() const;

 private:
  [[nodiscard]] bool lost(const StageAssignment& stage) const {
    return !holdings_.number_of(stage.worker).has_value();
  }
  void find_runs(std::size_t pipeline);

  const Layout& before_;
  const Holdings& holdings_;
  std::vector<LostRun> runs_;  // in the order of pipelines and stages
  bool possible_ = false;
};

}  // namespace planaria
