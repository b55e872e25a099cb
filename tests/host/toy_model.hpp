// tests/host/toy_model.hpp: a model whose "training" is exact arithmetic, the same in every layout.
#pragma once

#include <cstddef>
#include <cstdint>
#include <string>
#include <vector>

#include <planaria/base/ids.hpp>
#include <planaria/checkpoint/tensor_block.hpp>
#include <planaria/model/run_spec.hpp>
#include <planaria/protocol/messages.hpp>

namespace planaria::test {

struct ToyOptions {
  std::int64_t steps = 6;
  int micro_batches = 8;
  int layers = 6;
  std::uint64_t seed = 1;
  int threads = 1;  // a property that must be equal everywhere
};

[[nodiscard]] RunSpec toy_spec(const ToyOptions& options);

/// One layer: a parameter, a buffer in layer 0, and an optimizer state, each of four floats.
class ToyLayer {
 public:
  ToyLayer(const ToyOptions& options, LayerId layer);
  /// The reduced gradient of a step: a pure function of seed, step, layer and the parameters.
  [[nodiscard]] std::vector<float> gradient(Step step) const;
  void apply(Step step);
  [[nodiscard]] protocol::LayerReport report(Step step) const;
  [[nodiscard]] protocol::LayerState state() const;

  struct Tensor {
    checkpoint::TensorInfo info;
    std::vector<float> data;
  };
  [[nodiscard]] const std::vector<Tensor>& tensors() const { return tensors_; }

 private:
  ToyOptions options_;
  LayerId layer_;
  std::vector<Tensor> tensors_;
};

/// What one micro-batch reports at either end of the pipeline.
[[nodiscard]] double toy_loss(const ToyOptions& options, Step step, MicroBatchId micro_batch);
[[nodiscard]] std::uint64_t toy_hash(const ToyOptions& options, Step step, MicroBatchId micro_batch,
                                     std::uint64_t end);

}  // namespace planaria::test
