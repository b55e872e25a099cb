#include "cli/schedule_build.hpp"

#include <algorithm>
#include <limits>

#include <fmt/format.h>

#include <planaria/schedule/automatic.hpp>
#include <planaria/schedule/bounds.hpp>
#include <planaria/schedule/degraded.hpp>

namespace planaria::cli {
namespace {

/// The schedule of one pipeline on each of `width`, micro-batches numbered through.
Schedule side_by_side(const Schedule& one, int width) {
  Schedule all = one;
  all.width = width;
  all.micro_batches = one.micro_batches * width;
  for (int pipeline = 1; pipeline < width; ++pipeline) {
    for (std::vector<Action> actions : one.ranks) {
      for (Action& action : actions) action.micro_batch += pipeline * one.micro_batches;
      all.ranks.push_back(std::move(actions));
    }
  }
  return all;
}

bool has_pairs(const Schedule& schedule) {
  return std::any_of(schedule.ranks.begin(), schedule.ranks.end(), [](const auto& actions) {
    return std::any_of(actions.begin(), actions.end(),
                       [](const Action& action) { return action.overlaps_next; });
  });
}

PipelineLimits limits_of(const BuildRequest& request) {
  return {.micro_batches = request.shape.micro_batches,
          .costs = request.costs,
          .memory = request.limit_bytes.empty() ? std::vector<StageMemory>{} : request.memory,
          .limit_bytes = request.limit_bytes,
          .loads = {}};
}

/// "optimal", or by how much it might not be.
std::string gap(double reached_ms, double bound_ms) {
  if (reached_ms <= bound_ms) return "optimal";
  return fmt::format("at most {:.2f} % above the least possible",
                     100 * ((reached_ms / bound_ms) - 1));
}

Result<Built> build_automatic(const BuildRequest& request,
                              const std::function<bool()>& keep_going) {
  const bool limited = !request.limit_bytes.empty();
  PLANARIA_TRY(found, automatic({.micro_batches = request.shape.micro_batches,
                                 .costs = request.costs,
                                 .memory = limited ? request.memory : std::vector<StageMemory>{},
                                 .limit_bytes = request.limit_bytes,
                                 .sends_in_flight = request.sends_in_flight,
                                 .seed = request.seed},
                                keep_going));
  return Built{.schedule = std::move(found.schedule),
               .bound_ms = found.bound_ms,
               .remark = fmt::format("found by {}: {}", found.found_by,
                                     gap(found.makespan_ms, found.bound_ms))};
}

Result<Built> build_degraded(const BuildRequest& request, const std::function<bool()>& keep_going) {
  PLANARIA_TRY(found, degraded({.kind = request.kind,
                                .width = request.width,
                                .shape = request.shape,
                                .chunks = request.chunks,
                                .lost = request.lost,
                                .costs = request.costs,
                                .memory = request.limit_bytes.empty() ? std::vector<StageMemory>{}
                                                                      : request.memory,
                                .limit_bytes = request.limit_bytes,
                                .in_flight_limit = request.in_flight_limit,
                                .staggered = request.staggered},
                               keep_going));
  const double reached_ms = request.staggered ? found.period_ms : found.makespan_ms;
  return Built{.schedule = std::move(found.schedule),
               .bound_ms = found.bound_ms,
               .remark = gap(reached_ms, found.bound_ms)};
}

/// Proven whatever the order; nothing where a pair takes less than its parts together.
std::optional<double> bound_of(const BuildRequest& request, const Schedule& schedule) {
  if (request.overlapped_ms && has_pairs(schedule)) return std::nullopt;
  if (schedule.placement != Placement::single) return placed_bound_ms(schedule, request.costs);
  PipelineLimits limits = limits_of(request);
  limits.memory.clear();  // a schedule with R may hold less, and one beyond its limit is refused
  limits.limit_bytes.clear();
  const auto bound = makespan_bound_ms(limits);
  return bound ? std::optional(bound.value()) : std::nullopt;
}

}  // namespace

Schedule placed(const std::string& kind, PipelineShape shape, int chunks) {
  Schedule schedule;
  schedule.chunks = chunks_of(kind, {.chunks = chunks});
  schedule.placement = placement_of(kind);
  schedule.micro_batches = shape.micro_batches;
  schedule.ranks.resize(static_cast<std::size_t>(shape.stages));
  return schedule;
}

Result<Built> build(const BuildRequest& request, const std::function<bool()>& keep_going) {
  const bool any_lost =
      std::any_of(request.lost.begin(), request.lost.end(), [](int count) { return count > 0; });
  if (any_lost || request.in_flight_limit > 0) return build_degraded(request, keep_going);
  Built built;
  if (request.kind == "auto") {
    PLANARIA_TRY(automatic, build_automatic(request, keep_going));
    built = std::move(automatic);
  } else {
    PLANARIA_TRY(schedule, build_schedule(request.kind, request.shape,
                                          {.chunks = request.chunks,
                                           .costs = request.costs,
                                           .sends_in_flight = request.sends_in_flight}));
    built.schedule = std::move(schedule);
    built.bound_ms = bound_of(request, built.schedule);
  }
  if (request.width > 1) built.schedule = side_by_side(built.schedule, request.width);
  return built;
}

}  // namespace planaria::cli
