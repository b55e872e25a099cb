// Schedules of two chunks a rank in v placement that are given by lists: ZB-V and DualPipeV.
#include <algorithm>
#include <deque>

#include <planaria/base/check.hpp>
#include <planaria/schedule/builders.hpp>

#include "schedule/building.hpp"

namespace planaria {
namespace {

void write_zero_bubble_v(std::vector<Action>& actions, int rank, PipelineShape shape) {
  const int p = shape.stages;
  const int n = std::max((2 * p) - 1, shape.micro_batches);  // too many are not written
  RankWriter write(actions, 2, shape.micro_batches);
  const auto backward = [&](int chunk) {
    write.backward_input(chunk);
    write.backward_weight(chunk);
  };
  for (int i = 0; i < (2 * (p - rank)) - 1; ++i) write.forward(0);
  for (int i = 0; i < rank; ++i) {
    write.forward(1);
    write.forward(0);
  }
  for (int i = 0; i < p - rank; ++i) {
    write.forward(1);
    backward(1);
  }
  while (write.forwards(1) < write.forwards(0) || write.forwards(0) < n) {
    if (write.forwards(0) < n) write.forward(0);
    backward(0);
    write.forward(1);
    backward(1);
  }
  for (int i = 0; i < rank; ++i) {
    write.backward_input(0);
    write.backward_input(1);
  }
  for (int i = 0; i < p - rank; ++i) backward(0);
  while (write.weights(1) < n) write.backward_weight(1);
  while (write.weights(0) < n) write.backward_weight(0);
}

/// DualPipeV's rank: weight gradients put off are done first in, first out.
class DualPipeRank {
 public:
  DualPipeRank(std::vector<Action>& actions, int rank, PipelineShape shape)
      : write_(actions, 2, shape.micro_batches),
        rank_(rank),
        p_(shape.stages),
        m_(shape.micro_batches) {}

  void write() {
    const int behind = p_ - rank_ - 1;  // ranks
    for (int i = 0; i < 2 * behind; ++i) write_.forward(0);
    for (int i = 0; i <= rank_; ++i) {
      write_.forward(0);
      write_.forward(1);
    }
    for (int i = 0; i < behind; ++i) {
      backward_split(1);
      weight();
      write_.forward(1);
    }
    for (int i = 0; i < m_ - (2 * p_) + rank_ + 1; ++i) {
      overlapped(0, 1);
      overlapped(1, 0);
    }
    for (int i = 0; i < behind; ++i) {
      write_.backward(1);
      overlapped(1, 0);
    }
    bool split = false;
    for (int i = 0; i <= rank_; ++i) {
      const bool from_here = i == (rank_ + 1) / 2;
      split = split || (from_here && rank_ % 2 == 1);
      backward(1, split);
      split = split || from_here;
      backward(0, split);
    }
    for (int i = 0; i < behind; ++i) {
      weight();
      backward_split(0);
    }
    for (int i = 0; i <= rank_; ++i) weight();
    check(put_off_.empty(), "no weight gradient is left");
  }

 private:
  void backward(int chunk, bool split) {
    if (split) {
      backward_split(chunk);
    } else {
      write_.backward(chunk);
    }
  }
  void backward_split(int chunk) {
    write_.backward_input(chunk);
    put_off_.push_back(chunk);
  }
  void weight() {
    write_.backward_weight(put_off_.front());
    put_off_.pop_front();
  }
  void overlapped(int forward, int backward) {
    write_.forward(forward);
    write_.backward(backward);
    write_.overlap_last_two();
  }

  RankWriter write_;
  int rank_, p_, m_;
  std::deque<int> put_off_;  // chunks
};

}  // namespace

Schedule zero_bubble_v(PipelineShape shape) {
  Schedule schedule = empty_schedule(shape, Placement::v, 2);
  for (int rank = 0; rank < shape.stages; ++rank) {
    write_zero_bubble_v(schedule.ranks[static_cast<std::size_t>(rank)], rank, shape);
  }
  return schedule;
}

Schedule dualpipe_v(PipelineShape shape) {
  check(shape.micro_batches >= 2 * shape.stages, "DualPipeV needs two micro-batches a rank");
  Schedule schedule = empty_schedule(shape, Placement::v, 2);
  for (int rank = 0; rank < shape.stages; ++rank) {
    DualPipeRank(schedule.ranks[static_cast<std::size_t>(rank)], rank, shape).write();
  }
  return schedule;
}

}  // namespace planaria
