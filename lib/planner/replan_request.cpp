#include "planner/replan_request.hpp"

#include <algorithm>
#include <cmath>

#include <fmt/format.h>

#include <planaria/model/lanes.hpp>

namespace planaria {
namespace {

// Bounds that nobody reaches and within which sums of bytes over workers stay far from overflow.
constexpr std::int64_t bytes_max = std::int64_t{1} << 50;
constexpr std::size_t workers_max = 4096;

Result<void> check_counts(const ReplanRequest& request) {
  if (request.layer_bytes.size() != request.layer_costs.size()) {
    return Fault::invalid_input(fmt::format("layer_bytes: {}, must be {}, one per layer",
                                            request.layer_bytes.size(),
                                            request.layer_costs.size()));
  }
  std::int64_t left = bytes_max;
  for (std::size_t i = 0; i < request.layer_bytes.size(); ++i) {
    const std::int64_t bytes = request.layer_bytes[i];
    if (bytes < 0 || bytes > left) {
      return Fault::invalid_input(fmt::format(
          "layer_bytes[{}]: {}, must be 0 to {}, the sum at most {}", i, bytes, left, bytes_max));
    }
    left -= bytes;
  }
  for (const auto& [field, value] :
       {std::pair("micro_batches", request.micro_batches),
        std::pair("lane_size", request.lane_size), std::pair("copies", request.copies)}) {
    if (value < 1) {
      return Fault::invalid_input(fmt::format("{}: {}, must be at least 1", field, value));
    }
  }
  for (const auto& [field, asked] :
       {std::pair("width", request.width), std::pair("depth", request.depth)}) {
    if (asked && *asked < 1) {
      return Fault::invalid_input(fmt::format("{}: {}, must be at least 1", field, *asked));
    }
  }
  return {};
}

Result<void> check_workers(const std::vector<WorkerId>& workers) {
  if (workers.empty()) return Fault::invalid_input("workers: 0, must be at least 1");
  if (workers.size() > workers_max) {
    return Fault::invalid_input(
        fmt::format("workers: {}, must be at most {}", workers.size(), workers_max));
  }
  if (workers.front().value < 0) {
    return Fault::invalid_input(
        fmt::format("workers: {}, must be at least 0", workers.front().value));
  }
  for (std::size_t i = 1; i < workers.size(); ++i) {
    if (workers[i - 1] < workers[i]) continue;
    return Fault::invalid_input(fmt::format("workers: {} after {}, must be ascending",
                                            workers[i].value, workers[i - 1].value));
  }
  return {};
}

Result<void> check_times(const ReplanRequest& request) {
  for (const auto& [field, value] : {std::pair("ms_per_cost", request.ms_per_cost),
                                     std::pair("ms_per_byte", request.ms_per_byte),
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
  const auto fits = verify(*request.before, {.layers = static_cast<int>(request.layer_costs.size()),
                                             .micro_batches = request.micro_batches,
                                             .lane_size = request.lane_size,
                                             .workers = highest + 1});
  if (fits) return {};
  return Fault::invalid_input("before: " + fits.fault().sentence);
}

}  // namespace

Result<void> check_request(const ReplanRequest& request) {
  PLANARIA_TRY_VOID(check_counts(request));
  PLANARIA_TRY_VOID(check_workers(request.workers));
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

std::vector<PlanRequest> plan_requests(const ReplanRequest& request) {
  const int workers = static_cast<int>(request.workers.size());
  PlanRequest plan{.layer_costs = request.layer_costs,
                   .micro_batches = request.micro_batches,
                   .lane_size = request.lane_size,
                   .workers = workers,
                   .schedule = request.schedule};
  if (request.width) {
    plan.width = std::min(*request.width, workers);
    // Enough for all that was asked: exactly that. Else as deep as workers allow, never deeper.
    if (request.depth && std::int64_t{*request.width} * *request.depth <= workers) {
      plan.depth = request.depth;
    }
    return {plan};
  }
  if (request.depth) {
    plan.depth = std::min(*request.depth, workers);
    return {plan};
  }
  std::vector<PlanRequest> plans{plan};
  const int lanes = LaneTree(request.micro_batches, request.lane_size).lanes();
  for (int width = 1; width <= std::min(workers, lanes); ++width) {
    plan.width = width;
    plans.push_back(plan);
  }
  return plans;
}

}  // namespace planaria
