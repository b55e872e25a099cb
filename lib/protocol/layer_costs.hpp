// protocol/layer_costs.hpp: what the run's layers take. Private to protocol.
// Is: the profile's numbers where there is one, else what the model says of itself. Is not: a price
// of a layout (schedule_choice.hpp, planner/).
#pragma once

#include <planaria/base/result.hpp>
#include <planaria/model/layout.hpp>
#include <planaria/protocol/coordinator.hpp>
#include <planaria/schedule/simulate.hpp>

namespace planaria::protocol {

/// Proves that the profile is of the run's model at its micro-batch size, or, where none is given,
/// that the model states costs: "profile: layers[3].name: block7, must be head, as the model has
/// it", "layers[3].cost: -1, must be a finite number from 0".
[[nodiscard]] Result<void> verify_profile(const CoordinatorState& state);
/// Returns the profile that was given, or one of the costs that the model states of its layers.
/// Requires the run's spec.
[[nodiscard]] Profile profile_for(const CoordinatorState& state);

/// F, B and W of these layers for one micro-batch, no sends: in ms by the profile that was given,
/// else in the unit of the costs that the model states.
[[nodiscard]] StageCosts costs_of_layers(const CoordinatorState& state, LayerRange layers);

}  // namespace planaria::protocol
