// runtime/statistics.hpp: modules whose buffers follow what they see in training. Floor 8,
// LibTorch. Is: the contract by which such a module trains with the same bits in every layout
// (PROTOCOL 2). Is not: a way to write buffers in forward, which stays refused. One thread at a
// time.
#pragma once

#include <vector>

#include <torch/types.h>

namespace planaria {

/// A module whose buffers follow what it sees in training. It must not write them in forward: it
/// hands out what one micro-batch said, and planaria folds all micro-batches of a step into the
/// buffers in micro-batch order at commit, on every holder. A layer may hold several anywhere in
/// its module tree.
class FoldsStatistics {
 public:
  virtual ~FoldsStatistics() = default;
  /// Returns what the last forward in training mode found (fixed number, shapes and types, all
  /// defined, detached, contiguous, shared with nothing) and forgets it. Throws std::logic_error if
  /// there was none since the last call.
  [[nodiscard]] virtual std::vector<torch::Tensor> take_statistics() = 0;
  /// Folds one micro-batch's statistics into the buffers, in place. Called for micro-batches 0 to
  /// M-1 in order, between forwards; a pure function of the buffers and `statistics`.
  virtual void fold(const std::vector<torch::Tensor>& statistics) = 0;
};

}  // namespace planaria
