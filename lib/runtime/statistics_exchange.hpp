// runtime/statistics_exchange.hpp: what all micro-batches said to folding modules. Private.
#pragma once

#include <map>
#include <vector>

#include "runtime/reduction.hpp"

namespace planaria::runtime {

/// Fills HeldLayer::statistics of every layer with the micro-batches that its other active holders
/// computed. Fails as Exchange's receives do.
[[nodiscard]] Result<void> exchange_statistics(const ReductionContext& context, Stage& stage,
                                               Exchange& exchange);

/// Returns a layer's statistics of these micro-batches, all of which are there, one after another.
/// Each is named by the folding module it is of: who has not run the layer's forward cannot know
/// how many each of them hands out.
[[nodiscard]] DescribedTensors describe_statistics(const HeldLayer& held,
                                                   const std::vector<MicroBatchId>& micro_batches);
/// Cuts what describe_statistics() returned into the same micro-batches, and says how many each
/// module hands out. corrupt unless all are of one form: the same modules, the same number each.
[[nodiscard]] Result<void> cut_statistics(const DescribedTensors& tensors,
                                          const std::vector<MicroBatchId>& micro_batches,
                                          std::map<MicroBatchId, Tensors>& statistics,
                                          std::vector<std::size_t>& sizes);

}  // namespace planaria::runtime
