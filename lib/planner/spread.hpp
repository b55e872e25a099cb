// planner/spread.hpp: workers and micro-batches spread over pipelines. Private to planner.
#pragma once

#include <map>
#include <optional>
#include <string>
#include <vector>

#include "planner/broad_search.hpp"
#include "planner/partition.hpp"

namespace planaria {

/// In which order workers are dealt to pipelines.
enum class WorkerOrder {
  as_numbered,   // a pipeline has neighbours by id
  alike,         // a pipeline has neighbours by zone, host, then speed and memory
  dealt_around,  // the same order, dealt in turn: pipelines are alike, stages have neighbours
};

/// How the layers of a pipeline are cut.
enum class CutRule {
  by_rounds,     // so that the longest round is short, within memory
  equal_counts,  // equally many in all stages, whatever they take
  by_template,   // so that fill, steady state and drain of a few micro-batches are short
};

/// Returns the depths of `width` pipelines over which `workers` are spread evenly, deepest first.
[[nodiscard]] std::vector<int> even_depths(int width, int workers);

/// Builds drafts whose pipelines have the depths given.
class Spreader {
 public:
  Spreader(const SearchTools& tools, const SearchLimits& limits);

  /// Returns the orders that differ for these workers.
  [[nodiscard]] const std::vector<WorkerOrder>& orders() const { return orders_; }

  struct Shape {
    std::string schedule;
    int lane_size = 1;
    std::vector<int> depths;  // workers of each pipeline
    WorkerOrder order = WorkerOrder::as_numbered;
    CutRule cut = CutRule::by_rounds;
  };
  /// Cuts the layers for each pipeline and shares out lanes so that all end together, about;
  /// stages fit memory, exactly. Nothing where that cannot be.
  [[nodiscard]] std::optional<PlanDraft> draft(const Shape& shape);

  /// Shares lanes out over the draft's pipelines so that all end together, about; false where they
  /// are more than the lanes.
  [[nodiscard]] bool share_out(PlanDraft& draft) const;
  /// Cuts the layers anew for the workers of one of the draft's pipelines, in the order in which
  /// they stand, and its share; false where they do not fit.
  [[nodiscard]] bool cut_anew(const PlanDraft& draft, PipelineDraft& pipeline);
  /// The same without a look at memory or speeds; false where the rule has no such cut.
  [[nodiscard]] bool cut_alike(CutRule rule, PipelineDraft& pipeline);
  [[nodiscard]] bool alike(int one, int other) const {
    return kinds_[static_cast<std::size_t>(one)] == kinds_[static_cast<std::size_t>(other)];
  }

  /// Returns the least largest sum of compute over `stages` contiguous parts, at speed 1.
  [[nodiscard]] double bottleneck_ms(int stages);

 private:
  using PartitionKey = std::vector<std::int64_t>;

  [[nodiscard]] std::vector<int> workers_in(WorkerOrder order, int count) const;
  [[nodiscard]] std::vector<std::vector<int>> dealt(const Shape& shape) const;
  /// What cuts depend on beside a pipeline's workers and share.
  struct Family {
    const std::string& schedule;
    int lane_size;
    std::size_t width;
  };
  [[nodiscard]] std::optional<std::vector<StageDraft>> partition(const Family& family,
                                                                 const std::vector<int>& workers,
                                                                 int micro_batches);
  [[nodiscard]] std::vector<HeldMost> held_by_stage(const std::string& schedule,
                                                    const std::vector<int>& ranks,
                                                    int micro_batches);
  [[nodiscard]] std::optional<std::vector<StageDraft>> cut(PartitionRequest request,
                                                           const std::vector<HeldMost>& held) const;
  /// Cut without a look at memory, nor at the workers.
  [[nodiscard]] std::optional<PlanDraft> cut_alike(const Shape& shape);
  /// Returns the last layer of each of so many stages, or nothing.
  [[nodiscard]] std::optional<std::vector<int>> lasts_of(CutRule rule, int stages);
  void find_templates();
  [[nodiscard]] int lanes(int lane_size) const {
    return lanes_in(limits_.micro_batches, lane_size);
  }

  const SearchTools& tools_;
  const SearchLimits& limits_;
  std::vector<std::int64_t> kinds_;  // [worker]
  std::vector<int> alike_;           // workers, neighbours being alike
  std::vector<int> ranks_by_speed_;  // [worker]: 0 the fastest
  std::vector<WorkerOrder> orders_;
  std::map<PartitionKey, std::optional<std::vector<StageDraft>>> partitions_;
  std::vector<std::optional<std::vector<int>>> template_lasts_;  // [stages - 1], once asked for
  std::vector<double> bottlenecks_ms_;                           // [stages]; below 0: not known yet
};

}  // namespace planaria
