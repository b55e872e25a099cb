#include "planner/replan_request.hpp"

#include <algorithm>
#include <cmath>
#include <set>

#include <fmt/format.h>

#include <planaria/base/check.hpp>
#include <planaria/schedule/automatic.hpp>

#include "planner/plan_request.hpp"

namespace planaria {
namespace {

// Bounds that nobody reaches and within which sums of bytes over workers stay far from overflow.
constexpr std::int64_t bytes_max = std::int64_t{1} << 50;
/// Somebody may be waiting.
constexpr std::int64_t proof_effort_max = 20'000;

Result<void> check_counts(const ReplanRequest& request) {
  const std::size_t layers = request.profile->layers.size();
  if (request.layer_bytes.size() != layers) {
    return Fault::invalid_input(fmt::format("layer_bytes: {}, must be {}, one per layer",
                                            request.layer_bytes.size(), layers));
  }
  std::int64_t left = bytes_max;
  for (std::size_t i = 0; i < layers; ++i) {
    const std::int64_t bytes = request.layer_bytes[i];
    if (bytes < 0 || bytes > left) {
      return Fault::invalid_input(fmt::format(
          "layer_bytes[{}]: {}, must be 0 to {}, the sum at most {}", i, bytes, left, bytes_max));
    }
    left -= bytes;
  }
  if (request.copies >= 1) return {};
  return Fault::invalid_input(fmt::format("copies: {}, must be at least 1", request.copies));
}

Result<void> check_asked(const ReplanRequest& request) {
  const auto& kinds = kinds_and_automatic();
  if (std::ranges::find(kinds, request.schedule) == kinds.end()) {
    return Fault::invalid_input(
        fmt::format("schedule: {}, must be one of {}", request.schedule, fmt::join(kinds, ", ")));
  }
  for (const auto& [field, asked] :
       {std::pair("width", request.width), std::pair("depth", request.depth)}) {
    if (asked && *asked < 1) {
      return Fault::invalid_input(fmt::format("{}: {}, must be at least 1", field, *asked));
    }
  }
  return {};
}

Result<void> check_ids(const Cluster& cluster) {
  std::set<WorkerId> ids;
  for (const ClusterWorker& worker : cluster.workers) {
    if (worker.id.value < 0) {
      return Fault::invalid_input(
          fmt::format("cluster: id: {}, must be at least 0", worker.id.value));
    }
    if (ids.insert(worker.id).second) continue;
    return Fault::invalid_input(
        fmt::format("cluster: id: {} twice, must be of one worker", worker.id.value));
  }
  return {};
}

Result<void> check_times(const ReplanRequest& request) {
  for (const auto& [field, value] : {std::pair("ms_per_byte", request.ms_per_byte),
                                     std::pair("horizon_steps", request.horizon_steps)}) {
    if (!std::isfinite(value) || value < 0) {
      return Fault::invalid_input(
          fmt::format("{}: {}, must be a finite number from 0", field, value));
    }
  }
  return {};
}

Result<void> check_before(const ReplanRequest& request) {
  if (!request.before) return {};
  int highest = 0;
  for (const WorkerId worker : workers_of(*request.before)) {
    highest = std::max(highest, worker.value);
  }
  const auto fits =
      verify(*request.before, {.layers = static_cast<int>(request.profile->layers.size()),
                               .micro_batches = request.micro_batches,
                               .lane_size = request.lane_size,
                               .workers = highest + 1});
  if (fits) return {};
  return Fault::invalid_input("before: " + fits.fault().sentence);
}

}  // namespace

Result<void> check_request(const ReplanRequest& request) {
  check(request.profile != nullptr && request.cluster != nullptr, "a plan is of something");
  PLANARIA_TRY_VOID(check_counts(request));
  PLANARIA_TRY_VOID(check_asked(request));
  PLANARIA_TRY_VOID(check_request(best_plan_request(request)));
  PLANARIA_TRY_VOID(check_ids(*request.cluster));
  PLANARIA_TRY_VOID(check_times(request));
  return check_before(request);
}

Result<void> check_held(const Holdings& holdings) {
  const std::vector<int> lost = holdings.lost_layers();
  if (lost.empty()) return {};
  return Fault::infeasible(fmt::format("layer{} {}: held by none of the {} worker{} there are",
                                       lost.size() == 1 ? "" : "s", fmt::join(lost, ", "),
                                       holdings.workers(), holdings.workers() == 1 ? "" : "s"));
}

AskedShape asked_shape(std::optional<int> width, std::optional<int> depth, int workers) {
  if (!width) return {{}, depth ? std::optional(std::min(*depth, workers)) : depth};
  // Enough for all that was asked: exactly that. Else as deep as workers allow, never deeper.
  const bool enough = depth && std::int64_t{*width} * *depth <= workers;
  return {std::min(*width, workers), enough ? depth : std::nullopt};
}

std::optional<std::string> planned_schedule(const std::string& schedule) {
  if (schedule == "auto" || schedule == "any") return std::nullopt;
  return schedule.starts_with("varuna") ? "1f1b" : schedule;
}

BestPlanRequest best_plan_request(const ReplanRequest& request) {
  const auto workers = static_cast<int>(request.cluster->workers.size());
  const AskedShape shape = asked_shape(request.width, request.depth, workers);
  return {.profile = request.profile,
          .cluster = request.cluster,
          .micro_batches = request.micro_batches,
          .micro_batch_size = request.micro_batch_size,
          .lane_size = request.lane_size,
          .schedule = planned_schedule(request.schedule),
          .recompute = request.recompute,
          .shadows = false,
          .width = shape.width,
          .depth = shape.depth,
          .proof_effort_max = proof_effort_max};
}

}  // namespace planaria
