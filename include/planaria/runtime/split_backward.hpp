// runtime/split_backward.hpp: modules whose weight gradients can wait. Floor 8, LibTorch.
// Is: the contract by which a schedule runs a backward in two halves: B, for the inputs, which the
// stage before waits for, and W, for the weights, which nobody waits for. Is not: such modules
// themselves (modules.hpp). One thread at a time.
#pragma once

#include <functional>
#include <memory>
#include <utility>
#include <vector>

#include <torch/types.h>

namespace planaria {

/// The weight gradients that a layer's backward has put off, in the order it came to them.
class PutOffGradients {
 public:
  struct Entry {
    torch::Tensor parameter;
    std::function<torch::Tensor()> gradient;  // called once, without a graph
  };
  /// Puts off one addend of `parameter`'s gradient. `gradient` must not change with when it is
  /// called: it keeps the tensors it needs, and nothing else.
  void put(torch::Tensor parameter, std::function<torch::Tensor()> gradient) {
    entries_.push_back({std::move(parameter), std::move(gradient)});
  }
  /// Returns all that was put off, and forgets it.
  [[nodiscard]] std::vector<Entry> take() { return std::exchange(entries_, {}); }

 private:
  std::vector<Entry> entries_;
};

/// A module that can put off the gradients of its own parameters. A layer may hold several anywhere
/// in its module tree; parameters of other modules get their gradients in B.
class SplitsBackward {
 public:
  virtual ~SplitsBackward() = default;
  /// From now on backward puts the gradients of this module's own parameters there instead of
  /// accumulating them: the same values by the same kernels, later. Null: as any other module.
  virtual void put_off_to(std::shared_ptr<PutOffGradients> gradients) = 0;
};

}  // namespace planaria
