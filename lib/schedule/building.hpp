// schedule/building.hpp: a rank's list as builders write it. Private.
#pragma once

#include <vector>

#include <planaria/schedule/actions.hpp>
#include <planaria/schedule/builders.hpp>

namespace planaria {

/// Returns a schedule of that shape without actions.
[[nodiscard]] Schedule empty_schedule(PipelineShape shape, Placement placement = Placement::single,
                                      int chunks = 1);

/// Appends actions of one rank; micro-batches of each (kind, chunk) come in index order.
class RankWriter {
 public:
  /// Micro-batches from `micro_batches` on are counted but not written.
  RankWriter(std::vector<Action>& actions, int chunks, int micro_batches)
      : actions_(actions),
        micro_batches_(micro_batches),
        forwards_(static_cast<std::size_t>(chunks), 0),
        inputs_(forwards_),
        weights_(forwards_) {
    actions_.reserve(std::size_t{3} * forwards_.size() * static_cast<std::size_t>(micro_batches));
  }

  [[nodiscard]] int forwards(int chunk = 0) const { return forwards_[at(chunk)]; }
  [[nodiscard]] int inputs(int chunk = 0) const { return inputs_[at(chunk)]; }
  [[nodiscard]] int weights(int chunk = 0) const { return weights_[at(chunk)]; }

  void forward(int chunk = 0) { write(ActionKind::forward, forwards_[at(chunk)]++, chunk); }
  void backward_input(int chunk = 0) {
    write(ActionKind::backward_input, inputs_[at(chunk)]++, chunk);
  }
  void backward_weight(int chunk = 0) {
    write(ActionKind::backward_weight, weights_[at(chunk)]++, chunk);
  }
  /// A fused backward counts as both halves.
  void backward(int chunk = 0) {
    ++weights_[at(chunk)];
    write(ActionKind::backward, inputs_[at(chunk)]++, chunk);
  }
  /// Makes the last two actions one overlapped pair.
  void overlap_last_two() { actions_[actions_.size() - 2].overlaps_next = true; }

 private:
  static std::size_t at(int chunk) { return static_cast<std::size_t>(chunk); }
  void write(ActionKind kind, int micro_batch, int chunk) {
    if (micro_batch < micro_batches_) actions_.push_back({kind, micro_batch, chunk});
  }

  std::vector<Action>& actions_;
  int micro_batches_;
  std::vector<int> forwards_, inputs_, weights_;  // [chunk]
};

}  // namespace planaria
