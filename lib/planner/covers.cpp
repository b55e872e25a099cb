#include "planner/covers.hpp"

#include <algorithm>
#include <utility>

namespace planaria {
namespace {

// So far below 0 that no capacities bring it up again: the innermost loop need not ask.
constexpr int unreachable = -1'000'000'000;

}  // namespace

Covers::Covers(const Depths& depths, std::vector<int> capacities, int workers, int width_most)
    : depths_(depths),
      capacities_(std::move(capacities)),
      workers_(workers),
      lanes_(static_cast<std::size_t>((width_most + 1) * (workers + 1)), unreachable) {
  // Of no pipelines any number of workers may be idle.
  std::fill_n(lanes_.begin(), workers + 1, 0);
  for (int width = 1; width <= width_most; ++width) {
    const std::ptrdiff_t row_size = workers + 1;
    int* const after = lanes_.data() + (width * row_size);
    const int* const before = after - row_size;
    for (int depth = depths_.least; depth <= std::min(depths_.most, workers); ++depth) {
      const int capacity = capacities_[static_cast<std::size_t>(depth - depths_.least)];
      if (capacity == 0) continue;
      for (int used = depth; used <= workers; ++used) {
        after[used] = std::max(after[used], before[used - depth] + capacity);
      }
    }
  }
}

std::vector<int> Covers::depths(int width) const {
  std::vector<int> chosen;
  int used = workers_;
  for (int depth = depths_.most; width > 0; --width) {
    while (!takes(width, used, depth)) --depth;
    chosen.push_back(depth);
    used -= depth;
  }
  return chosen;
}

bool Covers::takes(int width, int used, int depth) const {
  const int capacity = capacities_[static_cast<std::size_t>(depth - depths_.least)];
  return capacity > 0 && depth <= used &&
         row(width - 1)[used - depth] + capacity == row(width)[used];
}

}  // namespace planaria
