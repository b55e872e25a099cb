// protocol/layout_choice.hpp: the layouts of the first view and of views after a loss. Private to
// protocol.
#pragma once

#include <string>
#include <vector>

#include <planaria/planner/replan.hpp>
#include <planaria/protocol/coordinator.hpp>

namespace planaria::protocol {

/// A layout, the states that it needs first, and where it comes from.
struct Choice {
  Layout layout;
  std::vector<Move> moves;
  std::string explanation;
  std::string schedule = {};  // of all pipelines, where the plan has chosen it
};

/// The layout asked for, or the planner's; shadows are placed unless the user has.
[[nodiscard]] Result<Choice> first_layout(const CoordinatorState& state);
/// What `workers`, who are left, compute: as much as possible by promotion, since everybody waits,
/// or with micro-batches re-routed, where that moves fewer states or is faster; as before, where
/// nobody with a role is gone.
[[nodiscard]] Result<Choice> layout_after_loss(const CoordinatorState& state,
                                               const std::vector<WorkerId>& workers);

/// Whether every worker with a role is among `workers`, which ascend.
[[nodiscard]] bool all_among(const Layout& layout, const std::vector<WorkerId>& workers);
/// The kind of schedule that layouts are planned for: the one asked for, or one that stands as the
/// asked-for text does, if any.
[[nodiscard]] std::string schedule_to_plan_by(const CoordinatorOptions& options);
/// What replan() is asked for the cluster's workers; prices are the caller's to set.
[[nodiscard]] ReplanRequest replan_request(const CoordinatorState& state, const Cluster& cluster);
/// The workers as the planner sees them: alike.
[[nodiscard]] Cluster cluster_of(const CoordinatorState& state,
                                 const std::vector<WorkerId>& workers);
/// Plans the best pipelines for one worker fewer, one more, or as many as there are, whichever is
/// the first not known yet; returns for how many, or nothing where all are known. Nobody waits.
std::optional<int> plan_ahead(CoordinatorState& state);
/// Proves that the layout fits the run and names no worker that never was.
[[nodiscard]] Result<void> verify_layout(const CoordinatorState& state, const Layout& layout);

}  // namespace planaria::protocol
