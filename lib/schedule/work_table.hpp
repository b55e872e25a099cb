// schedule/work_table.hpp: which rank computes which micro-batch of which stage, and where in its
// list. Private. Is: the one reading of a schedule by (stage, micro-batch). Is not: a verdict on
// whether the ranks can run (validate.cpp) or when (simulate.cpp).
#pragma once

#include <cstdint>
#include <vector>

#include <planaria/base/result.hpp>
#include <planaria/schedule/actions.hpp>

namespace planaria {

/// The stages by rank and chunk, and the table's cells: one a (stage, micro-batch).
class StageTable {
 public:
  explicit StageTable(const Schedule& schedule);
  [[nodiscard]] int stage(int rank, int chunk) const {
    return stage_[(static_cast<std::size_t>(rank % depth_) * chunks_) +
                  static_cast<std::size_t>(chunk)];
  }
  /// The stages of a rank, by chunk.
  [[nodiscard]] const int* stages_of(int rank) const {
    return &stage_[static_cast<std::size_t>(rank % depth_) * chunks_];
  }
  /// The rank of a stage within one pipeline.
  [[nodiscard]] int rank_of(int stage) const { return rank_of_[static_cast<std::size_t>(stage)]; }
  [[nodiscard]] int stages() const { return static_cast<int>(rank_of_.size()); }
  [[nodiscard]] std::size_t cell(int stage, int micro_batch) const {
    return (static_cast<std::size_t>(stage) * micro_batches_) +
           static_cast<std::size_t>(micro_batch);
  }
  [[nodiscard]] std::size_t cells() const { return rank_of_.size() * micro_batches_; }

 private:
  int depth_;
  std::size_t chunks_;
  std::size_t micro_batches_;
  std::vector<int> stage_;    // [rank in the pipeline][chunk]
  std::vector<int> rank_of_;  // [stage]
};

/// What one rank does of a (stage, micro-batch): at which entry of its list, or -1.
struct Work {
  static constexpr std::int32_t none = -1;
  std::int32_t rank = none;
  std::int32_t forward = none;
  std::int32_t recompute = none;
  std::int32_t backward_input = none;
  std::int32_t backward_weight = none;
  std::int32_t backward = none;
  [[nodiscard]] std::int32_t& at(ActionKind kind);
  [[nodiscard]] bool is_fused() const { return backward != none; }
};

/// Reads a schedule by cells. infeasible names the first action that is none of the schedule, is
/// there twice, or belongs to a (stage, micro-batch) of another rank; or, where there are fewer
/// actions than cells, a cell without any. O(actions).
[[nodiscard]] Result<std::vector<Work>> work_table(const Schedule& schedule,
                                                   const StageTable& stages);

/// Returns how an action is named where several chunks are told apart.
[[nodiscard]] std::string name_in(const Schedule& schedule, ActionKind kind, int chunk,
                                  int micro_batch);

}  // namespace planaria
