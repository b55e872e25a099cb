// planner/pipeline_options.hpp: every pipeline that a plan may have, with a bound on its time.
// Private to planner, of exact_search.cpp.
#pragma once

#include <cstdint>
#include <optional>
#include <vector>

#include "planner/exact_search.hpp"

namespace planaria {

/// Workers of each kind, in kinds' order.
using KindCounts = std::vector<int>;

/// A pipeline but for its share: which kind of worker has which layers.
struct PipelineOption {
  std::vector<int> kinds;  // [stage]
  std::vector<int> lasts;  // [stage]: last layer
  KindCounts uses;
  /// The step ends no earlier than fixed_ms + micro-batches x micro_batch_ms + transfers x
  /// transfer_ms, for each of these.
  struct Bound {
    double fixed_ms = 0;
    double micro_batch_ms = 0;
    double transfer_ms = 0;
  };
  std::vector<Bound> bounds;

  [[nodiscard]] double bound_ms(int micro_batches, double transfers) const;
};

/// The workers by kind: those of one kind can stand for each other.
class WorkerKinds {
 public:
  explicit WorkerKinds(const CostTerms& terms);
  [[nodiscard]] int count() const { return static_cast<int>(members_.size()); }
  /// Ascending.
  [[nodiscard]] const std::vector<int>& members(int kind) const {
    return members_[static_cast<std::size_t>(kind)];
  }
  [[nodiscard]] KindCounts all() const;

 private:
  std::vector<std::vector<int>> members_;
};

/// Lists the pipelines of `request` that may take less than below_ms with the least share, or
/// nothing where they are more than `most` or looking at them takes more than the request's effort.
[[nodiscard]] std::optional<std::vector<PipelineOption>> pipeline_options(
    const SearchTools& tools, const SearchLimits& limits, const ExactRequest& request,
    const WorkerKinds& kinds, std::size_t most, std::int64_t& effort);

}  // namespace planaria
