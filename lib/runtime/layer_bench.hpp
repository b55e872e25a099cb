// runtime/layer_bench.hpp: one layer at a time, computed as a worker computes it, and what that
// takes. Private.
// Is: the runtime's own stage, holding a single layer between its real inputs and the gradients of
// its real outputs, with a watch on time and memory. Is not: medians (profiling.cpp) or transfers
// (transfer_probe.hpp).
#pragma once

#include <cstdint>
#include <map>
#include <memory>
#include <string>
#include <vector>

#include <ATen/core/Tensor.h>

#include <planaria/base/clock.hpp>
#include <planaria/base/ids.hpp>
#include <planaria/base/result.hpp>
#include <planaria/model/sample_order.hpp>
#include <planaria/protocol/salvage.hpp>
#include <planaria/runtime/trainer.hpp>

#include "runtime/data_samples.hpp"
#include "runtime/device.hpp"
#include "runtime/stage.hpp"

namespace planaria::runtime {

/// What the actions of one micro-batch took, of one layer.
struct ActionTimes {
  double forward_ms = 0;
  double backward_input_ms = 0;
  double backward_weight_ms = 0;
};

/// What one micro-batch holds, of one layer.
struct MicroBatchBytes {
  std::int64_t boundary = 0;         // the layer's outputs, as they are sent
  std::int64_t activation = 0;       // from F to B, outputs not counted: the next layer has them
  std::int64_t weight_gradient = 0;  // from B to W, without what goes to the layer before
};

/// What a layer holds whatever the micro-batches.
struct LayerBytes {
  std::int64_t parameters = 0;  // and buffers
  std::int64_t state = 0;       // the optimizer's
  std::int64_t gradients = 0;
};

/// One visit of a layer.
struct LayerVisit {
  std::vector<ActionTimes> times;  // by size
  double optimizer_ms = 0;         // norm, checksum, clipping, step, statistics: once a step
};

/// What a layer holds, measured.
struct LayerHolding {
  LayerBytes layer;
  std::vector<MicroBatchBytes> micro_batches;  // by size
};

struct LayerBenchOptions {
  const TrainerOptions* trainer = nullptr;  // outlives the bench
  std::vector<int> micro_batch_sizes;       // ascending, at least one
  GeneratorLock* generator = nullptr;       // outlives the bench
};

/// Holds one layer at a time, with its initial weights; beside it what every layer gets from the
/// one before, at each size, and the gradients for the layer that is next on the way back. One
/// thread. Faults of user code are a run's, with the layer's name in front.
class LayerBench {
 public:
  /// invalid_input where the data set is too small for two of the largest micro-batches, or there
  /// is no such device.
  [[nodiscard]] static Result<std::unique_ptr<LayerBench>> create(const LayerBenchOptions& options);

  /// Builds the layers before `layer` in order, each once, and keeps what each hands on.
  [[nodiscard]] Result<void> walk_to(LayerId layer);
  /// Builds the layer alone. Requires that the walk has come to it.
  [[nodiscard]] Result<void> hold(LayerId layer);

  // ---- of the layer held. The gradients come from the layer behind it, which must have been held
  // and measured, or weighed, right before.

  /// Measures at each size: a first micro-batch to warm up, then a second, as all but a step's
  /// first are. `round` says which size comes first; `bytes_between`, by size, how much memory a
  /// worker goes through between two uses of the layer: as much leaves the caches before F and B.
  [[nodiscard]] Result<LayerVisit> measure(int round,
                                           const std::vector<std::int64_t>& bytes_between);
  /// Counts bytes at each size.
  [[nodiscard]] Result<LayerHolding> weigh();
  /// Computes one forward at the smallest size and drops what it keeps.
  [[nodiscard]] Result<void> compute_forward();

  [[nodiscard]] LayerId last_layer() const { return stage_->last_layer(); }
  [[nodiscard]] std::string device_kind() const { return device_.kind(); }

 private:
  explicit LayerBench(const LayerBenchOptions& options);
  struct Passed {
    ActionTimes times;
    Tensors gradients;  // for the layer before
  };
  void begin_step();
  [[nodiscard]] Result<Tensors> load(std::size_t size, MicroBatchId micro_batch,
                                     SampleEnd end) const;
  [[nodiscard]] Tensors copies_of_inputs(std::size_t size) const;
  [[nodiscard]] Result<Tensors> forward(std::size_t size, MicroBatchId micro_batch, Tensors inputs);
  [[nodiscard]] Result<Passed> pass(std::size_t size, MicroBatchId micro_batch,
                                    std::int64_t bytes_between);
  void go_through(std::int64_t bytes);
  [[nodiscard]] Result<MicroBatchBytes> weigh(std::size_t size, Tensors& passed);
  [[nodiscard]] Result<double> apply_gradients(std::int64_t bytes_between);
  [[nodiscard]] Fault named(const Fault& fault) const;
  [[nodiscard]] double now_ms() const;

  TrainerOptions trainer_;  // of a step of two micro-batches
  std::vector<int> sizes_;
  Device device_;
  SystemClock clock_;
  std::vector<SampleOrder> orders_;  // by size
  protocol::StepWork work_;
  std::unique_ptr<Stage> stage_;
  LayerId held_{-1};
  std::map<LayerId, std::vector<Tensors>> inputs_;  // by size; the first layer's come from the data
  std::vector<Tensors> gradients_;                  // by size, of the outputs of the layer held
  at::Tensor other_memory_;                         // what go_through() reads
};

}  // namespace planaria::runtime
