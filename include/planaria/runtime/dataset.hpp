// runtime/dataset.hpp: samples by number. Floor 8, LibTorch.
// Is: a map from sample ids to tensors; which ids a micro-batch has is model/sample_order.hpp's.
// Is not: iterable: a data set without random access is out of scope.
#pragma once

#include <concepts>
#include <cstdint>
#include <functional>
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
  /// Samples kept for evaluation: the ids from samples() on.
  [[nodiscard]] virtual std::int64_t evaluation_samples() const { return 0; }
  /// Names the content, so that a worker with other data is refused.
  [[nodiscard]] virtual std::string fingerprint() const = 0;
  /// What the first layer gets: stacked along dimension 0 in the order of the ids.
  [[nodiscard]] virtual Tensors inputs(std::span<const std::int64_t> ids) const = 0;
  /// What the loss gets beside the last layer's outputs.
  [[nodiscard]] virtual Tensors targets(std::span<const std::int64_t> ids) const = 0;
};

/// A function from sample ids to tensors, or to one tensor.
class SampleFunction {
 public:
  SampleFunction() = default;
  template <class Function>
  requires std::invocable<Function, std::span<const std::int64_t>>
  // NOLINTNEXTLINE(google-explicit-constructor): so that it is written where a function is meant
  SampleFunction(Function function)
      : function_([function = std::move(function)](std::span<const std::int64_t> ids) -> Tensors {
          return {function(ids)};
        }) {}
  [[nodiscard]] Tensors operator()(std::span<const std::int64_t> ids) const {
    return function_(ids);
  }
  [[nodiscard]] explicit operator bool() const { return static_cast<bool>(function_); }

 private:
  std::function<Tensors(std::span<const std::int64_t>)> function_;
};

/// What a loop of your own already has: functions from sample ids to tensors.
struct DatasetFunctions {
  std::int64_t samples = 0;
  std::int64_t evaluation_samples = 0;
  std::string fingerprint;
  SampleFunction inputs;
  SampleFunction targets;
};
/// Requires both functions.
[[nodiscard]] std::shared_ptr<Dataset> dataset_of(DatasetFunctions functions);

struct ByteTextOptions {
  std::string path;
  int context = 128;  // C: bytes per sample
  /// The last part of the samples is evaluation_samples(), outside samples(). 0 to 0.5.
  double evaluation_fraction = 0.05;
};
/// Bytes of a memory-mapped file as int64 symbols 0..255. Sample i is bytes iC to iC+C: inputs the
/// first C ([m, C]), targets the last C ([m, C]). invalid_input for a file that is missing, empty
/// or shorter than two samples, naming it.
[[nodiscard]] Result<std::shared_ptr<Dataset>> byte_text(const ByteTextOptions& options);

}  // namespace planaria
