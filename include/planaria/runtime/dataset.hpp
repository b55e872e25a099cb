// runtime/dataset.hpp: samples by number. Floor 8, LibTorch.
// Is: a map from sample ids to tensors; which ids a micro-batch has is model/sample_order.hpp's.
// Is not: iterable: a data set without random access is out of scope.
#pragma once

#include <cstdint>
#include <memory>
#include <span>
#include <string>

#include <planaria/base/result.hpp>
#include <planaria/runtime/layers.hpp>

namespace planaria {

/// Called from several threads at once where workers are threads; must be a pure function of the
/// ids.
class Dataset {
 public:
  virtual ~Dataset() = default;
  /// Samples to train on: ids 0 to samples()-1.
  [[nodiscard]] virtual std::int64_t samples() const = 0;
  /// Names the content, so that a worker with other data is refused.
  [[nodiscard]] virtual std::string fingerprint() const = 0;
  /// What the first layer gets: stacked along dimension 0 in the order of the ids.
  [[nodiscard]] virtual Tensors inputs(std::span<const std::int64_t> ids) const = 0;
  /// What the loss gets beside the last layer's outputs.
  [[nodiscard]] virtual Tensors targets(std::span<const std::int64_t> ids) const = 0;
};

struct ByteTextOptions {
  std::string path;
  int context = 128;  // C: bytes per sample
  /// The last part of the samples is kept for evaluation, outside samples(). 0 to 0.5.
  double evaluation_fraction = 0.05;
};
/// Bytes of a memory-mapped file as int64 symbols 0..255. Sample i is bytes iC to iC+C: inputs the
/// first C ([m, C]), targets the last C ([m, C]). invalid_input for a file that is missing, empty
/// or shorter than two samples, naming it.
[[nodiscard]] Result<std::shared_ptr<Dataset>> byte_text(const ByteTextOptions& options);

}  // namespace planaria
