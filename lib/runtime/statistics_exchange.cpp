#include "runtime/statistics_exchange.hpp"

#include <charconv>
#include <optional>
#include <string>
#include <vector>

#include <ATen/core/Tensor.h>
#include <fmt/format.h>

#include <planaria/base/check.hpp>

#include "runtime/tensors.hpp"

namespace planaria::runtime {
namespace {

using transport::FrameKey;

// More folding modules than a layer has.
constexpr std::size_t modules_max = 1 << 16;

std::optional<std::size_t> module_named(const std::string& name) {
  std::size_t module = 0;
  const char* end = name.data() + name.size();
  const auto read = std::from_chars(name.data(), end, module);
  if (read.ec != std::errc{} || read.ptr != end || module >= modules_max) return std::nullopt;
  return module;
}

// Gives every holder of a layer what all micro-batches said to its folding modules.
class StatisticsExchange {
 public:
  StatisticsExchange(const ReductionContext& context, HeldLayer& held, Exchange& exchange)
      : context_(context), held_(held), exchange_(exchange) {}

  void send() {
    const DescribedTensors mine = describe_statistics(held_, micro_batches_of(context_.self));
    for (const WorkerId holder : others()) exchange_.send_described(holder, key(), mine);
  }

  Result<void> receive() {
    for (const WorkerId holder : others()) {
      PLANARIA_TRY(theirs, exchange_.receive_described(holder, key()));
      std::vector<std::size_t> sizes;
      const auto micro_batches = micro_batches_of(holder);
      if (micro_batches.empty()) continue;
      PLANARIA_TRY_VOID(cut_statistics(theirs, micro_batches, held_.statistics, sizes));
      sizes.resize(held_.folding.size(), 0);
      if (held_.folding_sizes.empty()) held_.folding_sizes = sizes;
      if (sizes == held_.folding_sizes) continue;
      return Fault::corrupt(fmt::format("worker {} sent other statistics of layer {} than are here",
                                        holder.value, held_.id.value));
    }
    return {};
  }

 private:
  [[nodiscard]] FrameKey key() const {
    return key_of(context_, held_.id, ReducedFrame::statistics);
  }
  [[nodiscard]] std::vector<WorkerId> others() const {
    std::vector<WorkerId> holders = active_holders(*context_.layout, held_.id);
    std::erase(holders, context_.self);
    return holders;
  }
  [[nodiscard]] std::vector<MicroBatchId> micro_batches_of(WorkerId holder) const {
    return context_.work->contributed_micro_batches(held_.id, holder);
  }

  const ReductionContext& context_;
  HeldLayer& held_;
  Exchange& exchange_;
};

}  // namespace

DescribedTensors describe_statistics(const HeldLayer& held,
                                     const std::vector<MicroBatchId>& micro_batches) {
  DescribedTensors described;
  for (const MicroBatchId micro_batch : micro_batches) {
    const auto found = held.statistics.find(micro_batch);
    check(found != held.statistics.end(), "statistics of a micro-batch that was not computed");
    auto tensor = found->second.begin();
    for (std::size_t module = 0; module < held.folding_sizes.size(); ++module) {
      for (std::size_t i = 0; i < held.folding_sizes[module]; ++i, ++tensor) {
        auto info = info_of(*tensor, std::to_string(module));
        info.role = checkpoint::Role::buffer;
        described.emplace_back(std::move(info), *tensor);
      }
    }
  }
  return described;
}

Result<void> cut_statistics(const DescribedTensors& tensors,
                            const std::vector<MicroBatchId>& micro_batches,
                            std::map<MicroBatchId, Tensors>& statistics,
                            std::vector<std::size_t>& sizes) {
  const std::size_t count = micro_batches.size();
  const std::size_t each = tensors.size() / count;
  if (each * count != tensors.size()) {
    return Fault::corrupt(
        fmt::format("{} statistics were sent, must be a multiple of {}, the "
                    "micro-batches",
                    tensors.size(), count));
  }
  sizes.clear();
  for (std::size_t i = 0; i < each; ++i) {
    const std::string& name = tensors[i].first.name;
    const auto module = module_named(name);
    if (!module || *module + 1 < sizes.size()) {
      return Fault::corrupt(fmt::format(
          "a statistic that was sent is of module \"{}\", must be numbers that ascend", name));
    }
    sizes.resize(*module + 1, 0);
    ++sizes[*module];
  }
  for (std::size_t i = 0; i < tensors.size(); ++i) {
    if (tensors[i].first == tensors[i % each].first) continue;
    return Fault::corrupt("statistics that were sent differ in form between micro-batches");
  }
  auto next = tensors.begin();
  for (const MicroBatchId micro_batch : micro_batches) {
    Tensors& of_one = statistics[micro_batch];
    of_one.clear();
    for (std::size_t i = 0; i < each; ++i) of_one.push_back((next++)->second);
  }
  return {};
}

Result<void> exchange_statistics(const ReductionContext& context, Stage& stage,
                                 Exchange& exchange) {
  std::vector<StatisticsExchange> layers;
  for (HeldLayer& held : stage.active_layers()) {
    if (!held.folding.empty()) layers.emplace_back(context, held, exchange);
  }
  for (StatisticsExchange& layer : layers) layer.send();
  for (StatisticsExchange& layer : layers) PLANARIA_TRY_VOID(layer.receive());
  return {};
}

}  // namespace planaria::runtime
