#include "runtime/notes_exchange.hpp"

#include <cstring>
#include <vector>

#include <ATen/ATen.h>
#include <fmt/format.h>

namespace planaria::runtime {
namespace {

// Pairs of micro-batch and value, both as 64 bits.
template <class Value>
at::Tensor tensor_of(const std::map<MicroBatchId, Value>& notes) {
  static_assert(sizeof(Value) == sizeof(std::int64_t));
  at::Tensor tensor = at::empty({static_cast<std::int64_t>(notes.size()), 2}, at::kLong);
  auto* next = tensor.mutable_data_ptr<std::int64_t>();
  for (const auto& [id, value] : notes) {
    *next++ = id.value;
    std::memcpy(next++, &value, sizeof value);
  }
  return tensor;
}

template <class Value>
bool add_from(const at::Tensor& tensor, int micro_batches, std::map<MicroBatchId, Value>& notes) {
  if (tensor.scalar_type() != at::kLong || tensor.dim() != 2 || tensor.size(1) != 2) return false;
  const auto* next = tensor.const_data_ptr<std::int64_t>();
  for (std::int64_t i = 0; i < tensor.size(0); ++i) {
    const std::int64_t id = *next++;
    if (id < 0 || id >= micro_batches) return false;
    Value value{};
    std::memcpy(&value, next++, sizeof value);
    notes.try_emplace(MicroBatchId{static_cast<int>(id)}, value);
  }
  return true;
}

Result<void> receive_from(const ReductionContext& context, LayerId layer, WorkerId from,
                          Stage& stage, Exchange& exchange) {
  PLANARIA_TRY(frame, exchange.receive(from, key_of(context, layer, ReducedFrame::notes)));
  protocol::StepNotes notes;
  const int count = context.trainer->micro_batches;
  const bool read = frame.size() == 3 && add_from(on_host(frame[0]), count, notes.losses) &&
                    add_from(on_host(frame[1]), count, notes.read) &&
                    add_from(on_host(frame[2]), count, notes.labelled);
  if (!read) {
    return Fault::corrupt(fmt::format("worker {} sent notes of layer {} that cannot be read",
                                      from.value, layer.value));
  }
  stage.notes().add(notes);
  return {};
}

std::vector<LayerId> noted_layers(const ReductionContext& context, Stage& stage) {
  std::vector<LayerId> layers;
  for (const HeldLayer& held : stage.active_layers()) {
    if (has_notes(*context.trainer, held.id)) layers.push_back(held.id);
  }
  return layers;
}

std::vector<WorkerId> others_on(const ReductionContext& context, LayerId layer) {
  std::vector<WorkerId> holders = active_holders(*context.layout, layer);
  std::erase(holders, context.self);
  return holders;
}

}  // namespace

bool has_notes(const TrainerOptions& trainer, LayerId layer) {
  return layer.value == 0 || layer.value == static_cast<int>(trainer.layers.size()) - 1;
}

void send_notes(const ReductionContext& context, Stage& stage, Exchange& exchange) {
  for (const LayerId layer : noted_layers(context, stage)) {
    for (const WorkerId other : others_on(context, layer)) {
      lend_notes(context, layer, other, stage, exchange);
    }
  }
}

Result<void> receive_notes(const ReductionContext& context, Stage& stage, Exchange& exchange) {
  for (const LayerId layer : noted_layers(context, stage)) {
    for (const WorkerId other : others_on(context, layer)) {
      PLANARIA_TRY_VOID(receive_from(context, layer, other, stage, exchange));
    }
  }
  return {};
}

void lend_notes(const ReductionContext& context, LayerId layer, WorkerId to, Stage& stage,
                Exchange& exchange) {
  if (!has_notes(*context.trainer, layer)) return;
  const protocol::StepNotes& notes = stage.notes();
  exchange.send(to, key_of(context, layer, ReducedFrame::notes),
                {tensor_of(notes.losses), tensor_of(notes.read), tensor_of(notes.labelled)});
}

Result<void> receive_lent_notes(const ReductionContext& context, LayerId layer, WorkerId from,
                                Stage& stage, Exchange& exchange) {
  if (!has_notes(*context.trainer, layer)) return {};
  return receive_from(context, layer, from, stage, exchange);
}

}  // namespace planaria::runtime
