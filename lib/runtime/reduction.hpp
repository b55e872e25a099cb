// runtime/reduction.hpp: a layer's gradient over all workers that computed it. Private.
// Is: an owner-per-slice exchange that adds every element along the lane tree (PROTOCOL 1), and the
// sum of tied uses; and the exchange of statistics. Bytes per holder and layer: sends (D-1)/D of
// its nodes and of the whole, receives as much. Is not: when a step is committed.
#pragma once

#include <vector>

#include <planaria/base/ids.hpp>
#include <planaria/base/result.hpp>
#include <planaria/model/layout.hpp>

#include "runtime/exchange.hpp"
#include "runtime/stage.hpp"

namespace planaria::runtime {

/// Elements of a slice: fixed, so that slices are the same whatever the view. 256 KiB of fp32.
inline constexpr std::int64_t slice_elements = 65536;

struct ReductionContext {
  WorkerId self;
  ViewNumber view;
  Step step;
  const Layout* layout = nullptr;
  const TrainerOptions* trainer = nullptr;
  const protocol::StepWork* work = nullptr;  // of the step
};

/// What holders of a layer send each other around a step's reduction, told apart by the frame key's
/// micro-batch, where partial sums have their tree node.
enum class ReducedFrame { slice = -1, tied = -2, statistics = -3, lent = -4, notes = -5 };
[[nodiscard]] inline transport::FrameKey key_of(const ReductionContext& context, LayerId layer,
                                                ReducedFrame frame, std::int32_t part = 0) {
  return {transport::FrameKind::reduced,         context.view, context.step, layer,
          MicroBatchId{static_cast<int>(frame)}, part};
}

/// Fills HeldLayer::reduced of every layer that computes, in descending order. Every lane of the
/// worker's pipeline must have ended. Fails as Exchange's receives do.
[[nodiscard]] Result<void> reduce(const ReductionContext& context, Stage& stage,
                                  Exchange& exchange);

}  // namespace planaria::runtime
