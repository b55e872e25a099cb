// protocol/replan_request.hpp: the run as the planner is asked about it. Private to protocol.
#pragma once

#include <planaria/planner/replan.hpp>
#include <planaria/protocol/coordinator.hpp>

namespace planaria::protocol {

/// What replan() is asked for `workers`; prices are the caller's to set.
[[nodiscard]] ReplanRequest replan_request(const CoordinatorState& state,
                                           const std::vector<WorkerId>& workers);
/// Proves that the layout fits the run and names no worker that never was.
[[nodiscard]] Result<void> verify_layout(const CoordinatorState& state, const Layout& layout);

}  // namespace planaria::protocol
