// From a request as callers write it to the problem in numbers.
#include <algorithm>
#include <cmath>

#include <fmt/format.h>

#include "schedule/degraded_problem.hpp"
#include "schedule/degraded_room.hpp"

namespace planaria::degrading {
namespace {

constexpr std::int64_t cells_max = 10'000'000;             // three ops each must have a number
constexpr std::int64_t bytes_max = std::int64_t{1} << 50;  // so that sums cannot overflow

Result<void> check_kind(const DegradedRequest& request) {
  const auto& kinds = schedule_kinds();
  const bool known = std::find(kinds.begin(), kinds.end(), request.kind) != kinds.end();
  // Varuna's orders follow from costs and recomputes, of which there are none here.
  if (request.kind == "auto" || (known && !request.kind.starts_with("varuna"))) return {};
  std::vector<std::string> allowed;
  for (const std::string& kind : kinds) {
    if (!kind.starts_with("varuna")) allowed.push_back(kind);
  }
  return Fault::invalid_input(
      fmt::format("kind: {}, must be one of {}, auto", request.kind, fmt::join(allowed, ", ")));
}

Result<void> check_number(const char* field, std::int64_t value, std::int64_t least,
                          std::int64_t most) {
  if (value >= least && value <= most) return {};
  return Fault::invalid_input(fmt::format("{}: {}, must be {} to {}", field, value, least, most));
}

Result<void> check_count(const char* field, std::size_t count, int wanted, const char* what) {
  if (count == static_cast<std::size_t>(wanted)) return {};
  return Fault::invalid_input(
      fmt::format("{}: {} given, must be {}, one for each {}", field, count, wanted, what));
}

Result<void> check_lost(const DegradedRequest& request) {
  PLANARIA_TRY_VOID(
      check_count("lost", request.lost.size(), request.shape.stages, "rank of a pipeline"));
  for (int place = 0; place < request.shape.stages; ++place) {
    const int lost = at(request.lost, place);
    if (lost < 0 || lost > request.width) {
      return Fault::invalid_input(fmt::format("lost[{}]: {}, must be 0 to {}, all but one of {}",
                                              place, lost, request.width - 1, request.width));
    }
    if (lost == request.width) {
      return Fault::infeasible(
          fmt::format("lost: stage {} loses {} of {} workers, must keep at least 1", place, lost,
                      request.width));
    }
  }
  return {};
}

Result<void> check_costs(const std::vector<StageCosts>& costs) {
  for (std::size_t stage = 0; stage < costs.size(); ++stage) {
    const auto check_ms = [&](const char* field, double ms) -> Result<void> {
      if (std::isfinite(ms) && ms >= 0) return {};
      return Fault::invalid_input(
          fmt::format("costs[{}].{}: {}, must be finite and at least 0", stage, field, ms));
    };
    PLANARIA_TRY_VOID(check_ms("forward_ms", costs[stage].forward_ms));
    PLANARIA_TRY_VOID(check_ms("backward_input_ms", costs[stage].backward_input_ms));
    PLANARIA_TRY_VOID(check_ms("backward_weight_ms", costs[stage].backward_weight_ms));
    PLANARIA_TRY_VOID(check_ms("send_ms", costs[stage].send_ms));
    PLANARIA_TRY_VOID(check_ms("send_back_ms", costs[stage].send_back_ms.value_or(0)));
  }
  return {};
}

Result<void> check_memory(const DegradedRequest& request, int stages) {
  if (request.memory.empty() && request.limit_bytes.empty()) return {};
  PLANARIA_TRY_VOID(check_count("memory", request.memory.size(), stages, "stage"));
  if (!request.limit_bytes.empty()) {
    PLANARIA_TRY_VOID(check_count("limit_bytes", request.limit_bytes.size(), request.shape.stages,
                                  "rank of a pipeline"));
  }
  for (const StageMemory& memory : request.memory) {
    PLANARIA_TRY_VOID(
        check_number("memory.activation_bytes", memory.activation_bytes, 0, bytes_max));
    PLANARIA_TRY_VOID(
        check_number("memory.weight_gradient_bytes", memory.weight_gradient_bytes, 0, bytes_max));
  }
  for (const std::int64_t limit : request.limit_bytes) {
    PLANARIA_TRY_VOID(check_number("limit_bytes", limit, 0, Problem::unlimited));
  }
  return {};
}

Stage stage_in(const DegradedRequest& request, int index) {
  const StageCosts& costs = at(request.costs, index);
  Stage stage{costs.forward_ms, costs.backward_input_ms, costs.backward_weight_ms, costs.send_ms,
              costs.send_back_ms.value_or(costs.send_ms)};
  if (!request.memory.empty()) {
    stage.activation_bytes = at(request.memory, index).activation_bytes;
    stage.weight_bytes = at(request.memory, index).weight_gradient_bytes;
  }
  return stage;
}

// What one micro-batch takes at a place: its activation there, of each chunk, which may lie on
// several live ranks.
Result<void> check_room(const Problem& problem, const DegradedRequest& request) {
  for (int place = 0; place < problem.depth; ++place) {
    const int live = static_cast<int>(at(problem.live, place).size());
    const int least = (problem.chunks + live - 1) / live;
    if (problem.in_flight_limit < least) {
      return Fault::infeasible(
          fmt::format("in_flight_limit: {}, must be at least {} for one micro-batch of {} chunks "
                      "on {} live ranks of stage {}",
                      request.in_flight_limit, least, problem.chunks, live, place));
    }
  }
  for (int place = 0; place < problem.depth; ++place) {
    const std::int64_t least = room_at(problem, place).most_bytes;
    if (at(problem.limit_bytes, place) >= least) continue;
    return Fault::infeasible(
        fmt::format("limit_bytes[{}]: {}, must be at least {}, what one micro-batch takes there",
                    place, at(problem.limit_bytes, place), least));
  }
  return {};
}

}  // namespace

Result<Problem> problem_of(const DegradedRequest& request) {
  PLANARIA_TRY_VOID(check_kind(request));
  PLANARIA_TRY_VOID(check_number("width", request.width, 1, 100000));
  PLANARIA_TRY_VOID(check_number("in_flight_limit", request.in_flight_limit, 0, 1000000000));
  const bool any_order = request.kind == "auto";
  // Names a shape that the kind cannot have, and tells placement and chunks.
  PLANARIA_TRY(base, build_schedule(any_order ? "1f1b" : request.kind, request.shape,
                                    {.chunks = request.chunks}));
  PLANARIA_TRY_VOID(check_number("stages x micro_batches x width",
                                 std::int64_t{base.stages()} * base.micro_batches * request.width,
                                 1, cells_max));
  PLANARIA_TRY_VOID(check_lost(request));
  PLANARIA_TRY_VOID(check_count("costs", request.costs.size(), base.stages(), "stage"));
  PLANARIA_TRY_VOID(check_costs(request.costs));
  PLANARIA_TRY_VOID(check_memory(request, base.stages()));
  Problem problem;
  problem.placement = base.placement;
  problem.depth = request.shape.stages;
  problem.width = request.width;
  problem.chunks = base.chunks;
  problem.micro_batches = request.shape.micro_batches * request.width;
  problem.staggered = request.staggered;
  if (request.in_flight_limit > 0) problem.in_flight_limit = request.in_flight_limit;
  for (int index = 0; index < base.stages(); ++index) {
    problem.stages.push_back(stage_in(request, index));
  }
  for (int place = 0; place < problem.depth; ++place) {
    for (int chunk = 0; chunk < problem.chunks; ++chunk) {
      Stage& stage = at(problem.stages, base.stage_of(place, chunk));
      stage.place = place;
      stage.chunk = chunk;
    }
    problem.live.emplace_back();
    for (int pipeline = 0; pipeline < request.width - at(request.lost, place); ++pipeline) {
      problem.live.back().push_back((pipeline * problem.depth) + place);
    }
  }
  problem.limit_bytes = request.limit_bytes;
  problem.limit_bytes.resize(static_cast<std::size_t>(problem.depth), Problem::unlimited);
  PLANARIA_TRY_VOID(check_room(problem, request));
  return problem;
}

}  // namespace planaria::degrading
