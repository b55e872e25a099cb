// runtime/held_layer.hpp: one layer on a worker: module, optimizer, level, a step's gradient.
// Private. Is: what an active holder and a shadow have alike. Is not: forward and backward (stage).
#pragma once

#include <map>
#include <memory>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include <ATen/core/Tensor.h>

#include <planaria/base/ids.hpp>
#include <planaria/base/result.hpp>
#include <planaria/checkpoint/tensor_block.hpp>
#include <planaria/model/lanes.hpp>
#include <planaria/runtime/layers.hpp>
#include <planaria/runtime/optimizer.hpp>
#include <planaria/runtime/split_backward.hpp>
#include <planaria/runtime/statistics.hpp>
#include <planaria/runtime/trainer.hpp>

namespace planaria::runtime {

/// The gradients of a layer's trainable parameters, in their order; undefined where none came.
using Gradients = std::vector<at::Tensor>;

/// What a micro-batch's backward for inputs left of a layer's weight gradients.
struct WeightWork {
  Gradients computed;  // of modules that cannot put theirs off
  std::vector<PutOffGradients::Entry> put_off;
};

/// Tensors with what each of them is.
using DescribedTensors = std::vector<std::pair<checkpoint::TensorInfo, at::Tensor>>;

/// What a holder needs of a step to apply its record.
struct StepGradients {
  Gradients reduced;  // the whole step's, every one defined
  /// What each micro-batch of the step said to the folding modules, one after another.
  std::map<MicroBatchId, Tensors> statistics;
  std::vector<std::size_t> folding_sizes;  // tensors each folding module hands out
};

/// A layer on this worker: its module, its optimizer, and the sums of the step in flight.
struct HeldLayer {
  LayerId id;
  Step level{0};  // so many steps are applied
  const LayerDefinition* definition = nullptr;
  std::unique_ptr<Layer> layer;
  NamedTensors parameters;  // all, in the module's order
  NamedTensors trainable;   // those with a gradient
  NamedTensors buffers;
  bool buffers_compared = false;           // that its forward leaves them alone, content and all
  std::vector<FoldsStatistics*> folding;   // modules within `layer`, in the module's order
  std::vector<std::size_t> folding_sizes;  // tensors each of them hands out
  std::unique_ptr<LayerOptimizer> optimizer;
  /// Where modules put off their weight gradients during a backward.
  std::shared_ptr<PutOffGradients> put_off;
  std::vector<std::string> without_split;          // modules with parameters that cannot
  std::map<MicroBatchId, WeightWork> weight_work;  // whose inputs' half is done
  std::map<LaneId, Gradients> lane_sums;           // of lanes that are not at their end
  /// The sums of lanes that are there; after the reduction the whole sum alone, before ties.
  std::optional<TreeFold<Gradients>> fold;
  bool fold_lent = false;  // its tensors may still be on their way to others
  /// The step whose reduced gradient is here; nothing: none is.
  std::optional<Step> reduced_step;
  Gradients reduced;  // the whole step's gradient, every one defined
  /// What each micro-batch of the step said to the folding modules, one after another; after the
  /// reduction of all micro-batches.
  std::map<MicroBatchId, Tensors> statistics;
  /// The reduced gradient may still be on its way to a shadow, so nobody may write it in place.
  bool lent = false;

  [[nodiscard]] bool is_last_of(const TrainerOptions& options) const {
    return id.value == static_cast<int>(options.layers.size()) - 1;
  }
  /// Whether parameter `path` is a later use of a tied one.
  [[nodiscard]] bool is_tied_copy(const std::string& path) const;
  /// Parameters, buffers and optimizer state with the names and roles of files and hashes, as
  /// views.
  [[nodiscard]] DescribedTensors state() const;
  /// Overwrites the state by what another holder sent; corrupt, and nothing written, unless names,
  /// types and shapes are those of state().
  [[nodiscard]] Result<void> load(const DescribedTensors& sent);

  /// Proves that another holder's gradients are this layer's, in number, type and shape, with
  /// statistics of all `micro_batches`; corrupt otherwise.
  [[nodiscard]] Result<void> verify_gradients(const StepGradients& sent, int micro_batches) const;
  /// Takes such gradients for `step`.
  void take(Step step, StepGradients gradients, int micro_batches);
  /// Takes what a backward for inputs has left of the micro-batch's weight gradients.
  void keep_weight_work(MicroBatchId micro_batch);
  /// Computes what was put off of the micro-batch and adds all of it to the lane's sum, which
  /// undefined gradients leave alone.
  void add_weight_work(MicroBatchId micro_batch, LaneId lane);
  /// Forgets what belongs to the step in flight.
  void forget_step();
};

/// Adds gradients of the tree's left and right halves. An undefined one is a parameter that no
/// micro-batch reached: it adds nothing.
void add_gradients(Gradients& left, Gradients&& right);

/// XXH3-64 of a step's gradients, then its statistics by micro-batch: what every holder of the
/// layer reports. `gradients` lie in host memory.
[[nodiscard]] std::uint64_t gradient_checksum(const Gradients& gradients,
                                              const std::map<MicroBatchId, Tensors>& statistics);

}  // namespace planaria::runtime
