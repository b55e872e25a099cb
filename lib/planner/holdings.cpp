#include "planner/holdings.hpp"

#include <algorithm>
#include <numeric>
#include <utility>

namespace planaria {

Holdings::Holdings(std::vector<WorkerId> workers, std::vector<std::int64_t> layer_bytes,
                   const LayerHolders& holders)
    : ids_(std::move(workers)), bytes_(std::move(layer_bytes)) {
  holds_.assign(ids_.size() * bytes_.size(), false);
  holders_.resize(bytes_.size());
  for (const auto& [layer, layer_holders] : holders) {
    if (layer.value < 0 || layer.value >= layers()) continue;
    for (const WorkerId holder : layer_holders) {
      const auto worker = number_of(holder);
      if (!worker) continue;
      holds_[at(*worker, layer.value)] = true;
      holders_[static_cast<std::size_t>(layer.value)].push_back(*worker);
    }
  }
  largest_first_.resize(bytes_.size());
  std::iota(largest_first_.begin(), largest_first_.end(), 0);
  std::stable_sort(largest_first_.begin(), largest_first_.end(),
                   [this](int a, int b) { return bytes_of(a) > bytes_of(b); });
  for (int worker = 0; worker < this->workers(); ++worker) {
    std::int64_t sum = 0;
    lacking_.push_back(sum);
    for (int layer = 0; layer < layers(); ++layer) {
      if (!holds(worker, layer)) sum += bytes_of(layer);
      lacking_.push_back(sum);
    }
  }
}

std::optional<int> Holdings::number_of(WorkerId id) const {
  const auto found = std::lower_bound(ids_.begin(), ids_.end(), id);
  if (found == ids_.end() || *found != id) return std::nullopt;
  return static_cast<int>(found - ids_.begin());
}

std::int64_t Holdings::lacking_bytes(int worker, LayerRange layers) const {
  const auto row = static_cast<std::size_t>(worker) * (bytes_.size() + 1);
  return lacking_[row + static_cast<std::size_t>(layers.last.value) + 1] -
         lacking_[row + static_cast<std::size_t>(layers.first.value)];
}

std::vector<int> Holdings::lost_layers() const {
  std::vector<int> lost;
  for (int layer = 0; layer < layers(); ++layer) {
    if (holders_of(layer).empty()) lost.push_back(layer);
  }
  return lost;
}

}  // namespace planaria
