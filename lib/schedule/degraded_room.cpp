#include "schedule/degraded_room.hpp"

#include <algorithm>

#include <planaria/base/check.hpp>

namespace planaria::degrading {
namespace {

/// Tries all ways, the largest chunk first and the emptiest rank first, so that the first way is a
/// good one; ranks that hold the same are one.
class Packing {
 public:
  Packing(const Problem& problem, int place)
      : live_(at(problem.live, place)),
        limit_(problem.in_flight_limit),
        held_bytes_(live_.size(), 0),
        counts_(live_.size(), 0),
        rank_of_(static_cast<std::size_t>(problem.chunks), 0) {
    for (int chunk = 0; chunk < problem.chunks; ++chunk) {
      const int stage = problem.stage_at(place, chunk);
      chunks_.emplace_back(at(problem.stages, stage).activation_bytes, chunk);
    }
    std::stable_sort(chunks_.begin(), chunks_.end(),
                     [](const auto& left, const auto& right) { return left.first > right.first; });
  }

  Room run() {
    place_from(0, 0);
    check(!best_.rank_of.empty(), "a micro-batch's chunks are no more than the ranks may hold");
    return best_;
  }

 private:
  void place_from(std::size_t next, std::int64_t most_bytes) {
    if (!best_.rank_of.empty() && (most_bytes >= best_.most_bytes || --tries_ < 0)) return;
    if (next == chunks_.size()) {
      best_ = {rank_of_, most_bytes};
      return;
    }
    const auto [bytes, chunk] = chunks_[next];
    std::vector<std::size_t> order;
    for (std::size_t i = 0; i < live_.size(); ++i) {
      if (counts_[i] < limit_) order.push_back(i);
    }
    const auto filled = [&](std::size_t i) { return std::pair(held_bytes_[i], counts_[i]); };
    std::stable_sort(order.begin(), order.end(), [&](std::size_t left, std::size_t right) {
      return filled(left) < filled(right);
    });
    for (std::size_t k = 0; k < order.size(); ++k) {
      const std::size_t i = order[k];
      if (k > 0 && filled(i) == filled(order[k - 1])) continue;
      held_bytes_[i] += bytes;
      ++counts_[i];
      at(rank_of_, chunk) = live_[i];
      place_from(next + 1, std::max(most_bytes, held_bytes_[i]));
      held_bytes_[i] -= bytes;
      --counts_[i];
    }
  }

  const std::vector<int>& live_;
  int limit_;
  std::vector<std::pair<std::int64_t, int>> chunks_;  // bytes, chunk
  std::vector<std::int64_t> held_bytes_;              // [live rank]
  std::vector<int> counts_;                           // [live rank]
  std::vector<int> rank_of_;                          // [chunk]
  Room best_;
  int tries_ = 100000;
};

}  // namespace

Room room_at(const Problem& problem, int place) {
  return Packing(problem, place).run();
}

Orders one_at_a_time(const Problem& problem) {
  std::vector<int> rank_of(static_cast<std::size_t>(problem.stage_count()));
  for (int place = 0; place < problem.depth; ++place) {
    const Room room = room_at(problem, place);
    for (int chunk = 0; chunk < problem.chunks; ++chunk) {
      at(rank_of, problem.stage_at(place, chunk)) = at(room.rank_of, chunk);
    }
  }
  Orders orders(problem);
  std::fill(orders.fused.begin(), orders.fused.end(), 1);
  for (int i = 0; i < problem.micro_batches; ++i) {
    const auto write = [&](int stage, Part part) {
      const int cell = problem.cell(stage, i);
      at(orders.owner, cell) = at(rank_of, stage);
      at(orders.ranks, at(rank_of, stage)).push_back(op_of(cell, part));
    };
    for (int stage = 0; stage < problem.stage_count(); ++stage) write(stage, Part::forward);
    for (int stage = problem.stage_count() - 1; stage >= 0; --stage) write(stage, Part::input);
  }
  return orders;
}

}  // namespace planaria::degrading
