// planner/schedule_shelf.hpp: built schedules and what their ranks hold, each made once. Private to
// planner.
#pragma once

#include <cstdint>
#include <map>
#include <string>
#include <tuple>
#include <vector>

#include <planaria/schedule/actions.hpp>

namespace planaria {

/// Stages times micro-batches of one pipeline that are built and simulated at most: about 2 GB.
inline constexpr std::int64_t pipeline_cells_max = 20'000'000;

/// So many micro-batches between F and B, and between B and W, at one time.
struct HeldCounts {
  int activations = 0;
  int weight_gradients = 0;
  friend bool operator==(const HeldCounts&, const HeldCounts&) = default;
};

/// What a rank holds at most: those pairs that no other is above, activations descending.
using HeldMost = std::vector<HeldCounts>;

/// Returns what a rank with these actions holds, whatever its chunks. O(actions).
[[nodiscard]] HeldMost held_most(const std::vector<Action>& actions);

class ScheduleShelf {
 public:
  /// Returns build_schedule()'s, or null where that kind has no such shape or it has more than
  /// pipeline_cells_max cells. What is returned stays where it is as long as the shelf.
  [[nodiscard]] const Schedule* schedule(const std::string& kind, int ranks, int micro_batches);
  /// Returns by rank what that schedule holds, or null as schedule(). Of kinds in one chunk: built
  /// from no more micro-batches than make a difference.
  [[nodiscard]] const std::vector<HeldMost>* held(const std::string& kind, int ranks,
                                                  int micro_batches);

 private:
  using Key = std::tuple<std::string, int, int>;
  std::map<Key, Schedule> schedules_;
  std::map<Key, std::vector<HeldMost>> held_;
};

}  // namespace planaria
