// What the view gives a simulated worker to do, and to give.
#include "protocol/toy_process.hpp"

#include <fmt/format.h>

namespace planaria::protocol {

bool ToyProcess::carry_out(const agent::SendCopies& command) {
  send_moves(command.moves, command.level);
  return true;
}

void ToyProcess::send_moves(const std::vector<Move>& moves, Step level) {
  for (const Move& move : moves) {
    if (move.from != self_) continue;
    const auto held = store_.held().find(move.layer);
    if (held == store_.held().end() || held->second.level != level) {
      world_.breaks(
          fmt::format("worker {} has to send layer {} at level {}, which it does not hold",
                      self_.value, move.layer.value, level.value));
      continue;
    }
    world_.send(move.to,
                {ToyFrame::Kind::state, ViewNumber{0}, level, move.layer, held->second.state});
  }
}

std::set<LayerId> ToyProcess::active_layers() const {
  const std::vector<LayerId> computed = computed_by(view_.layout, self_);
  return {computed.begin(), computed.end()};
}

std::set<LayerId> ToyProcess::role_layers() const {
  std::set<LayerId> layers = active_layers();
  for (const LayerId layer : shadowed_by(view_.layout, self_)) layers.insert(layer);
  return layers;
}

std::set<WorkerId> ToyProcess::beside(Pipelines which) const {
  std::set<WorkerId> others;
  for (const Place& place : places_of(view_.layout, self_)) {
    if (which == Pipelines::with_lanes && work_->lanes_of(place.pipeline).empty()) continue;
    const auto& pipeline = view_.layout.pipelines[static_cast<std::size_t>(place.pipeline)];
    for (const StageAssignment& stage : pipeline.stages) others.insert(stage.worker);
  }
  others.erase(self_);
  return others;
}

}  // namespace planaria::protocol
