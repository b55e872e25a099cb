// Who is to compute what of a step, from a view's event and what the view after a loss says is
// finished. Reads files alone: shares no code with what it checks.
#pragma once

#include <compare>
#include <cstdint>
#include <map>
#include <set>
#include <string>
#include <vector>

#include <planaria/base/json.hpp>

namespace planaria::test {

/// A layer's part of a micro-batch.
struct Place {
  int micro_batch = 0;
  int layer = 0;
  friend auto operator<=>(const Place&, const Place&) = default;
};

/// What a whole step is, as run.json has it.
struct StepSize {
  int layers = 0;
  int micro_batches = 0;
  int lane_size = 1;
  [[nodiscard]] int lanes() const { return (micro_batches + lane_size - 1) / lane_size; }
  [[nodiscard]] std::set<int> micro_batches_of(int lane) const;
  /// The lanes under a node of the tree; none where there is no such node.
  [[nodiscard]] std::set<int> under(int height, int index) const;
};

struct Share {
  std::int64_t worker = -1;
  bool backward = true;  // else forward only, for what others lack
};

/// What a step asks of a view's workers.
struct StepShares {
  std::map<Place, Share> to_compute;
  std::set<Place> finished;             // within sums of views before
  std::vector<std::string> complaints;  // about what `resumed` says of them
};

/// Whether the worker computes the layer in the layout; or, where `or_shadows`, shadows it.
[[nodiscard]] bool has(const Json& layout, std::int64_t worker, int layer, bool or_shadows = false);

/// A whole step. Complains about layers that two workers of a pipeline have.
[[nodiscard]] StepShares shares_of(const Json& layout);
/// A step that begins again, `salvage` being what the view's `resumed` event says. Complains about
/// sums of a layer that overlap or are not there, of a worker that does not compute the layer in
/// the view; lanes that nobody has or computes, that several pipelines compute, that are computed
/// though every layer has them, or that there are not.
[[nodiscard]] StepShares shares_of(const Json& layout, const Json& salvage, const StepSize& size);

}  // namespace planaria::test
