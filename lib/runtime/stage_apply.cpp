// What a commit record does to the layers held: clipping, the hook, optimizers, statistics.
#include <algorithm>

#include <ATen/ATen.h>

#include <planaria/base/check.hpp>

#include "runtime/stage.hpp"

namespace planaria::runtime {
namespace {

void fold_statistics(HeldLayer& held) {
  for (const auto& [micro_batch, statistics] : held.statistics) {
    auto next = statistics.begin();
    for (std::size_t i = 0; i < held.folding.size(); ++i) {
      const auto count = static_cast<std::ptrdiff_t>(held.folding_sizes[i]);
      held.folding[i]->fold(Tensors(next, next + count));
      next += count;
    }
  }
}

}  // namespace

void Stage::apply(const protocol::CommitRecord& record) {
  filling_.note(record);
  for (HeldLayer& held : layers_) {
    const bool applies = held.reduced_step == record.step && held.level.next() == record.step;
    if (applies) apply_to(held, record);
  }
  for (const HeldLayer& held : active_layers()) {
    check_equal(held.level, record.step, "the level of a layer that computes, after a record");
  }
}

void Stage::apply_to(HeldLayer& held, const protocol::CommitRecord& record) const {
  if (record.verdict == protocol::Verdict::apply) {
    const at::NoGradGuard no_grad;
    if (!held.trainable.empty()) apply_gradients(held, record);
    fold_statistics(held);
  }
  held.level = record.step;
  held.forget_step();
}

void Stage::apply_gradients(HeldLayer& held, const protocol::CommitRecord& record) const {
  check_equal(held.reduced.size(), held.trainable.size(), "gradients at apply");
  const double limit = options_.trainer->clip_norm;
  const double factor = limit > 0 ? std::min(1.0, limit / (record.norm + 1e-6)) : 1.0;
  const bool hooked = static_cast<bool>(options_.trainer->before_apply);
  for (at::Tensor& gradient : held.reduced) {
    if (factor < 1.0) {
      // What is on its way to a shadow stays as it is: the shadow scales its own.
      gradient = held.lent ? gradient.mul(factor) : gradient.mul_(factor);
    } else if (held.lent && hooked) {
      gradient = gradient.clone();  // the hook may write it
    }
  }
  if (hooked) {
    NamedTensors named;
    for (std::size_t i = 0; i < held.reduced.size(); ++i) {
      named.emplace_back(held.trainable[i].first, held.reduced[i]);
    }
    options_.trainer->before_apply(held.definition->name, named, record);
  }
  held.optimizer->apply(held.reduced, record.rate);
}

}  // namespace planaria::runtime
