// model/sample_order.hpp: which samples a micro-batch trains on. Floor 1, pure.
// Is: a permutation per epoch that remembers nothing (a Feistel network with cycle walking).
// Is not: the samples themselves (runtime/dataset.hpp).
#pragma once

#include <cstdint>
#include <vector>

#include <planaria/base/ids.hpp>
#include <planaria/base/result.hpp>

namespace planaria {

struct SampleOrderOptions {
  std::uint64_t seed = 0;
  std::int64_t dataset_samples = 0;  // at least one step's worth
  int micro_batches = 1;             // M, per step
  int micro_batch_size = 1;          // m, samples each
};

/// Maps (step, micro-batch) to sample ids. Each epoch is a permutation of all samples keyed by
/// (seed, epoch); a step stays within one epoch; the remainder that fills no step is dropped.
class SampleOrder {
 public:
  /// Fails with invalid_input where the data set is smaller than one step: "dataset_samples: 12,
  /// must be at least 32 (8 micro-batches of 4)".
  [[nodiscard]] static Result<SampleOrder> create(const SampleOrderOptions& options);

  /// Steps per epoch.
  [[nodiscard]] std::int64_t steps_per_epoch() const { return steps_per_epoch_; }
  /// The epoch of `step` (from 1), from 0.
  [[nodiscard]] std::int64_t epoch_of(Step step) const;
  /// Returns the m sample ids of one micro-batch. O(m).
  [[nodiscard]] std::vector<std::int64_t> samples(Step step, MicroBatchId micro_batch) const;
  /// Returns where the permutation of `epoch` sends `position`, both in [0, dataset_samples).
  [[nodiscard]] std::int64_t permuted(std::int64_t epoch, std::int64_t position) const;

 private:
  explicit SampleOrder(const SampleOrderOptions& options);
  SampleOrderOptions options_;
  std::int64_t steps_per_epoch_ = 0;
  int half_bits_ = 1;
};

/// How the samples kept for evaluation are cut into micro-batches: in order, all of m samples but
/// perhaps the last. Their ids follow those that are trained on.
struct EvaluationOrder {
  std::int64_t dataset_samples = 0;  // trained on
  std::int64_t samples = 0;          // evaluated
  int micro_batch_size = 1;          // m

  [[nodiscard]] int micro_batches() const {
    return static_cast<int>((samples + micro_batch_size - 1) / micro_batch_size);
  }
  /// The number of samples of one micro-batch, from 0 to micro_batches()-1.
  [[nodiscard]] std::int64_t size_of(MicroBatchId micro_batch) const;
  /// Their ids.
  [[nodiscard]] std::vector<std::int64_t> ids(MicroBatchId micro_batch) const;
};

}  // namespace planaria
