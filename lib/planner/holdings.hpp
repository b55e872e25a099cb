// Who holds which layers, by index of worker: the one reading of LayerHolders.
#pragma once

#include <cstdint>
#include <optional>
#include <vector>

#include <planaria/planner/replan.hpp>

namespace planaria {

/// Workers are numbered by their place in the ascending list, 0 to workers()-1.
class Holdings {
 public:
  /// Holders that are not among `workers`, and layers beyond `layer_bytes`, are ignored.
  Holdings(std::vector<WorkerId> workers, std::vector<std::int64_t> layer_bytes,
           const LayerHolders& holders);

  [[nodiscard]] int workers() const { return static_cast<int>(ids_.size()); }
  [[nodiscard]] int layers() const { return static_cast<int>(bytes_.size()); }
  [[nodiscard]] const std::vector<WorkerId>& ids() const { return ids_; }
  [[nodiscard]] WorkerId id_of(int worker) const { return ids_[static_cast<std::size_t>(worker)]; }
  /// Returns the worker's number, or nothing for one that is gone. O(log workers).
  [[nodiscard]] std::optional<int> number_of(WorkerId id) const;
  [[nodiscard]] std::int64_t bytes_of(int layer) const {
    return bytes_[static_cast<std::size_t>(layer)];
  }
  [[nodiscard]] bool holds(int worker, int layer) const { return holds_[at(worker, layer)]; }
  /// Returns how many bytes of the layers `worker` does not hold. O(1).
  [[nodiscard]] std::int64_t lacking_bytes(int worker, LayerRange layers) const;
  /// Returns the layer's holders, ascending.
  [[nodiscard]] const std::vector<int>& holders_of(int layer) const {
    return holders_[static_cast<std::size_t>(layer)];
  }
  /// Returns the layers, the largest first, of equals the lowest.
  [[nodiscard]] const std::vector<int>& largest_first() const { return largest_first_; }
  /// Returns the layers that nobody holds, ascending.
  [[nodiscard]] std::vector<int> lost_layers() const;

 private:
  [[nodiscard]] std::size_t at(int worker, int layer) const {
    return static_cast<std::size_t>(worker) * bytes_.size() + static_cast<std::size_t>(layer);
  }

  std::vector<WorkerId> ids_;
  std::vector<std::int64_t> bytes_;
  std::vector<bool> holds_;                // [worker][layer]
  std::vector<std::vector<int>> holders_;  // [layer]
  std::vector<int> largest_first_;
  std::vector<std::int64_t> lacking_;  // [worker][layers before], bytes
};

}  // namespace planaria
