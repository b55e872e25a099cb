#include "cli/schedule_build.hpp"

#include <algorithm>
#include <limits>

#include <fmt/format.h>

#include <planaria/schedule/automatic.hpp>
#include <planaria/schedule/bounds.hpp>
#include <planaria/schedule/degraded.hpp>

namespace planaria::cli {
namespace {

/// A bound of schedules in chunks that every order keeps: a rank cannot begin before the first
/// micro-batch has come to its first stage, and then has all its work to do; and one micro-batch
/// goes down and up again.
double bound_ms(const Schedule& shape, const std::vector<StageCosts>& costs) {
  std::vector<double> arrives_ms{0.0};  // [stage]: earliest
  double down_and_up_ms = 0;
  for (int stage = 0; stage < shape.stages(); ++stage) {
    const StageCosts& of = costs[static_cast<std::size_t>(stage)];
    // A hand-over within a rank is free: the middle of a v, and everything on one rank.
    const bool free =
        shape.depth() == 1 || (shape.placement == Placement::v && stage == shape.depth() - 1);
    const bool free_back =
        shape.depth() == 1 || (shape.placement == Placement::v && stage == shape.depth());
    arrives_ms.push_back(arrives_ms.back() + of.forward_ms + (free ? 0 : of.send_ms));
    down_and_up_ms += of.forward_ms + of.backward_input_ms;
    if (stage + 1 < shape.stages() && !free) down_and_up_ms += of.send_ms;
    if (stage > 0 && !free_back) down_and_up_ms += of.send_back_ms.value_or(of.send_ms);
  }
  double bound = down_and_up_ms;
  for (int rank = 0; rank < shape.depth(); ++rank) {
    double work_ms = 0;
    for (int chunk = 0; chunk < shape.chunks; ++chunk) {
      const StageCosts& of = costs[static_cast<std::size_t>(shape.stage_of(rank, chunk))];
      work_ms += of.forward_ms + of.backward_input_ms + of.backward_weight_ms;
    }
    bound = std::max(bound, arrives_ms[static_cast<std::size_t>(shape.stage_of(rank, 0))] +
                                (shape.micro_batches * work_ms));
  }
  return bound;
}

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
  if (schedule.placement != Placement::single) return bound_ms(schedule, request.costs);
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
