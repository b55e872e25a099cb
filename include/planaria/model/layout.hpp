// model/layout.hpp: who computes what. Floor 1, pure.
// Is: pipelines of stages over workers, shadows, and their JSON. Is not: a choice (planner/), nor a
// schedule (schedule/).
#pragma once

#include <optional>
#include <string>
#include <vector>

#include <planaria/base/ids.hpp>
#include <planaria/base/json.hpp>
#include <planaria/base/result.hpp>
#include <planaria/model/lanes.hpp>

namespace planaria {

/// Layers [first, last], both included.
struct LayerRange {
  LayerId first, last;
  [[nodiscard]] int size() const { return last.value - first.value + 1; }
  [[nodiscard]] bool contains(LayerId layer) const { return first <= layer && layer <= last; }
  friend auto operator<=>(const LayerRange&, const LayerRange&) = default;
};

struct StageAssignment {
  LayerRange layers;
  WorkerId worker;
  friend auto operator<=>(const StageAssignment&, const StageAssignment&) = default;
};

/// Stages that together hold every layer, in order, and their share of the step's micro-batches.
struct PipelineAssignment {
  int micro_batches = 0;
  std::vector<StageAssignment> stages;
  friend bool operator==(const PipelineAssignment&, const PipelineAssignment&) = default;
};

struct ShadowAssignment {
  WorkerId worker;
  std::vector<LayerId> layers;
  friend bool operator==(const ShadowAssignment&, const ShadowAssignment&) = default;
};

/// Pipelines take consecutive lanes in the list's order. They may share workers: where a worker is
/// gone its micro-batches are re-routed, as a pipeline of their own, over another that has the same
/// layers.
struct Layout {
  std::vector<PipelineAssignment> pipelines;
  std::vector<ShadowAssignment> shadows;
  friend bool operator==(const Layout&, const Layout&) = default;
};

/// A worker's place in a pipeline: one stage, or several (chunks), ascending.
struct Place {
  int pipeline = 0;
  std::vector<int> stages;
  friend bool operator==(const Place&, const Place&) = default;
};

/// Returns where `worker` computes, by pipeline ascending; none for an idle one.
[[nodiscard]] std::vector<Place> places_of(const Layout& layout, WorkerId worker);
/// Returns the first of them; its stages are those of every other. Nothing for an idle one.
[[nodiscard]] std::optional<Place> place_of(const Layout& layout, WorkerId worker);
/// Returns the pipelines that run as one: `pipeline` and all that share workers with it or with one
/// that does, ascending.
[[nodiscard]] std::vector<int> joined_with(const Layout& layout, int pipeline);
/// Returns whether some worker is in several pipelines.
[[nodiscard]] bool shares_workers(const Layout& layout);
/// Returns the layers of each stage where `worker` computes, ascending; none for an idle one.
[[nodiscard]] std::vector<LayerRange> chunks_of(const Layout& layout, WorkerId worker);
/// Returns the layers that `worker` computes, ascending; none for an idle one.
[[nodiscard]] std::vector<LayerId> computed_by(const Layout& layout, WorkerId worker);
/// Returns the micro-batches that pipeline `pipeline` computes.
[[nodiscard]] MicroBatchRange micro_batches_of(const Layout& layout, int pipeline);
/// Returns the workers that compute `layer`, in the order of their first pipelines.
[[nodiscard]] std::vector<WorkerId> active_holders(const Layout& layout, LayerId layer);
/// Returns the active holder of `layer` with the lowest id, which speaks for all of them. Requires
/// one.
[[nodiscard]] WorkerId lowest_active_holder(const Layout& layout, LayerId layer);
/// Returns the workers that shadow `layer`, ascending.
[[nodiscard]] std::vector<WorkerId> shadows_of(const Layout& layout, LayerId layer);
/// Returns the layers that `worker` shadows, ascending.
[[nodiscard]] std::vector<LayerId> shadowed_by(const Layout& layout, WorkerId worker);
/// Returns every worker that appears, ascending.
[[nodiscard]] std::vector<WorkerId> workers_of(const Layout& layout);
/// Returns e.g. "2 pipelines x 2 stages" or "pipelines of 3, 2, 2 stages".
[[nodiscard]] std::string text_of(const Layout& layout);

/// What a layout must fit.
struct LayoutRequirements {
  int layers = 0;
  int micro_batches = 0;
  int lane_size = 1;
  int workers = 0;  // ids 0 to workers-1
};
/// Proves a layout fit: every pipeline holds every layer once in order, shares are whole lanes and
/// sum to M, pipelines that share a worker have the same layers in each stage and the worker in the
/// same stages (several of one pipeline are allowed), ids exist. Shares no code with the planner.
/// invalid_input otherwise: "pipelines[1].stages[0].worker: 7, must be 0 to 3". O(stages + layers).
[[nodiscard]] Result<void> verify(const Layout& layout, const LayoutRequirements& requirements);

/// Writes FORMATS.md's `pipelines` and, where there are any, `shadows`.
[[nodiscard]] Json to_json(const Layout& layout);
/// Reads a plan.json or an object with its `pipelines`; what else a plan holds is ignored.
[[nodiscard]] Result<Layout> layout_from_json(const Json& json, const std::string& source);

}  // namespace planaria
