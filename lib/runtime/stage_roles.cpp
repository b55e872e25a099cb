// Which layers a worker holds, how they come and go, and how a late state is brought level.
#include <algorithm>

#include <ATen/ATen.h>
#include <fmt/format.h>

#include <planaria/base/check.hpp>

#include "runtime/stage.hpp"

namespace planaria::runtime {
namespace {

auto position_of(auto& layers, LayerId id) {
  return std::lower_bound(layers.begin(), layers.end(), id,
                          [](const HeldLayer& held, LayerId wanted) { return held.id < wanted; });
}

}  // namespace

bool Stage::holds(LayerId layer) const {
  const auto found = position_of(layers_, layer);
  return found != layers_.end() && found->id == layer;
}

HeldLayer& Stage::layer(LayerId id) {
  check(holds(id), "a layer this worker does not hold");
  return *position_of(layers_, id);
}

Step Stage::level_of(LayerId layer) const {
  check(holds(layer), "the level of a layer this worker does not hold");
  return position_of(layers_, layer)->level;
}

std::set<LayerId> Stage::held() const {
  std::set<LayerId> held;
  for (const HeldLayer& layer : layers_) held.insert(layer.id);
  return held;
}

void Stage::drop(LayerId layer) {
  check(!computes(layer), "a layer that computes is to be dropped");
  filling_.forget(layer);
  if (holds(layer)) layers_.erase(position_of(layers_, layer));
}

void Stage::hold(HeldLayer held) {
  if (holds(held.id)) {
    layer(held.id) = std::move(held);
  } else {
    layers_.insert(position_of(layers_, held.id), std::move(held));
  }
}

DescribedTensors Stage::copy_state(LayerId layer) const {
  check(holds(layer), "the state of a layer this worker does not hold");
  const at::NoGradGuard no_grad;
  DescribedTensors copy = position_of(layers_, layer)->state();
  for (auto& [info, tensor] : copy) {
    tensor = tensor.is_cpu() ? tensor.detach().clone() : on_host(tensor.detach());
  }
  return copy;
}

Result<void> Stage::install(LayerId layer, Step level, const DescribedTensors& state) {
  PLANARIA_TRY_VOID(filling_.verify_reach(layer, level));
  // No tied source is built for it: what it would have started from is in the state.
  PLANARIA_TRY(held, build_layer(layer));
  PLANARIA_TRY_VOID(held.load(state));
  PLANARIA_TRY_VOID(verify_kept(held));
  held.level = level;
  PLANARIA_TRY_VOID(catch_up(held));
  hold(std::move(held));
  return {};
}

Result<void> Stage::verify_kept(const HeldLayer& held) const {
  const auto* kept = filling_.kept_of(held.id);
  if (kept == nullptr) return {};
  for (const auto& [step, gradients] : *kept) {
    PLANARIA_TRY_VOID(held.verify_gradients(gradients, options_.trainer->micro_batches));
  }
  return {};
}

// Does the steps again that were committed while the state travelled; the one in flight waits for
// its record.
Result<void> Stage::catch_up(HeldLayer& held) {
  for (Filling::Missed& missed : filling_.take(held.id, held.level)) {
    held.take(missed.step, std::move(missed.gradients), options_.trainer->micro_batches);
    if (!missed.record) break;
    try {
      apply_to(held, *missed.record);
    } catch (const std::exception& error) {
      return Fault::unavailable(fmt::format("layer {}: step {} could not be applied again: {}",
                                            held.definition->name, missed.step.value,
                                            sentence_of(error)));
    }
  }
  return {};
}

Result<bool> Stage::shadow(LayerId layer, Step step, StepGradients gradients) {
  if (!holds(layer) || level_of(layer).next() < step) {
    keep(layer, step, std::move(gradients));
    return false;
  }
  HeldLayer& held = this->layer(layer);
  if (held.level.next() != step) return false;  // its state came from a holder that was ahead
  PLANARIA_TRY_VOID(held.verify_gradients(gradients, options_.trainer->micro_batches));
  held.take(step, std::move(gradients), options_.trainer->micro_batches);
  // As good as the sum of the layer's own lanes, where no other layer's is in it.
  if (!takes_part_in_tie(held)) {
    held.fold.emplace(tree_);
    held.fold->put(tree_.root(), held.reduced, add_gradients);
  }
  return true;
}

void Stage::keep(LayerId layer, Step step, StepGradients gradients) {
  filling_.keep(layer, step, std::move(gradients));
}

}  // namespace planaria::runtime
