#include "runtime/shadow_exchange.hpp"

#include <vector>

#include <fmt/format.h>

#include "runtime/notes_exchange.hpp"
#include "runtime/statistics_exchange.hpp"
#include "runtime/tensors.hpp"

namespace planaria::runtime {
namespace {

DescribedTensors frame_of(const HeldLayer& held) {
  DescribedTensors frame;
  for (const at::Tensor& gradient : held.reduced) frame.emplace_back(info_of(gradient), gradient);
  std::vector<MicroBatchId> noted;
  for (const auto& [micro_batch, tensors] : held.statistics) noted.push_back(micro_batch);
  for (auto& statistic : describe_statistics(held, noted)) frame.push_back(std::move(statistic));
  return frame;
}

std::vector<MicroBatchId> all_micro_batches(const TrainerOptions& trainer) {
  std::vector<MicroBatchId> all;
  for (MicroBatchId id{0}; id.value < trainer.micro_batches; id = id.next()) all.push_back(id);
  return all;
}

}  // namespace

void lend_to_shadows(const ReductionContext& context, Stage& stage, Exchange& exchange) {
  for (HeldLayer& held : stage.active_layers()) {
    const std::vector<WorkerId> shadows = shadows_of(*context.layout, held.id);
    if (shadows.empty()) continue;
    if (lowest_active_holder(*context.layout, held.id) != context.self) continue;
    const DescribedTensors frame = frame_of(held);
    for (const WorkerId shadow : shadows) {
      exchange.send_described(shadow, key_of(context, held.id, ReducedFrame::lent), frame);
      lend_notes(context, held.id, shadow, stage, exchange);
    }
    held.lent = true;
  }
}

Result<StepGradients> receive_lent(const ReductionContext& context, LayerId layer, Stage& stage,
                                   Exchange& exchange) {
  const WorkerId from = lowest_active_holder(*context.layout, layer);
  PLANARIA_TRY(frame, exchange.receive_described(from, key_of(context, layer, ReducedFrame::lent)));
  PLANARIA_TRY_VOID(receive_lent_notes(context, layer, from, stage, exchange));
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
  if (!statistics.empty()) {
    PLANARIA_TRY_VOID(cut_statistics(statistics, all_micro_batches(*context.trainer),
                                     gradients.statistics, gradients.folding_sizes));
  }
  return gradients;
}

}  // namespace planaria::runtime
