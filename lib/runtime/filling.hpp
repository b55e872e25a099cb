// runtime/filling.hpp: gradients kept for layers whose state is still on its way. Private.
// Is: per layer the steps' gradients, and beside them the records that tell how to apply them. Is
// not: the arithmetic (Stage::install does it) nor how the state travels.
#pragma once

#include <map>
#include <optional>
#include <set>
#include <utility>
#include <vector>

#include <planaria/base/ids.hpp>
#include <planaria/base/result.hpp>
#include <planaria/protocol/messages.hpp>

#include "runtime/held_layer.hpp"

namespace planaria::runtime {

/// Holds gradients from a layer's first keep() until take() or forget(). Memory: one gradient a
/// step and layer.
class Filling {
 public:
  /// Keeps the gradient of `step`; the newer one where a step comes twice (its bits are the same).
  void keep(LayerId layer, Step step, StepGradients gradients);
  /// Hears every record, and keeps those that something kept may need.
  void note(const protocol::CommitRecord& record);

  /// One step to be done again; no record: it is the step in flight.
  struct Missed {
    Step step;
    StepGradients gradients;
    std::optional<protocol::CommitRecord> record;
  };
  /// Proves that a state at `level` can be brought to the level of the last record noted: every
  /// step behind it is kept. stale_view names the step that is missing.
  [[nodiscard]] Result<void> verify_reach(LayerId layer, Step level) const;
  /// Returns what is kept for the layer, by step; null where nothing is.
  [[nodiscard]] const std::map<Step, StepGradients>* kept_of(LayerId layer) const;
  /// Takes out, in order, what a state at `level` misses; what is older goes. The layer is no
  /// longer being filled. Requires verify_reach().
  [[nodiscard]] std::vector<Missed> take(LayerId layer, Step level);

  void forget(LayerId layer);
  void forget_all();
  /// Forgets the last record too: everything begins again at level 0.
  void restart();
  /// The layers something is kept for.
  [[nodiscard]] std::set<LayerId> layers() const;

 private:
  std::map<LayerId, std::map<Step, StepGradients>> kept_;
  std::map<Step, protocol::CommitRecord> records_;  // empty where nothing is kept
  Step last_{0};                                    // record noted, whatever was kept then
};

}  // namespace planaria::runtime
