// protocol/layer_costs.hpp: what the run's layers take. Private to protocol.
// Is: the profile's numbers where there is one, else what the model says of itself. Is not: a price
// of a layout (schedule_choice.hpp, planner/).
#pragma once

#include <vector>

#include <planaria/base/result.hpp>
#include <planaria/model/layout.hpp>
#include <planaria/protocol/coordinator.hpp>
#include <planaria/schedule/simulate.hpp>

namespace planaria::protocol {

/// Proves that the profile, if there is one, is of the run's model at its micro-batch size:
/// "profile: layers[3].name: block7, must be head, as the model has it".
[[nodiscard]] Result<void> verify_profile(const CoordinatorState& state);

/// F, B and W of these layers for one micro-batch, no sends: in ms by the profile; without one, a
/// third each of the costs that the model states, in their unit. Requires a proven profile.
[[nodiscard]] StageCosts costs_of_layers(const CoordinatorState& state, LayerRange layers);
/// F, B and W together, of each layer.
[[nodiscard]] std::vector<double> layer_costs(const CoordinatorState& state);

}  // namespace planaria::protocol
