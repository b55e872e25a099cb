#include "runtime/held_layer.hpp"

#include <algorithm>
#include <span>
#include <utility>

#include <ATen/ATen.h>
#include <fmt/format.h>

#include <planaria/base/check.hpp>
#include <planaria/base/hash.hpp>

#include "runtime/device.hpp"
#include "runtime/tensors.hpp"

namespace planaria::runtime {
namespace {

std::string text_of(const checkpoint::TensorInfo& info) {
  return fmt::format("{} {} [{}]", info.name, info.dtype, fmt::join(info.shape, ", "));
}

bool is_same_kind(const checkpoint::TensorInfo& a, const checkpoint::TensorInfo& b) {
  return a.name == b.name && a.dtype == b.dtype && a.shape == b.shape;
}

// As LibTorch accumulates: a first gradient is taken as it is unless others hold its memory.
void add_gradient(at::Tensor& sum, at::Tensor gradient) {
  if (!gradient.defined()) return;
  if (sum.defined()) {
    sum.add_(gradient);
  } else if (gradient.is_contiguous() && gradient.use_count() == 1 &&
             gradient.storage().use_count() == 1) {
    sum = std::move(gradient);
  } else {
    sum = gradient.clone(at::MemoryFormat::Contiguous);
  }
}

}  // namespace

bool HeldLayer::is_tied_copy(const std::string& path) const {
  for (const TiedParameter& tie : definition->tied) {
    if (tie.parameter == path) return true;
  }
  return false;
}

DescribedTensors HeldLayer::state() const {
  DescribedTensors tensors;
  for (const auto& [path, tensor] : parameters) {
    auto info = info_of(tensor, definition->name + "." + path);
    info.role = checkpoint::Role::parameter;
    info.tied_copy = is_tied_copy(path);
    tensors.emplace_back(std::move(info), tensor);
  }
  for (const auto& [path, tensor] : buffers) {
    auto info = info_of(tensor, definition->name + "." + path);
    info.role = checkpoint::Role::buffer;
    tensors.emplace_back(std::move(info), tensor);
  }
  for (const auto& [path, tensor] : optimizer->state()) {
    auto info = info_of(tensor, definition->name + "." + path);
    info.role = checkpoint::Role::optimizer;
    info.tied_copy = is_tied_copy(path.substr(0, path.rfind(':')));
    tensors.emplace_back(std::move(info), tensor);
  }
  return tensors;
}

Result<void> HeldLayer::load(const DescribedTensors& sent) {
  const at::NoGradGuard no_grad;
  const DescribedTensors mine = state();
  if (sent.size() != mine.size()) {
    return Fault::corrupt(fmt::format("the state sent for layer {} has {} tensors, must have {}",
                                      definition->name, sent.size(), mine.size()));
  }
  for (std::size_t i = 0; i < mine.size(); ++i) {
    const checkpoint::TensorInfo& wanted = mine[i].first;
    if (is_same_kind(sent[i].first, wanted) &&
        is_same_kind(info_of(sent[i].second, wanted.name), wanted)) {
      continue;
    }
    return Fault::corrupt(fmt::format("the state sent for layer {}: tensor {} is {}, must be {}",
                                      definition->name, i, text_of(sent[i].first),
                                      text_of(wanted)));
  }
  for (std::size_t i = 0; i < mine.size(); ++i) mine[i].second.copy_(sent[i].second);
  return {};
}

Result<void> HeldLayer::verify_gradients(const StepGradients& sent, int micro_batches) const {
  if (sent.reduced.size() != trainable.size()) {
    return Fault::corrupt(fmt::format("{} gradients were sent for layer {}, must be {}",
                                      sent.reduced.size(), definition->name, trainable.size()));
  }
  for (std::size_t i = 0; i < trainable.size(); ++i) {
    const auto wanted = info_of(trainable[i].second, trainable[i].first);
    const auto found = info_of(sent.reduced[i], trainable[i].first);
    if (is_same_kind(found, wanted)) continue;
    return Fault::corrupt(fmt::format("the gradient sent for layer {} is {}, must be {}",
                                      definition->name, text_of(found), text_of(wanted)));
  }
  const bool none = folding.empty() || sent.statistics.empty();  // modules may have nothing to say
  if (sent.folding_sizes.size() > folding.size() ||
      sent.statistics.size() != (none ? 0 : static_cast<std::size_t>(micro_batches))) {
    return Fault::corrupt(fmt::format(
        "statistics of {} micro-batches and {} modules were sent for layer {}, must be {} and {}",
        sent.statistics.size(), sent.folding_sizes.size(), definition->name,
        folding.empty() ? 0 : micro_batches, folding.size()));
  }
  return {};
}

void HeldLayer::take(Step step, StepGradients gradients, int micro_batches) {
  reduced_step = step;
  reduced = std::move(gradients.reduced);
  statistics = std::move(gradients.statistics);
  lent = false;
  if (folding.empty()) return;
  folding_sizes = std::move(gradients.folding_sizes);
  folding_sizes.resize(folding.size(), 0);
  for (int i = 0; i < micro_batches; ++i) statistics[MicroBatchId{i}];  // empty ones fold too
}

void HeldLayer::keep_weight_work(MicroBatchId micro_batch) {
  WeightWork work;
  for (const auto& [name, parameter] : trainable) {
    work.computed.push_back(std::exchange(parameter.mutable_grad(), at::Tensor()));
  }
  work.put_off = put_off->take();
  weight_work.insert_or_assign(micro_batch, std::move(work));
}

void HeldLayer::add_weight_work(MicroBatchId micro_batch, LaneId lane) {
  const at::NoGradGuard no_grad;
  WeightWork work = std::move(weight_work.extract(micro_batch).mapped());
  Gradients& sum = lane_sums.try_emplace(lane, trainable.size()).first->second;
  for (std::size_t i = 0; i < trainable.size(); ++i) {
    add_gradient(sum[i], std::move(work.computed[i]));
  }
  for (PutOffGradients::Entry& entry : work.put_off) {
    const auto found = std::find_if(trainable.begin(), trainable.end(), [&](const auto& one) {
      return one.second.is_same(entry.parameter);
    });
    check(found != trainable.end(), "a gradient that was put off is of a trainable parameter");
    add_gradient(sum[static_cast<std::size_t>(found - trainable.begin())], entry.gradient());
    entry.gradient = nullptr;  // what it kept goes as soon as it can
  }
}

void HeldLayer::forget_step() {
  if (put_off != nullptr) static_cast<void>(put_off->take());  // of a backward that broke off
  weight_work.clear();
  lane_sums.clear();
  fold.reset();
  fold_lent = false;
  reduced_step.reset();
  reduced.clear();
  statistics.clear();
  lent = false;
}

void add_gradients(Gradients& left, Gradients&& right) {
  const at::NoGradGuard no_grad;
  for (std::size_t i = 0; i < left.size(); ++i) {
    if (!right[i].defined()) continue;
    if (left[i].defined()) {
      left[i].add_(right[i]);
    } else {
      left[i] = std::move(right[i]);
    }
  }
}

std::uint64_t gradient_checksum(const Gradients& gradients,
                                const std::map<MicroBatchId, Tensors>& statistics) {
  Tensors hashed = gradients;
  for (const auto& [micro_batch, tensors] : statistics) {
    for (const at::Tensor& tensor : tensors) hashed.push_back(on_host(tensor));
  }
  std::vector<std::span<const std::byte>> bytes;
  bytes.reserve(hashed.size());
  for (const at::Tensor& tensor : hashed) bytes.push_back(bytes_of(tensor));
  return xxh3_64(bytes);
}

}  // namespace planaria::runtime
