// runtime/stage.hpp: the layers one worker holds, and what is computed on them. Private.
// Is: the store of layers by role, each at its level: active ones (a range a chunk: forward,
// backward, sums per lane), shadows (each step's gradient applied) and those being filled. Is not:
// order (the executor walks the schedule) or communication.
#pragma once

#include <functional>
#include <map>
#include <memory>
#include <mutex>
#include <optional>
#include <set>
#include <span>
#include <string>
#include <utility>
#include <vector>

#include <ATen/core/Tensor.h>

#include <planaria/base/ids.hpp>
#include <planaria/base/result.hpp>
#include <planaria/model/lanes.hpp>
#include <planaria/model/layout.hpp>
#include <planaria/protocol/messages.hpp>
#include <planaria/protocol/salvage.hpp>
#include <planaria/runtime/trainer.hpp>

#include "runtime/device.hpp"
#include "runtime/filling.hpp"
#include "runtime/held_layer.hpp"

namespace planaria::runtime {

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
/// Hears of each layer's part of an action right before it, as if in user code: what it throws is
/// the layer's failure.
using LayerListener = std::function<void(char kind, Step, MicroBatchId, LayerId)>;

struct StageOptions {
  const TrainerOptions* trainer = nullptr;  // outlives the stage
  GeneratorLock* generator = nullptr;       // outlives the stage
  Device device;
  ActionListener on_action = {};
  LayerListener before_layer = {};
};

/// A micro-batch on one of the worker's chunks.
struct WorkPlace {
  MicroBatchId micro_batch;
  int chunk = 0;
  friend auto operator<=>(const WorkPlace&, const WorkPlace&) = default;
};

class Stage {
 public:
  /// Creates a stage that holds nothing.
  [[nodiscard]] static std::unique_ptr<Stage> create(const StageOptions& options);

  // ---- what is held

  /// Drops everything, what is being filled too, and builds these layers with their keyed or given
  /// initial weights, at level 0; none of them computes. invalid_input for what a model may not be,
  /// or for an init file that does not fit: then nothing is held.
  [[nodiscard]] Result<void> build(const std::set<LayerId>& layers);
  /// Holds a layer whose state at `level` another holder sent (HeldLayer::state()'s tensors, in
  /// that order), in place of what was held of it, and brings it level with the gradients that were
  /// kept for it. corrupt where the state or a kept gradient does not fit the layer, stale_view
  /// where a step's gradient is missing: what is held and kept stays as it was. invalid_input,
  /// unavailable where the layer's factory, its optimizer or the hook fails.
  [[nodiscard]] Result<void> install(LayerId layer, Step level, const DescribedTensors& state);
  /// Drops a layer, and what was kept for it; harmless where there is none. Requires that it does
  /// not compute.
  void drop(LayerId layer);
  [[nodiscard]] bool holds(LayerId layer) const;
  /// Requires holds().
  [[nodiscard]] Step level_of(LayerId layer) const;
  [[nodiscard]] std::set<LayerId> held() const;
  /// All that is held, ascending.
  [[nodiscard]] std::vector<HeldLayer>& layers() { return layers_; }
  [[nodiscard]] HeldLayer& layer(LayerId id);
  /// Returns a copy of a layer's state with what each tensor is, in host memory, to be sent while
  /// training goes on. Requires holds().
  [[nodiscard]] DescribedTensors copy_state(LayerId layer) const;

  // ---- shadows

  /// Takes the reduced gradient of `step` for a layer that is shadowed. Returns whether the layer
  /// stands at step-1 and so counts; else the gradient is kept for install(), or dropped where it
  /// is applied already. corrupt where it does not fit.
  [[nodiscard]] Result<bool> shadow(LayerId layer, Step step, StepGradients gradients);
  /// Keeps the reduced gradient of `step` for a layer whose state is on its way. From then on
  /// apply() must hear every record.
  void keep(LayerId layer, Step step, StepGradients gradients);
  /// Forgets all that was kept.
  void forget_filling() { filling_.forget_all(); }
  /// The layers for which something is kept.
  [[nodiscard]] std::set<LayerId> filling() const { return filling_.layers(); }

  // ---- what computes

  /// Sets which layers forward, backward and evaluate walk, a range for each chunk, ascending and
  /// apart; none: nothing computes. Requires that all are held.
  void compute_on(std::vector<LayerRange> chunks);
  [[nodiscard]] bool computes() const { return !chunks_.empty(); }
  [[nodiscard]] int chunks() const { return static_cast<int>(chunks_.size()); }
  /// A chunk's layers. Requires that there is such a chunk.
  [[nodiscard]] LayerRange range(int chunk) const;
  /// Whether the layer is one of a chunk's.
  [[nodiscard]] bool computes(LayerId layer) const;
  /// The layers that compute, ascending.
  [[nodiscard]] std::vector<std::reference_wrapper<HeldLayer>> active_layers();
  [[nodiscard]] bool holds_first() const { return computes(LayerId{0}); }
  [[nodiscard]] bool holds_last() const { return computes(last_layer()); }
  [[nodiscard]] LayerId last_layer() const;

  /// Forgets what belongs to the step in flight, of every layer held, but for the sums that `work`,
  /// which outlives the step, says are finished and `self`'s, and what was noted of the same step.
  /// Layers that compute must stand at step-1.
  void begin_step(Step step, const protocol::StepWork& work, WorkerId self);
  /// What is there of `step` for the layers that compute: sums with their statistics, and notes.
  [[nodiscard]] std::optional<protocol::Salvaged> salvaged(Step step) const;
  /// What forward keeps for backward: the graph, or inputs alone, from which recompute() makes it.
  enum class Keep { graph, inputs };
  /// Computes one micro-batch through a chunk; returns what the next stage gets. Inputs are
  /// canonical. `targets` where the chunk ends with the last layer, whose outputs stay here: the
  /// loss is taken.
  [[nodiscard]] Result<Tensors> forward(WorkPlace at, Tensors inputs, Tensors targets,
                                        Keep keep = Keep::graph);
  /// Computes a forward that kept its inputs again, with the same random numbers, for its graph.
  [[nodiscard]] Result<void> recompute(WorkPlace at);
  /// Takes the gradients of forward's floating-point outputs (none behind the last layer) and
  /// returns those of its floating-point inputs (none of the first layer). What weight gradients
  /// need is kept for backward_weight(), where a module can put them off (SplitsBackward); others
  /// are computed now and kept. Requires that the step's work comes down to the chunk; where it
  /// ends within, what is returned is of the lowest layer that it comes to.
  [[nodiscard]] Result<Tensors> backward_input(WorkPlace at, Tensors gradients);
  /// Adds the weight gradients of a micro-batch whose backward_input() is done to its lane's, and
  /// ends the lane where it is its last.
  [[nodiscard]] Result<void> backward_weight(WorkPlace at);
  /// Both at once, layer by layer: the same values.
  [[nodiscard]] Result<Tensors> backward(WorkPlace at, Tensors gradients);
  /// The modules with parameters that cannot put off their weight gradients, of the layers that
  /// compute: "block0.norm1".
  [[nodiscard]] std::vector<std::string> modules_without_split();
  /// Computes one micro-batch of an evaluation at `level` through a chunk, dropout and the like
  /// off, as forward() but without a graph. The loss is evaluation_losses()'s.
  [[nodiscard]] Result<Tensors> evaluate(Step level, WorkPlace at, Tensors inputs, Tensors targets);
  /// Around the micro-batches of an evaluation.
  void begin_evaluation();
  void end_evaluation();
  [[nodiscard]] const std::map<MicroBatchId, double>& evaluation_losses() const {
    return evaluation_losses_;
  }

  /// What is known of the step beside gradients.
  [[nodiscard]] protocol::StepNotes& notes() { return notes_; }
  /// Where user code failed, after a fault of forward or backward.
  [[nodiscard]] const std::optional<protocol::Failed>& failure() const { return failure_; }

  /// Clips, steps the optimizers and folds statistics by the record: of each layer one level below
  /// it whose reduced gradient is there, which must be so of all that compute. Their level becomes
  /// the record's, also where its verdict is skip and nothing is done. Others stay as they are.
  /// What a user's optimizer or hook throws passes through.
  void apply(const protocol::CommitRecord& record);

 private:
  struct InFlight {
    Tensors inputs;
    Tensors outputs;
    at::Tensor scaled_loss;  // last layer only
  };
  /// What a forward takes, for recompute().
  struct Kept {
    Tensors inputs;
    Tensors targets;
  };
  enum class Halves { input, both };

  explicit Stage(const StageOptions& options);
  [[nodiscard]] Result<void> build_layers(const std::set<LayerId>& layers);
  [[nodiscard]] Result<HeldLayer> build_layer(LayerId id) const;
  [[nodiscard]] Result<void> load_initial_weights();
  [[nodiscard]] Result<void> copy_tied_sources();
  [[nodiscard]] Result<std::unique_ptr<Layer>> make_layer(LayerId id) const;
  [[nodiscard]] Result<void> verify_kept(const HeldLayer& held) const;
  [[nodiscard]] Result<void> catch_up(HeldLayer& held);
  void hold(HeldLayer held);
  [[nodiscard]] Result<Tensors> guarded(MicroBatchId micro_batch, LayerId layer,
                                        const std::function<Tensors()>& work);
  [[nodiscard]] Tensors forward_layer(HeldLayer& held, MicroBatchId micro_batch, Tensors inputs,
                                      const Tensors& targets, Keep keep);
  [[nodiscard]] Tensors backward_layer(HeldLayer& held, MicroBatchId micro_batch,
                                       const Tensors& gradients);
  [[nodiscard]] Tensors evaluate_layer(HeldLayer& held, Step level, MicroBatchId micro_batch,
                                       const Tensors& inputs, const Tensors& targets);
  [[nodiscard]] Result<Tensors> forward_through(char kind, WorkPlace at, Tensors inputs,
                                                const Tensors& targets, Keep keep);
  [[nodiscard]] Result<Tensors> backward_through(char kind, WorkPlace at, Tensors gradients,
                                                 Halves halves);
  [[nodiscard]] LayerId lowest_of_backward(WorkPlace at) const;
  void add_weights(HeldLayer& held, MicroBatchId micro_batch);
  void end_lane(HeldLayer& held, LaneId lane);
  void keep_finished(HeldLayer& held, const std::vector<TreeNode>& finished);
  [[nodiscard]] bool takes_part_in_tie(const HeldLayer& held) const;
  void move_here(Tensors& tensors) const;
  void tell_layer(char kind, MicroBatchId micro_batch, LayerId layer) const;
  void tell_action(char kind, MicroBatchId micro_batch, LayerId first, LayerId last) const;
  void apply_to(HeldLayer& held, const protocol::CommitRecord& record) const;
  void apply_gradients(HeldLayer& held, const protocol::CommitRecord& record) const;

  StageOptions options_;
  LaneTree tree_;
  Step step_;
  std::vector<HeldLayer> layers_;   // ascending
  std::vector<LayerRange> chunks_;  // of them, what computes
  Filling filling_;
  std::map<std::pair<MicroBatchId, LayerId>, InFlight> in_flight_;
  std::map<WorkPlace, Kept> kept_;            // for recompute()
  const protocol::StepWork* work_ = nullptr;  // of the step in flight
  protocol::StepNotes notes_;                 // of the step in flight
  std::map<MicroBatchId, double> evaluation_losses_;
  std::optional<protocol::Failed> failure_;
};

/// Returns the first line of what an exception says, without LibTorch's stack of frames.
[[nodiscard]] std::string sentence_of(const std::exception& error);

}  // namespace planaria::runtime
