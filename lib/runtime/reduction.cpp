#include "runtime/reduction.hpp"

#include <algorithm>

#include <ATen/ATen.h>

#include <planaria/base/check.hpp>

#include "runtime/notes_exchange.hpp"
#include "runtime/statistics_exchange.hpp"
#include "runtime/tie_exchange.hpp"

namespace planaria::runtime {
namespace {

using transport::FrameKey;
using transport::FrameKind;

// A tree node as the frame key's micro_batch field: both are small, and slices take `part`.
MicroBatchId key_of(TreeNode node) {
  check(node.index < (1 << 26), "too many lanes for a frame key");
  return MicroBatchId{(node.height << 26) | node.index};
}

// Where each trainable parameter lies in the layer's flat gradient: every one starts at a multiple
// of 64 bytes, so that views into it are as aligned as tensors of their own.
struct FlatPlan {
  std::vector<std::int64_t> offsets;
  std::int64_t elements = 0;
  at::ScalarType type = at::kFloat;
  at::TensorOptions options;  // type and device of the trainable parameters

  explicit FlatPlan(const NamedTensors& trainable) {
    for (const auto& [name, parameter] : trainable) {
      type = parameter.scalar_type();
      options = parameter.options().requires_grad(false);
      const auto granule = static_cast<std::int64_t>(64 / parameter.element_size());
      offsets.push_back(elements);
      elements += (parameter.numel() + granule - 1) / granule * granule;
    }
  }
  [[nodiscard]] std::int64_t slices() const {
    return (elements + slice_elements - 1) / slice_elements;
  }
  [[nodiscard]] at::Tensor slice_of(const at::Tensor& flat, std::int64_t slice) const {
    const std::int64_t first = slice * slice_elements;
    return flat.narrow(0, first, std::min(slice_elements, elements - first));
  }
  [[nodiscard]] at::Tensor pack(const Gradients& gradients) const {
    at::Tensor flat = at::zeros({elements}, options);
    for (std::size_t i = 0; i < gradients.size(); ++i) {
      if (!gradients[i].defined()) continue;
      flat.narrow(0, offsets[i], gradients[i].numel()).copy_(gradients[i].reshape({-1}));
    }
    return flat;
  }
  [[nodiscard]] Gradients unpack(const at::Tensor& flat, const NamedTensors& trainable) const {
    Gradients gradients;
    for (std::size_t i = 0; i < trainable.size(); ++i) {
      const at::Tensor& parameter = trainable[i].second;
      gradients.push_back(flat.narrow(0, offsets[i], parameter.numel()).view(parameter.sizes()));
    }
    return gradients;
  }
};

// One layer's exchange: owners add the slices of all holders, then everybody gets every slice.
class LayerReduction {
 public:
  LayerReduction(const ReductionContext& context, HeldLayer& held, Exchange& exchange)
      : context_(context),
        held_(held),
        exchange_(exchange),
        tree_(context.trainer->micro_batches, context.trainer->lane_size),
        plan_(held.trainable),
        holders_(active_holders(*context.layout, held.id)) {
    if (alone()) return;
    for (const WorkerId holder : holders_) {
      contributed_.emplace(holder, context.work->contributed(held.id, holder));
    }
  }

  [[nodiscard]] bool alone() const { return holders_.size() == 1 || plan_.elements == 0; }

  // With one holder the local fold is the whole sum: nothing moves, nothing is copied.
  void finish_alone() {
    held_.reduced.assign(held_.trainable.size(), at::Tensor());
    if (plan_.elements > 0) {
      check(held_.fold->complete(), "sum taken before every lane was added");
      held_.reduced = held_.fold->held().begin()->second;
    }
    for (std::size_t i = 0; i < held_.reduced.size(); ++i) {
      if (!held_.reduced[i].defined()) {
        held_.reduced[i] = at::zeros_like(held_.trainable[i].second);
      }
    }
    keep_whole();
  }

  void send_partials() {
    for (auto& [node, gradients] : held_.fold->held()) {
      const auto packed = packed_.emplace(node, plan_.pack(gradients)).first;
      // The step may begin again; what no micro-batch reached stays so.
      const Gradients views = plan_.unpack(packed->second, held_.trainable);
      for (std::size_t i = 0; i < gradients.size(); ++i) {
        if (gradients[i].defined()) gradients[i] = views[i];
      }
    }
    held_.fold_lent = true;
    for (std::int64_t slice = 0; slice < plan_.slices(); ++slice) {
      const WorkerId owner = owner_of(slice);
      if (owner == context_.self) continue;
      for (const auto& [node, flat] : packed_) {
        exchange_.send_raw(owner, partial_key(node, slice), plan_.slice_of(flat, slice));
      }
    }
  }

  Result<void> add_own_slices() {
    result_ = at::empty({plan_.elements}, plan_.options);
    for (std::int64_t slice = 0; slice < plan_.slices(); ++slice) {
      if (owner_of(slice) != context_.self) continue;
      PLANARIA_TRY(sum, add_slice(slice));
      for (const WorkerId holder : holders_) {
        if (holder != context_.self) exchange_.send_raw(holder, reduced_key(slice), sum);
      }
      plan_.slice_of(result_, slice).copy_(sum);
    }
    return {};
  }

  Result<void> receive_others() {
    for (std::int64_t slice = 0; slice < plan_.slices(); ++slice) {
      if (owner_of(slice) == context_.self) continue;
      at::Tensor target = plan_.slice_of(result_, slice);
      PLANARIA_TRY(sum, exchange_.receive_raw(owner_of(slice), reduced_key(slice), plan_.type,
                                              target.numel()));
      target.copy_(sum);
    }
    held_.reduced = plan_.unpack(result_, held_.trainable);
    keep_whole();
    return {};
  }

 private:
  [[nodiscard]] WorkerId owner_of(std::int64_t slice) const {
    return holders_[static_cast<std::size_t>(slice) % holders_.size()];
  }
  [[nodiscard]] FrameKey partial_key(TreeNode node, std::int64_t slice) const {
    return {FrameKind::partial, context_.view, context_.step,
            held_.id,           key_of(node),  static_cast<std::int32_t>(slice)};
  }
  [[nodiscard]] FrameKey reduced_key(std::int64_t slice) const {
    return runtime::key_of(context_, held_.id, ReducedFrame::slice,
                           static_cast<std::int32_t>(slice));
  }

  Result<at::Tensor> add_slice(std::int64_t slice) {
    TreeFold<at::Tensor> fold(tree_);
    // Not in place: a sum of this worker's own stays as it is, in case the step begins again.
    const auto add = [](at::Tensor& left, at::Tensor&& right) { left = left.add(right); };
    for (const WorkerId holder : holders_) {
      if (holder == context_.self) {
        for (const auto& [node, flat] : packed_) fold.put(node, plan_.slice_of(flat, slice), add);
        continue;
      }
      for (const TreeNode node : contributed_.at(holder)) {
        const std::int64_t elements =
            std::min(slice_elements, plan_.elements - (slice * slice_elements));
        PLANARIA_TRY(part,
                     exchange_.receive_raw(holder, partial_key(node, slice), plan_.type, elements));
        fold.put(node, std::move(part), add);
      }
    }
    return fold.take();
  }

  // The whole sum, whatever ties make of it, in place of what it was added from.
  void keep_whole() {
    held_.fold.emplace(tree_);
    held_.fold->put(tree_.root(), held_.reduced, add_gradients);
    held_.fold_lent = false;
  }

  const ReductionContext& context_;
  HeldLayer& held_;
  Exchange& exchange_;
  LaneTree tree_;
  FlatPlan plan_;
  std::vector<WorkerId> holders_;
  std::map<WorkerId, std::vector<TreeNode>> contributed_;
  std::map<TreeNode, at::Tensor> packed_;
  at::Tensor result_;
};

}  // namespace

Result<void> reduce(const ReductionContext& context, Stage& stage, Exchange& exchange) {
  const at::NoGradGuard no_grad;
  std::vector<LayerReduction> layers;
  const auto active = stage.active_layers();
  for (std::size_t i = active.size(); i > 0; --i) {
    layers.emplace_back(context, active[i - 1].get(), exchange);
  }
  // Everything is sent before anything is waited for, so that no two holders wait for each other.
  for (LayerReduction& layer : layers) {
    if (layer.alone()) {
      layer.finish_alone();
    } else {
      layer.send_partials();
    }
  }
  send_notes(context, stage, exchange);
  for (LayerReduction& layer : layers) {
    if (!layer.alone()) PLANARIA_TRY_VOID(layer.add_own_slices());
  }
  for (LayerReduction& layer : layers) {
    if (!layer.alone()) PLANARIA_TRY_VOID(layer.receive_others());
  }

  PLANARIA_TRY_VOID(receive_notes(context, stage, exchange));
  PLANARIA_TRY_VOID(exchange_ties(context, stage, exchange));
  PLANARIA_TRY_VOID(exchange_statistics(context, stage, exchange));
  for (HeldLayer& held : active) held.reduced_step = context.step;
  return {};
}

}  // namespace planaria::runtime
