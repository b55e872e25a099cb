// runtime/stage.hpp: the layers one worker holds, and what is computed on them. Private.
// Is: forward, backward, sums per lane, optimizer and state of a contiguous range of layers. Is
// not: order (the executor walks the schedule) or communication.
#pragma once

#include <functional>
#include <map>
#include <memory>
#include <mutex>
#include <optional>
#include <string>
#include <vector>

#include <ATen/core/Tensor.h>

#include <planaria/base/ids.hpp>
#include <planaria/base/result.hpp>
#include <planaria/checkpoint/tensor_block.hpp>
#include <planaria/model/lanes.hpp>
#include <planaria/model/layout.hpp>
#include <planaria/protocol/messages.hpp>
#include <planaria/runtime/statistics.hpp>
#include <planaria/runtime/trainer.hpp>

#include "runtime/device.hpp"

namespace planaria::runtime {

/// The gradients of a layer's trainable parameters, in their order; undefined where none came.
using Gradients = std::vector<at::Tensor>;

/// LibTorch's default generator belongs to the process. Where workers are threads of one process
/// they take turns with it; processes of their own never wait here.
class GeneratorLock {
 public:
  [[nodiscard]] std::unique_lock<std::mutex> take() { return std::unique_lock(mutex_); }

 private:
  std::mutex mutex_;
};

/// Hears of each action before anything of it is computed: its kind, and the layers it computes, in
/// this order (descending for a backward).
using ActionListener =
    std::function<void(char kind, Step, MicroBatchId, LayerId first, LayerId last)>;

struct StageOptions {
  const TrainerOptions* trainer = nullptr;  // outlives the stage
  LayerRange range;
  GeneratorLock* generator = nullptr;  // outlives the stage
  Device device;
  ActionListener on_action = {};
};

/// A layer on this worker: its module, its optimizer, and the sums of the step in flight.
struct HeldLayer {
  LayerId id;
  const LayerDefinition* definition = nullptr;
  std::unique_ptr<Layer> layer;
  NamedTensors parameters;  // all, in the module's order
  NamedTensors trainable;   // those with a gradient
  NamedTensors buffers;
  bool buffers_compared = false;           // that its forward leaves them alone, content and all
  std::vector<FoldsStatistics*> folding;   // modules within `layer`, in the module's order
  std::vector<std::size_t> folding_sizes;  // tensors each of them hands out
  std::unique_ptr<LayerOptimizer> optimizer;
  std::optional<TreeFold<Gradients>> fold;
  Gradients reduced;  // the whole step's gradient, every one defined
  /// What each micro-batch of the step said to the folding modules, one after another; after the
  /// reduction of all micro-batches.
  std::map<MicroBatchId, Tensors> statistics;

  [[nodiscard]] bool is_last_of(const TrainerOptions& options) const {
    return id.value == static_cast<int>(options.layers.size()) - 1;
  }
  /// Whether parameter `path` is a later use of a tied one.
  [[nodiscard]] bool is_tied_copy(const std::string& path) const;
  /// Parameters, buffers and optimizer state with the names and roles of files and hashes, as
  /// views.
  [[nodiscard]] std::vector<std::pair<checkpoint::TensorInfo, at::Tensor>> state() const;
};

class Stage {
 public:
  /// Builds the layers of the range with their keyed or given initial weights. invalid_input for
  /// what a model may not be, or for an init file that does not fit.
  [[nodiscard]] static Result<std::unique_ptr<Stage>> build(const StageOptions& options);

  [[nodiscard]] LayerRange range() const { return options_.range; }
  [[nodiscard]] bool holds_first() const { return options_.range.first.value == 0; }
  [[nodiscard]] bool holds_last() const;
  [[nodiscard]] std::vector<HeldLayer>& layers() { return layers_; }
  [[nodiscard]] HeldLayer& layer(LayerId id);

  void begin_step(Step step);
  /// Computes one micro-batch through the range; returns what the next stage gets. Inputs are
  /// canonical. `targets` on the last stage only, whose outputs stay here: the loss is taken.
  [[nodiscard]] Result<Tensors> forward(MicroBatchId micro_batch, Tensors inputs, Tensors targets);
  /// Takes the gradients of forward's floating-point outputs (none on the last stage) and returns
  /// those of its floating-point inputs (none on the first stage). Ends a lane where it is its
  /// last.
  [[nodiscard]] Result<Tensors> backward(MicroBatchId micro_batch, Tensors gradients);
  /// Computes one micro-batch of an evaluation at `level` through the range, dropout and the like
  /// off, as forward() but without a graph. The loss is evaluation_losses()'s.
  [[nodiscard]] Result<Tensors> evaluate(Step level, MicroBatchId micro_batch, Tensors inputs,
                                         Tensors targets);
  /// Around the micro-batches of an evaluation.
  void begin_evaluation();
  void end_evaluation();
  [[nodiscard]] const std::map<MicroBatchId, double>& evaluation_losses() const {
    return evaluation_losses_;
  }

  /// The losses of the step so far, by micro-batch.
  [[nodiscard]] const std::map<MicroBatchId, double>& losses() const { return losses_; }
  /// Where user code failed, after a fault of forward or backward.
  [[nodiscard]] const std::optional<protocol::Failed>& failure() const { return failure_; }

  /// Clips, steps the optimizers and folds statistics by the record; every reduced gradient must be
  /// there.
  void apply(const protocol::CommitRecord& record);

 private:
  struct InFlight {
    Tensors inputs;
    Tensors outputs;
    at::Tensor scaled_loss;  // last layer only
  };

  explicit Stage(const StageOptions& options);
  [[nodiscard]] Result<void> build_layers();
  [[nodiscard]] Result<void> load_initial_weights();
  [[nodiscard]] Result<void> copy_tied_sources();
  [[nodiscard]] Result<std::unique_ptr<Layer>> make_layer(LayerId id) const;
  template <class Work>
  [[nodiscard]] Result<Tensors> guarded(MicroBatchId micro_batch, LayerId layer, Work&& work);
  [[nodiscard]] Tensors forward_layer(HeldLayer& held, MicroBatchId micro_batch, Tensors inputs,
                                      const Tensors& targets);
  [[nodiscard]] Tensors backward_layer(HeldLayer& held, MicroBatchId micro_batch,
                                       const Tensors& gradients);
  [[nodiscard]] Tensors evaluate_layer(HeldLayer& held, Step level, MicroBatchId micro_batch,
                                       const Tensors& inputs, const Tensors& targets);
  void end_lane(HeldLayer& held, LaneId lane);
  void move_here(Tensors& tensors) const;
  void tell_action(char kind, MicroBatchId micro_batch, LayerId first, LayerId last) const;
  void apply_gradients(HeldLayer& held, double factor, const protocol::CommitRecord& record);

  StageOptions options_;
  LaneTree tree_;
  Step step_;
  std::vector<HeldLayer> layers_;
  std::map<std::pair<MicroBatchId, LayerId>, InFlight> in_flight_;
  std::map<MicroBatchId, double> losses_;
  std::map<MicroBatchId, double> evaluation_losses_;
  std::optional<protocol::Failed> failure_;
};

/// Returns the first line of what an exception says, without LibTorch's stack of frames.
[[nodiscard]] std::string sentence_of(const std::exception& error);

}  // namespace planaria::runtime
