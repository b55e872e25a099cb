#include "runtime/statistics_exchange.hpp"

#include <vector>

#include <ATen/core/Tensor.h>
#include <fmt/format.h>

#include <planaria/base/check.hpp>

namespace planaria::runtime {
namespace {

using transport::FrameKey;
using transport::FrameKind;

// Gives every holder of a layer what all micro-batches said to its folding modules.
class StatisticsExchange {
 public:
  StatisticsExchange(const ReductionContext& context, HeldLayer& held, Exchange& exchange)
      : context_(context), held_(held), exchange_(exchange) {}

  void send() {
    Tensors mine;
    for (const auto& [micro_batch, tensors] : held_.statistics) {
      mine.insert(mine.end(), tensors.begin(), tensors.end());
    }
    for (const WorkerId holder : others()) exchange_.send(holder, key(), mine);
  }

  Result<void> receive() {
    const std::size_t each = held_.statistics.begin()->second.size();
    for (const WorkerId holder : others()) {
      PLANARIA_TRY(theirs, exchange_.receive(holder, key()));
      const auto place = place_of(*context_.layout, holder);
      check(place.has_value(), "a holder without a place in the layout");
      const MicroBatchRange share = micro_batches_of(*context_.layout, place->pipeline);
      const auto count = static_cast<std::size_t>(share.size());
      if (theirs.size() != count * each) {
        return Fault::corrupt(fmt::format("worker {} sent {} statistics of layer {}, must be {}",
                                          holder.value, theirs.size(), held_.id.value,
                                          count * each));
      }
      auto next = theirs.begin();
      for (MicroBatchId id = share.first; id <= share.last; id = id.next()) {
        held_.statistics[id] = Tensors(next, next + static_cast<std::ptrdiff_t>(each));
        next += static_cast<std::ptrdiff_t>(each);
      }
    }
    return {};
  }

 private:
  [[nodiscard]] FrameKey key() const {
    // Micro-batch -3 keeps these apart from slices and from tied uses.
    return {FrameKind::reduced, context_.view, context_.step, held_.id, MicroBatchId{-3}, 0};
  }
  [[nodiscard]] std::vector<WorkerId> others() const {
    std::vector<WorkerId> holders = active_holders(*context_.layout, held_.id);
    std::erase(holders, context_.self);
    return holders;
  }

  const ReductionContext& context_;
  HeldLayer& held_;
  Exchange& exchange_;
};

}  // namespace

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
