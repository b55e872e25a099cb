#include "runtime/shadow_exchange.hpp"

#include <charconv>
#include <optional>
#include <string>
#include <vector>

#include <fmt/format.h>

#include "runtime/tensors.hpp"

namespace planaria::runtime {
namespace {

using transport::FrameKey;
using transport::FrameKind;

// More folding modules than a layer has.
constexpr std::size_t modules_max = 1 << 16;

FrameKey key_of(const ReductionContext& context, LayerId layer) {
  // Micro-batch -4 keeps these apart from slices, tied uses and statistics.
  return {FrameKind::reduced, context.view, context.step, layer, MicroBatchId{-4}, 0};
}

// A statistic is named by the folding module it is of: a shadow never runs the layer's forward, and
// so cannot know how many each of them hands out.
DescribedTensors frame_of(const HeldLayer& held) {
  DescribedTensors frame;
  for (const at::Tensor& gradient : held.reduced) frame.emplace_back(info_of(gradient), gradient);
  for (const auto& [micro_batch, tensors] : held.statistics) {
    auto tensor = tensors.begin();
    for (std::size_t module = 0; module < held.folding_sizes.size(); ++module) {
      for (std::size_t i = 0; i < held.folding_sizes[module]; ++i, ++tensor) {
        auto info = info_of(*tensor, std::to_string(module));
        info.role = checkpoint::Role::buffer;
        frame.emplace_back(std::move(info), *tensor);
      }
    }
  }
  return frame;
}

std::optional<std::size_t> module_named(const std::string& name) {
  std::size_t module = 0;
  const char* end = name.data() + name.size();
  const auto read = std::from_chars(name.data(), end, module);
  if (read.ec != std::errc{} || read.ptr != end || module >= modules_max) return std::nullopt;
  return module;
}

// Cuts the statistics into micro-batches, all of one form: the same modules, the same number each.
Result<void> cut_statistics(const DescribedTensors& tensors, int micro_batches,
                            StepGradients& gradients) {
  const auto count = static_cast<std::size_t>(micro_batches);
  const std::size_t each = tensors.size() / count;
  if (each * count != tensors.size()) {
    return Fault::corrupt(
        fmt::format("{} statistics were sent to a shadow, must be a multiple of "
                    "{}, the micro-batches",
                    tensors.size(), count));
  }
  std::vector<std::size_t>& sizes = gradients.folding_sizes;
  for (std::size_t i = 0; i < each; ++i) {
    const std::string& name = tensors[i].first.name;
    const auto module = module_named(name);
    if (!module || *module + 1 < sizes.size()) {
      return Fault::corrupt(fmt::format(
          "a statistic sent to a shadow is of module \"{}\", must be numbers that ascend", name));
    }
    sizes.resize(*module + 1, 0);
    ++sizes[*module];
  }
  for (std::size_t i = 0; i < tensors.size(); ++i) {
    if (tensors[i].first != tensors[i % each].first) {
      return Fault::corrupt("statistics sent to a shadow differ in form between micro-batches");
    }
    const MicroBatchId micro_batch{static_cast<int>(i / each)};
    gradients.statistics[micro_batch].push_back(tensors[i].second);
  }
  return {};
}

}  // namespace

void lend_to_shadows(const ReductionContext& context, Stage& stage, Exchange& exchange) {
  for (HeldLayer& held : stage.active_layers()) {
    const std::vector<WorkerId> shadows = shadows_of(*context.layout, held.id);
    if (shadows.empty()) continue;
    if (lowest_active_holder(*context.layout, held.id) != context.self) continue;
    const DescribedTensors frame = frame_of(held);
    for (const WorkerId shadow : shadows) {
      exchange.send_described(shadow, key_of(context, held.id), frame);
    }
    held.lent = true;
  }
}

Result<StepGradients> receive_lent(const ReductionContext& context, LayerId layer,
                                   Exchange& exchange) {
  const WorkerId from = lowest_active_holder(*context.layout, layer);
  PLANARIA_TRY(frame, exchange.receive_described(from, key_of(context, layer)));
  StepGradients gradients;
  DescribedTensors statistics;
  for (auto& [info, tensor] : frame) {
    if (info.role == checkpoint::Role::buffer) {
      statistics.emplace_back(std::move(info), std::move(tensor));
    } else if (statistics.empty()) {
      gradients.reduced.push_back(std::move(tensor));
    } else {
      return Fault::corrupt(fmt::format(
          "worker {} sent a gradient of layer {} behind statistics, must be before them",
          from.value, layer.value));
    }
  }
  PLANARIA_TRY_VOID(cut_statistics(statistics, context.trainer->micro_batches, gradients));
  return gradients;
}

}  // namespace planaria::runtime
