// liveput/frontier.hpp: the exact probabilities of layers whose holders overlap. Private.
// Is: a dynamic program over holders in the order in which they close sets of layers (a frontier,
// or transfer-matrix, method). Is not: an enumeration of who is lost.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include <planaria/base/result.hpp>

#include "liveput/components.hpp"
#include "liveput/loss_rows.hpp"

namespace planaria {

/// What is left of SurvivalLimits.
class SurvivalBudget {
 public:
  SurvivalBudget(std::int64_t cells_max, std::int64_t products_max)
      : cells_max_(cells_max), products_max_(products_max), products_left_(products_max) {}
  /// Returns exhausted, "survival: <what> needs more than …", beyond the limit.
  [[nodiscard]] Result<void> hold_cells(std::int64_t cells, const std::string& what) const;
  [[nodiscard]] Result<void> spend(std::int64_t products, const std::string& what);

 private:
  std::int64_t cells_max_;
  std::int64_t products_max_;
  std::int64_t products_left_;
};

/// A class of holders whose fate is decided, and the sets that are open then: some of their holders
/// are decided, some are not.
struct FrontierStep {
  int holder_class = 0;
  std::vector<int> open;  // ascending
};

/// Returns the classes in the order in which to decide them. It begins with the first set; of those
/// that are open the one is closed next that opens the fewest others, the first of them in the
/// layers' order: in pipelines without chunks, layer by layer.
[[nodiscard]] std::vector<FrontierStep> frontier_order(const Component& component);

struct RowRequest {
  int replicas = 1;
  int losses_max = 0;
};

/// Returns the probability that each set keeps at least `replicas` live holders, by the number of
/// the component's workers that are lost, up to losses_max. A state is how many live holders each
/// open set still needs; each has a row: the probability of being there, given how many of those
/// decided are lost. O(states x losses) for each worker.
[[nodiscard]] Result<LossRow> component_row(const Component& component,
                                            const std::vector<FrontierStep>& order,
                                            const RowRequest& request, SurvivalBudget& budget);

}  // namespace planaria
