#include "cli/schedule_build.hpp"

#include <algorithm>
#include <limits>

#include <fmt/format.h>

namespace planaria::cli {
namespace {

/// A bound that every order keeps: a rank cannot begin before the first micro-batch has come to its
/// first stage, and then has all its work to do; and one micro-batch goes down and up again.
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

Result<Built> build_automatic(const BuildRequest& request,
                              const std::function<bool()>& /*keep_going*/) {
  return Fault::infeasible(fmt::format("kind {}: is not built yet", request.kind));
}

Result<Built> build_degraded(const BuildRequest& /*request*/,
                             const std::function<bool()>& /*keep_going*/) {
  return Fault::infeasible("--lost, --in-flight-limit: a schedule around them is not built yet");
}

}  // namespace

const std::vector<std::string>& buildable_kinds() {
  static const std::vector<std::string> kinds = [] {
    std::vector<std::string> all = schedule_kinds();
    all.emplace_back("auto");
    return all;
  }();
  return kinds;
}

Schedule placed(const std::string& kind, PipelineShape shape, int chunks) {
  Schedule schedule;
  schedule.chunks = chunks_of(kind, {.chunks = chunks});
  schedule.placement = kind == "interleaved"  ? Placement::loop
                       : schedule.chunks == 2 ? Placement::v
                                              : Placement::single;
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
    // Where a pair takes less than its parts together, the work of a rank is no bound.
    if (!request.overlapped_ms || !has_pairs(built.schedule)) {
      built.bound_ms = bound_ms(built.schedule, request.costs);
    }
  }
  if (request.width > 1) built.schedule = side_by_side(built.schedule, request.width);
  return built;
}

}  // namespace planaria::cli
