// Backward through a chunk, whole or in halves, and what becomes of weight gradients.
#include <algorithm>
#include <utility>

#include <ATen/ATen.h>
#include <fmt/format.h>
#include <torch/csrc/autograd/autograd.h>

#include <planaria/base/check.hpp>

#include "runtime/stage.hpp"
#include "runtime/tensors.hpp"

namespace planaria::runtime {

LayerId Stage::lowest_of_backward(WorkPlace at) const {
  return std::max(range(at.chunk).first, work_->lowest_needed(at.micro_batch));
}

Result<Tensors> Stage::backward_input(WorkPlace at, Tensors gradients) {
  return backward_through('B', at, std::move(gradients), Halves::input);
}

Result<Tensors> Stage::backward(WorkPlace at, Tensors gradients) {
  return backward_through('G', at, std::move(gradients), Halves::both);
}

Result<Tensors> Stage::backward_through(char kind, WorkPlace at, Tensors gradients, Halves halves) {
  move_here(gradients);
  const LayerId lowest = lowest_of_backward(at);
  const LayerId last = range(at.chunk).last;
  tell_action(kind, at.micro_batch, last, lowest);
  for (LayerId id = last; id >= lowest; id = LayerId{id.value - 1}) {
    HeldLayer& held = layer(id);
    PLANARIA_TRY(passed, guarded(at.micro_batch, id, [&] {
                   tell_layer(kind, at.micro_batch, id);
                   Tensors below = backward_layer(held, at.micro_batch, gradients);
                   held.keep_weight_work(at.micro_batch);
                   if (halves == Halves::both) add_weights(held, at.micro_batch);
                   return below;
                 }));
    gradients = std::move(passed);
  }
  return gradients;
}

Result<void> Stage::backward_weight(WorkPlace at) {
  const LayerId lowest = lowest_of_backward(at);
  const LayerId last = range(at.chunk).last;
  tell_action('W', at.micro_batch, last, lowest);
  for (LayerId id = last; id >= lowest; id = LayerId{id.value - 1}) {
    HeldLayer& held = layer(id);
    PLANARIA_TRY(nothing, guarded(at.micro_batch, id, [&] {
                   tell_layer('W', at.micro_batch, id);
                   add_weights(held, at.micro_batch);
                   return Tensors{};
                 }));
    static_cast<void>(nothing);
  }
  return {};
}

Tensors Stage::backward_layer(HeldLayer& held, MicroBatchId micro_batch, const Tensors& gradients) {
  const auto found = in_flight_.find({micro_batch, held.id});
  check(found != in_flight_.end(), "backward of a micro-batch that was not forwarded");
  InFlight work = std::move(found->second);
  in_flight_.erase(found);

  if (work.scaled_loss.defined()) {
    torch::autograd::backward({work.scaled_loss}, {});
  } else {
    Tensors roots;
    Tensors root_gradients;
    std::size_t next = 0;
    for (const at::Tensor& output : work.outputs) {
      if (!passes_gradient(output)) continue;
      const at::Tensor& gradient = gradients.at(next++);
      if (!output.requires_grad()) continue;  // everything below is frozen
      roots.push_back(output);
      root_gradients.push_back(gradient);
    }
    check_equal(next, gradients.size(), "gradients for a layer's floating-point outputs");
    if (!roots.empty()) torch::autograd::backward(roots, root_gradients);
  }

  Tensors passed;
  for (const at::Tensor& input : work.inputs) {
    if (!input.requires_grad()) continue;
    passed.push_back(input.grad().defined() ? canonical(input.grad()) : at::zeros_like(input));
  }
  return passed;
}

// What was computed only for what other layers lack is not even computed here, if it could wait.
void Stage::add_weights(HeldLayer& held, MicroBatchId micro_batch) {
  const LaneId lane = tree_.lane_of(micro_batch);
  if (!work_->needs(held.id, lane)) {
    held.weight_work.erase(micro_batch);
    return;
  }
  held.add_weight_work(micro_batch, lane);
  if (tree_.micro_batches_of(lane).last == micro_batch) end_lane(held, lane);
}

void Stage::end_lane(HeldLayer& held, LaneId lane) {
  auto sum = held.lane_sums.extract(lane);
  held.fold->put(TreeNode{0, lane.value}, std::move(sum.mapped()), add_gradients);
}

std::vector<std::string> Stage::modules_without_split() {
  std::vector<std::string> modules;
  for (const HeldLayer& held : active_layers()) {
    for (const std::string& module : held.without_split) {
      modules.push_back(held.definition->name + (module.empty() ? "" : "." + module));
    }
  }
  return modules;
}

}  // namespace planaria::runtime
