// What every degraded schedule must keep, read off the schedule by other code than built it; and
// the even spread that it must not lose to.
#pragma once

#include <algorithm>
#include <optional>
#include <string>
#include <vector>

#include <fmt/format.h>
#include <catch2/catch.hpp>

#include <planaria/base/random.hpp>
#include <planaria/schedule/degraded.hpp>
#include <planaria/schedule/validate.hpp>

#include "simulated.hpp"

namespace planaria::test {

/// A failing test prints this; it can be pasted.
inline std::string text(const DegradedRequest& request) {
  std::string costs;
  for (const StageCosts& c : request.costs) {
    costs += fmt::format("{{{}, {}, {}, {}}}, ", c.forward_ms, c.backward_input_ms,
                         c.backward_weight_ms, c.send_ms);
  }
  std::string memory;
  for (const StageMemory& m : request.memory) {
    memory += fmt::format("{{{}, {}}}, ", m.activation_bytes, m.weight_gradient_bytes);
  }
  return fmt::format(
      "{} D {} p {} m {} chunks {} lost {{{}}} costs {{{}}} memory {{{}}} limits {{{}}} in flight "
      "{} staggered {}",
      request.kind, request.width, request.shape.stages, request.shape.micro_batches,
      request.chunks, fmt::join(request.lost, ", "), costs, memory,
      fmt::join(request.limit_bytes, ", "), request.in_flight_limit, request.staggered);
}

/// D pipelines of p stages and m micro-batches with F = B = W = 1, nobody lost.
inline DegradedRequest unit_request(int width, int stages, int micro_batches) {
  DegradedRequest request;
  request.width = width;
  request.shape = {stages, micro_batches};
  request.lost.assign(static_cast<std::size_t>(stages), 0);
  request.costs = equal(stages, unit);
  return request;
}

inline double reached_ms(const DegradedRequest& request, const DegradedSchedule& answer) {
  return request.staggered ? answer.period_ms : answer.makespan_ms;
}

/// Whether the schedule keeps the request's limits.
inline bool keeps_limits(const DegradedRequest& request, const Schedule& schedule) {
  const auto p = static_cast<std::size_t>(request.shape.stages);
  const auto times = simulated(schedule, request.costs);
  for (const SimulatedRank& rank : times.ranks) {
    if (request.in_flight_limit > 0 && rank.peak_in_flight > request.in_flight_limit) return false;
  }
  if (request.limit_bytes.empty()) return true;
  const auto held = memory_of(schedule, request.memory);
  for (std::size_t rank = 0; rank < held.size(); ++rank) {
    if (held[rank].peak_bytes > request.limit_bytes[rank % p]) return false;
  }
  return true;
}

/// Plans and looks at the answer from all sides.
inline DegradedSchedule checked(const DegradedRequest& request,
                                const std::function<bool()>& keep_going = {}) {
  INFO(text(request));
  const auto result = degraded(request, keep_going);
  if (!result) FAIL(result.fault().sentence);
  const DegradedSchedule& answer = result.value();
  const Schedule& schedule = answer.schedule;
  INFO(text_of(schedule));
  const int p = request.shape.stages;
  REQUIRE(schedule.width == request.width);
  REQUIRE(schedule.micro_batches == request.shape.micro_batches * request.width);
  REQUIRE(static_cast<int>(schedule.ranks.size()) == p * request.width);
  const auto proven = validate(schedule);
  if (!proven) FAIL(proven.fault().sentence);
  for (int rank = 0; rank < p * request.width; ++rank) {
    const int lost = request.lost[static_cast<std::size_t>(rank % p)];
    if (rank / p >= request.width - lost) {
      REQUIRE(schedule.ranks[static_cast<std::size_t>(rank)].empty());
    }
  }
  REQUIRE(keeps_limits(request, schedule));
  const auto times = simulated(schedule, request.costs);
  REQUIRE(answer.makespan_ms == times.makespan_ms);
  REQUIRE(answer.period_ms == times.largest_span_ms);
  REQUIRE(answer.bound_ms <= reached_ms(request, answer));
  REQUIRE(answer.bound_ms >= 0);
  return answer;
}

/// How the micro-batches of each stage are dealt to its live ranks.
enum class Spread { blocks, round_robin, only_of_the_dead };

/// Deals evenly and in order; each rank runs its place's order of the base kind for as many
/// micro-batches as it has. Nothing where the kind has no such order, or the ranks would wait for
/// one another for ever, or a limit breaks.
inline std::optional<Schedule> even_spread(const DegradedRequest& request, Spread how, bool split) {
  const int p = request.shape.stages, m = request.shape.micro_batches, n = m * request.width;
  Schedule all;
  for (int rank = 0; rank < p * request.width; ++rank) {
    const int live = request.width - request.lost[static_cast<std::size_t>(rank % p)];
    const int pipeline = rank / p;
    std::vector<int> mine;
    for (int i = 0, dead = 0; i < n && pipeline < live; ++i) {
      int to = i % live;
      if (how == Spread::blocks) to = i * live / n;
      if (how == Spread::only_of_the_dead) to = i / m < live ? i / m : dead++ % live;
      if (to == pipeline) mine.push_back(i);
    }
    const int count = static_cast<int>(mine.size());
    auto base = build_schedule(request.kind, {p, std::max(count, 1)}, {.chunks = request.chunks});
    for (int more = count + 1; !base && more <= count + (2 * p); ++more) {
      base = build_schedule(request.kind, {p, more}, {.chunks = request.chunks});
    }
    if (!base) return std::nullopt;
    all.placement = base.value().placement;
    all.chunks = base.value().chunks;
    auto& actions = all.ranks.emplace_back();
    for (Action action : base.value().ranks[static_cast<std::size_t>(rank % p)]) {
      if (action.micro_batch >= count) continue;
      action.overlaps_next = false;
      action.micro_batch = mine[static_cast<std::size_t>(action.micro_batch)];
      const bool halves = split && action.kind == ActionKind::backward;
      if (halves) action.kind = ActionKind::backward_input;
      actions.push_back(action);
      if (halves)
        actions.push_back({ActionKind::backward_weight, action.micro_batch, action.chunk});
    }
  }
  all.width = request.width;
  all.micro_batches = n;
  if (!validate(all) || !keeps_limits(request, all)) return std::nullopt;
  return all;
}

}  // namespace planaria::test
