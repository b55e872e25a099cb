// planner/cost_terms.hpp: the numbers of one micro-batch size that every price is made of. Private
// to planner. Is: layers and workers by index, sums over a stage, transfers between workers. Is
// not: a schedule (pipeline_times.hpp) or a step (step_end.hpp).
#pragma once

#include <cstddef>
#include <cstdint>
#include <optional>
#include <span>
#include <vector>

#include <planaria/base/result.hpp>
#include <planaria/model/cluster.hpp>
#include <planaria/model/layout.hpp>
#include <planaria/model/profile.hpp>

namespace planaria {

/// A layer's, or the sums over a stage's.
struct LayerTerms {
  double forward_ms = 0;
  double backward_input_ms = 0;
  double backward_weight_ms = 0;
  double optimizer_ms = 0;
  std::int64_t state_bytes = 0;  // parameters and the optimizer's
  std::int64_t gradient_bytes = 0;
  std::int64_t activation_bytes = 0;
  std::int64_t weight_gradient_bytes = 0;
  [[nodiscard]] double compute_ms() const {
    return forward_ms + backward_input_ms + backward_weight_ms;
  }
  /// What who shadows it holds of it.
  [[nodiscard]] std::int64_t shadow_bytes() const { return state_bytes + gradient_bytes; }
};

struct WorkerTerms {
  WorkerId id;
  double speed = 1;
  std::int64_t memory_bytes = 0;
  int zone = 0;  // numbered as they come
  int host = 0;  // numbered over all zones
};

class CostTerms {
 public:
  /// Reads the numbers of `profile.micro_batch_sizes[size]`; the cluster's workers ascending by id.
  /// invalid_input where sums would not be countable.
  [[nodiscard]] static Result<CostTerms> of(const Profile& profile, const Cluster& cluster,
                                            std::size_t size);

  /// The same by micro-batch size. invalid_input also: "micro_batch_size: 3, must be one of 1, 2".
  [[nodiscard]] static Result<CostTerms> of_micro_batches(const Profile& profile,
                                                          const Cluster& cluster,
                                                          int micro_batch_size);

  [[nodiscard]] int layers() const { return static_cast<int>(layers_.size()); }
  [[nodiscard]] int workers() const { return static_cast<int>(workers_.size()); }
  [[nodiscard]] const LayerTerms& layer(int index) const {
    return layers_[static_cast<std::size_t>(index)];
  }
  [[nodiscard]] const WorkerTerms& worker(int index) const {
    return workers_[static_cast<std::size_t>(index)];
  }
  /// Returns the worker's index, or -1.
  [[nodiscard]] int index_of(WorkerId id) const;
  /// Sums over layers [first, last] in their order. O(last - first).
  [[nodiscard]] LayerTerms sums(int first, int last) const;
  /// What a cut after `layer` sends of a micro-batch, each way; 0 after the last layer.
  [[nodiscard]] std::int64_t boundary_bytes(int layer) const {
    return boundary_bytes_[static_cast<std::size_t>(layer)];
  }
  [[nodiscard]] bool has_links() const { return links_.has_value(); }
  /// From one worker to another.
  [[nodiscard]] double transfer_ms(int from, int to, std::int64_t bytes) const;
  /// The same over the fastest link that there is: of any two workers it takes at least this.
  [[nodiscard]] double least_transfer_ms(std::int64_t bytes) const;
  /// What summing the layer's gradient over its holders takes: 2(D-1)/D transfers over the slowest
  /// pair; nothing for one holder. O(holders log holders), O(1) without links.
  [[nodiscard]] double reduction_ms(int layer, std::span<const int> holders) const;

 private:
  CostTerms() = default;

  std::vector<LayerTerms> layers_;
  std::vector<std::int64_t> boundary_bytes_;
  std::vector<WorkerTerms> workers_;
  std::vector<TransferPoint> transfer_;
  std::optional<Links> links_;
  std::vector<double> gradient_transfer_ms_;  // [layer], without links
};

/// How many transfers of a gradient a reduction over `holders` takes: 2(D-1)/D.
[[nodiscard]] inline double reduction_transfers(int holders) {
  return 2.0 * (holders - 1) / holders;
}

}  // namespace planaria
