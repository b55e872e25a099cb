// base/ids.hpp: numbers that name things, each a type of its own. Floor 0, pure.
// Is: value types that cannot be mixed up. Is not: quantities (units.hpp).
#pragma once

#include <compare>
#include <cstdint>
#include <functional>

namespace planaria {

/// Names one thing of a kind; `Tag` keeps kinds apart. Ordered, hashable, explicit both ways.
template <class Tag, class Rep>
struct Id {
  using Representation = Rep;
  Rep value{};

  constexpr Id() = default;
  constexpr explicit Id(Rep number) : value(number) {}
  friend constexpr auto operator<=>(const Id&, const Id&) = default;
  /// Returns the id that follows by `by`.
  [[nodiscard]] constexpr Id next(Rep by = 1) const { return Id(static_cast<Rep>(value + by)); }
};

/// A process with one device. The coordinator is `coordinator_id`.
using WorkerId = Id<struct WorkerTag, std::int32_t>;
inline constexpr WorkerId coordinator_id{-1};
/// Index of a layer in the model, from 0.
using LayerId = Id<struct LayerTag, std::int32_t>;
/// Index of a micro-batch in its step, from 0 to M-1, whatever pipeline computes it.
using MicroBatchId = Id<struct MicroBatchTag, std::int32_t>;
/// Index of a lane: a group of consecutive micro-batches (model/lanes.hpp).
using LaneId = Id<struct LaneTag, std::int32_t>;
/// A training step, from 1. Level n of a layer's state means that n steps were applied; 0 is
/// initial.
using Step = Id<struct StepTag, std::int64_t>;
/// A numbered membership with its layout, from 1.
using ViewNumber = Id<struct ViewTag, std::int64_t>;

}  // namespace planaria

template <class Tag, class Rep>
struct std::hash<planaria::Id<Tag, Rep>> {
  std::size_t operator()(const planaria::Id<Tag, Rep>& id) const noexcept {
    return std::hash<Rep>{}(id.value);
  }
};
