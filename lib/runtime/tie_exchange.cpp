#include "runtime/tie_exchange.hpp"

#include <algorithm>
#include <map>
#include <set>
#include <string>
#include <utility>
#include <vector>

#include <ATen/ATen.h>

#include <planaria/base/check.hpp>

namespace planaria::runtime {
namespace {

using transport::FrameKey;

// One use of a tied parameter: which layer, and which of its parameters.
struct Use {
  LayerId layer;
  std::string parameter;
};
// All uses of one parameter, in layer order; the first is the source.
std::vector<std::vector<Use>> tied_groups(const TrainerOptions& trainer) {
  std::map<std::pair<std::string, std::string>, std::vector<Use>> groups;
  for (std::size_t i = 0; i < trainer.layers.size(); ++i) {
    for (const TiedParameter& tie : trainer.layers[i].tied) {
      auto& group = groups[{tie.source_layer, tie.source_parameter}];
      if (group.empty()) {
        for (std::size_t j = 0; j < i; ++j) {
          if (trainer.layers[j].name == tie.source_layer) {
            group.push_back({LayerId{static_cast<int>(j)}, tie.source_parameter});
          }
        }
      }
      group.push_back({LayerId{static_cast<int>(i)}, tie.parameter});
    }
  }
  std::vector<std::vector<Use>> result;
  result.reserve(groups.size());
  for (auto& [key, group] : groups) result.push_back(std::move(group));
  return result;
}

at::Tensor* gradient_of(HeldLayer& held, const std::string& parameter) {
  for (std::size_t i = 0; i < held.trainable.size(); ++i) {
    if (held.trainable[i].first == parameter) return &held.reduced[i];
  }
  return nullptr;  // frozen
}

// Exchanges the reduced gradients of all uses between the stages of one pipeline and adds them in
// layer order, each stage for itself: both copies of the parameter then take the same step. A
// worker of several pipelines takes them from those of its first, and may give its own to workers
// of all.
class TieExchange {
 public:
  TieExchange(const ReductionContext& context, Stage& stage, Exchange& exchange)
      : context_(context), stage_(stage), exchange_(exchange) {}

  void send(const std::vector<Use>& group, int number) {
    for (std::size_t i = 0; i < group.size(); ++i) {
      if (!stage_.computes(group[i].layer)) continue;
      const at::Tensor* mine = gradient_of(stage_.layer(group[i].layer), group[i].parameter);
      if (mine == nullptr) continue;
      for (const WorkerId other : takers_of(group, group[i].layer)) {
        exchange_.send_raw(other, key(group[i], number), *mine);
      }
    }
  }

  Result<void> add(const std::vector<Use>& group, int number) {
    const auto local = std::find_if(group.begin(), group.end(),
                                    [&](const Use& use) { return stage_.computes(use.layer); });
    if (local == group.end()) return {};
    const at::Tensor* shape = gradient_of(stage_.layer(local->layer), local->parameter);
    if (shape == nullptr) return {};
    at::Tensor sum;
    for (const Use& use : group) {
      at::Tensor gradient;
      if (stage_.computes(use.layer)) {
        gradient = *gradient_of(stage_.layer(use.layer), use.parameter);
      } else {
        PLANARIA_TRY(received,
                     exchange_.receive_raw(source_of(use.layer, context_.self), key(use, number),
                                           shape->scalar_type(), shape->numel()));
        gradient = received.view(shape->sizes());
      }
      sum = sum.defined() ? sum.add_(gradient) : gradient.clone();
    }
    for (const Use& use : group) {
      if (!stage_.computes(use.layer)) continue;
      // A tensor of its own for each use: clipping scales every layer's gradients in place, and the
      // one it replaces may still be on its way to another stage.
      *gradient_of(stage_.layer(use.layer), use.parameter) = sum.clone();
    }
    return {};
  }

 private:
  [[nodiscard]] FrameKey key(const Use& use, int number) const {
    return key_of(context_, use.layer, ReducedFrame::tied, number);
  }
  /// The worker that gives `taker` the gradient of a layer that it does not compute.
  [[nodiscard]] WorkerId source_of(LayerId layer, WorkerId taker) const {
    const auto place = place_of(*context_.layout, taker);
    check(place.has_value(), "a reduction on an idle worker");
    const auto& pipeline = context_.layout->pipelines[static_cast<std::size_t>(place->pipeline)];
    for (const StageAssignment& stage : pipeline.stages) {
      if (stage.layers.contains(layer)) return stage.worker;
    }
    check_failed("a pipeline without one of the layers", "");
  }
  [[nodiscard]] std::vector<WorkerId> takers_of(const std::vector<Use>& group,
                                                LayerId layer) const {
    const std::vector<WorkerId> have = active_holders(*context_.layout, layer);
    std::set<WorkerId> takers;
    for (const Use& use : group) {
      for (const WorkerId taker : active_holders(*context_.layout, use.layer)) {
        const bool has = std::find(have.begin(), have.end(), taker) != have.end();
        if (!has && source_of(layer, taker) == context_.self) takers.insert(taker);
      }
    }
    return {takers.begin(), takers.end()};
  }

  const ReductionContext& context_;
  Stage& stage_;
  Exchange& exchange_;
};

}  // namespace

Result<void> exchange_ties(const ReductionContext& context, Stage& stage, Exchange& exchange) {
  TieExchange ties(context, stage, exchange);
  const auto groups = tied_groups(*context.trainer);
  for (std::size_t i = 0; i < groups.size(); ++i) ties.send(groups[i], static_cast<int>(i));
  for (std::size_t i = 0; i < groups.size(); ++i) {
    PLANARIA_TRY_VOID(ties.add(groups[i], static_cast<int>(i)));
  }
  return {};
}

}  // namespace planaria::runtime
