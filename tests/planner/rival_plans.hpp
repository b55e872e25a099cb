// What two published planners would choose, priced by docs/formats.md's cost model.
// Is: Varuna's choice of a depth and Oobleck's of templates, with this library's constant batch,
// schedules and exact price. Is not: their runtimes, nor their own estimates of a step where the
// exact one can take their place.
#pragma once

#include <optional>
#include <string>
#include <vector>

#include <planaria/model/cluster.hpp>
#include <planaria/model/profile.hpp>
#include <planaria/planner/plan.hpp>

namespace planaria::rivals {

struct RivalRequest {
  const Profile* profile = nullptr;  // required
  const Cluster* cluster = nullptr;  // required
  int micro_batches = 1;
  int micro_batch_size = 1;
  std::string schedule = "1f1b";
  /// Oobleck alone: pipelines are this many and one more at least.
  int survive = 0;
};

/// Returns what Varuna (EuroSys 2022) would choose: for every depth that divides the layers, stages
/// of equally many, as many pipelines as there are whole ones (one micro-batch each at least),
/// workers in the order of their ids, the rest idle; shares as even as can be. Recomputes nowhere,
/// or, where that is faster or alone fits, everywhere. Of the depths that fit memory the one of
/// least exact step_ms. Nothing where none fits.
[[nodiscard]] std::optional<Plan> varuna_plan(const RivalRequest& request);

/// Returns what Oobleck (SOSP 2023) would choose: templates of n0 to 2 n0 - 1 nodes and
/// least_instantiation() of them, workers in the order of their ids, the rest idle. Where Oobleck
/// has one n0, from memory, and one choice, from its estimate, this tries every n0 and for each
/// every number of pipelines; of those that fit memory the one of least exact step_ms. Recomputes
/// nowhere or everywhere, as varuna_plan(). Nothing where nothing fits.
[[nodiscard]] std::optional<Plan> oobleck_plan(const RivalRequest& request);

/// What Oobleck knows of a template when it chooses.
struct TemplateEstimate {
  int nodes = 1;
  double slowest_ms = 0;    // of its stages, for one micro-batch forward and backward
  double reduction_ms = 0;  // sending the gradients of the stage that has most to send, once
};

/// Returns (b + nodes - 1) x slowest_ms + 2 (q - 1) / q x reduction_ms for b micro-batches in one
/// of q pipelines.
[[nodiscard]] double estimated_ms(const TemplateEstimate& one, int micro_batches, int pipelines);

struct InstantiationLimits {
  int nodes = 1;
  int micro_batches = 1;
  int pipelines_min = 1;
  std::optional<int> pipelines_max;
};

/// Pipelines, by the index of their template, and their shares.
struct Instantiation {
  std::vector<int> templates;  // ascending
  std::vector<int> micro_batches;
  double estimate_ms = 0;  // of the slowest
};

/// Returns the pipelines and shares whose slowest estimated_ms() is least, exact to the last bit,
/// among those that leave as few nodes idle as can be; of equals the fewest pipelines. Nothing
/// where there are too few nodes or micro-batches. Requires slowest_ms above 0. Each bisection over
/// the step's time O(62 x nodes x pipelines x templates).
[[nodiscard]] std::optional<Instantiation> least_instantiation(
    const std::vector<TemplateEstimate>& templates, const InstantiationLimits& limits);

}  // namespace planaria::rivals
