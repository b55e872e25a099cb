// What of a step is there when it begins again, and what of that stays.
#include <algorithm>
#include <utility>

#include <ATen/ATen.h>

#include <planaria/base/check.hpp>

#include "runtime/stage.hpp"

namespace planaria::runtime {

bool Stage::takes_part_in_tie(const HeldLayer& held) const {
  if (!held.definition->tied.empty()) return true;
  return std::ranges::any_of(options_.trainer->layers, [&](const LayerDefinition& other) {
    return std::ranges::any_of(other.tied, [&](const TiedParameter& tie) {
      return tie.source_layer == held.definition->name;
    });
  });
}

void Stage::begin_step(Step step, const protocol::StepWork& work, WorkerId self) {
  if (step != step_) {
    notes_ = {};
    for (HeldLayer& held : layers_) held.forget_step();
  }
  step_ = step;
  work_ = &work;
  in_flight_.clear();
  kept_.clear();
  failure_.reset();
  for (HeldLayer& held : layers_) {
    for (const auto& [name, parameter] : held.trainable) parameter.mutable_grad() = at::Tensor();
    if (!computes(held.id)) held.forget_step();
  }
  for (HeldLayer& held : active_layers()) {
    check_equal(held.level.next(), step, "the step after a computing layer's level, and the step");
    keep_finished(held, work.finished(held.id, self));
  }
}

// Sums that are on their way to others stay as they are: what is added to is a copy.
void Stage::keep_finished(HeldLayer& held, const std::vector<TreeNode>& finished) {
  const bool copied = held.fold_lent;
  auto before = std::exchange(held.fold, std::nullopt);
  auto statistics = std::exchange(held.statistics, {});
  held.forget_step();
  held.fold.emplace(tree_);
  for (const TreeNode node : finished) {
    const bool there = before && before->held().contains(node);
    check(there, "a sum that this worker said it has");
    Gradients sum = std::move(before->held().at(node));
    for (at::Tensor& gradient : sum) {
      if (copied && gradient.defined()) gradient = gradient.clone();
    }
    held.fold->put(node, std::move(sum), add_gradients);
    const MicroBatchRange range = tree_.micro_batches_of(*tree_.lanes_under(node));
    for (MicroBatchId id = range.first; id <= range.last; id = id.next()) {
      if (auto found = statistics.extract(id)) held.statistics.insert(std::move(found));
    }
  }
}

std::optional<protocol::Salvaged> Stage::salvaged(Step step) const {
  if (step != step_ || !computes()) return std::nullopt;
  std::vector<protocol::LayerSum> sums;
  for (const HeldLayer& held : layers_) {
    if (!computes(held.id) || !held.fold) continue;
    for (const auto& [node, gradients] : held.fold->held()) {
      const MicroBatchRange range = tree_.micro_batches_of(*tree_.lanes_under(node));
      const auto noted = std::distance(held.statistics.lower_bound(range.first),
                                       held.statistics.upper_bound(range.last));
      // A sum without all that was said beside it is computed again.
      if (held.folding.empty() || noted == range.size()) {
        sums.push_back({held.id, node});
      }
    }
  }
  return protocol::salvaged(step, std::move(sums), notes_);
}

}  // namespace planaria::runtime
