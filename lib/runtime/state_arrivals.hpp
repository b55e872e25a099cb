// runtime/state_arrivals.hpp: layers' states that other holders have sent. Private.
// Is: where the transport's thread puts them and the compute thread takes them. Is not: asked for:
// a view or a record says who sends what (protocol/messages.hpp, Move).
#pragma once

#include <map>
#include <mutex>
#include <optional>

#include <planaria/base/ids.hpp>
#include <planaria/transport/frame.hpp>

namespace planaria::runtime {

/// A state of a level is as good whoever sent it, in which view: it is a pure function of the run.
/// Any thread.
class StateArrivals {
 public:
  void put(LayerId layer, Step level, transport::Buffer payload) {
    const std::lock_guard lock(mutex_);
    states_[layer].insert_or_assign(level, std::move(payload));
  }
  /// Takes the layer's state at `level`.
  [[nodiscard]] std::optional<transport::Buffer> take(LayerId layer, Step level) {
    const std::lock_guard lock(mutex_);
    const auto states = states_.find(layer);
    if (states == states_.end()) return std::nullopt;
    const auto found = states->second.find(level);
    if (found == states->second.end()) return std::nullopt;
    transport::Buffer payload = std::move(found->second);
    states->second.erase(found);
    return payload;
  }
  /// The newest level at which the layer's state has come, up to `level`.
  [[nodiscard]] std::optional<Step> newest(LayerId layer, Step level) {
    const std::lock_guard lock(mutex_);
    const auto states = states_.find(layer);
    if (states == states_.end()) return std::nullopt;
    auto after = states->second.upper_bound(level);
    if (after == states->second.begin()) return std::nullopt;
    return (--after)->first;
  }
  /// Drops what stands at another level.
  void keep_only(Step level) {
    const std::lock_guard lock(mutex_);
    for (auto& [layer, states] : states_) {
      std::erase_if(states, [&](const auto& entry) { return entry.first != level; });
    }
  }

 private:
  std::mutex mutex_;
  std::map<LayerId, std::map<Step, transport::Buffer>> states_;
};

}  // namespace planaria::runtime
