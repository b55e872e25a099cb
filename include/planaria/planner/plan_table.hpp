// planner/plan_table.hpp: plans made ahead for every number of workers. Floor 3, pure. Any thread.
// Is: best_plan() for all numbers of workers alike, so that a loss needs no search. Is not: for
// workers of different kinds, whose plans depend on who is left (best_plan.hpp, placement.hpp).
#pragma once

#include <functional>
#include <vector>

#include <planaria/base/result.hpp>
#include <planaria/planner/best_plan.hpp>
#include <planaria/planner/placement.hpp>

namespace planaria {

/// Refuses workers that are not alike, "cluster: workers 3 and 7 differ, must be alike": in speed
/// and memory, and, where `places_count` or there are links, in one zone on hosts of their own.
[[nodiscard]] Result<void> check_alike(const Cluster& cluster, bool places_count);
/// Returns the first `count` of the cluster's workers, numbered from 0. Requires as many.
[[nodiscard]] Cluster first_workers(const Cluster& cluster, int count);

class PlanTable {
 public:
  /// Plans for every number of workers of `request.cluster`, all and fewer, down to the last for
  /// which something fits. Their micro-batch and lane size are those of the plan for all, where
  /// they are not given: a run cannot change them. No plan is worse than one for fewer workers.
  /// Effort for proofs is a tenth of best_plan()'s, so fewer plans are known to be optimal.
  /// `request.keep_going` and `explain` are not used; where `keep_on` answers false, what was
  /// planned until then is all there is. invalid_input: as best_plan(), and "cluster: workers 3 and
  /// 7 differ, must be alike" (in speed and memory, and, with links or shadows, in one zone on
  /// hosts of their own). infeasible: nothing fits for all.
  [[nodiscard]] static Result<PlanTable> of(const BestPlanRequest& request,
                                            const std::function<bool()>& keep_on = {});

  /// The fewest workers there is a plan for.
  [[nodiscard]] int workers_min() const { return workers_min_; }
  [[nodiscard]] int workers_max() const {
    return workers_min_ + static_cast<int>(plans_.size()) - 1;
  }
  /// Returns the plan for so many workers, numbered from 0. Requires workers_min() to
  /// workers_max(). O(1).
  [[nodiscard]] const Plan& plan(int workers) const;

  struct Reaction {
    Plan plan;               // by those workers that are left
    std::int64_t bytes = 0;  // of state that its workers lack
  };
  /// Returns the plan for the workers that are left, each in the place where the fewest bytes move:
  /// a look-up and place_workers(), whose faults it has. `before` is who stood where. infeasible:
  /// "workers: 3, must be at least 5: nothing fits on fewer". More workers than there are plans
  /// for: as many as there are, the last idle.
  [[nodiscard]] Result<Reaction> reaction(const std::vector<WorkerId>& workers,
                                          const std::vector<std::int64_t>& layer_bytes,
                                          const LayerHolders& holders,
                                          const Layout* before = nullptr) const;

 private:
  int workers_min_ = 1;
  std::vector<Plan> plans_;
};

}  // namespace planaria
