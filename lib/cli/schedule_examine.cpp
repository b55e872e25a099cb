#include "cli/schedule_examine.hpp"

#include <algorithm>
#include <chrono>
#include <filesystem>
#include <system_error>
#include <utility>

#include <fmt/format.h>

#include <planaria/base/text.hpp>
#include <planaria/schedule/automatic.hpp>
#include <planaria/schedule/validate.hpp>

#include "cli/schedule_output.hpp"

namespace planaria::cli {
namespace {

BuildRequest request_of(const ScheduleInputs& inputs, const ScheduleFlags& flags) {
  return {.kind = inputs.kind,
          .shape = inputs.shape,
          .chunks = inputs.chunks,
          .costs = inputs.terms.costs,
          .memory = inputs.terms.memory,
          .limit_bytes = limits_by_rank(inputs.placement, inputs.terms),
          .sends_in_flight = flags.sends_in_flight,
          .overlapped_ms = flags.overlapped_ms,
          .seed = flags.seed,
          .width = inputs.width,
          .lost = inputs.lost,
          .in_flight_limit = flags.in_flight_limit.value_or(0),
          .staggered = flags.staggered};
}

bool has_recompute(const Schedule& schedule) {
  return std::any_of(schedule.ranks.begin(), schedule.ranks.end(), [](const auto& actions) {
    return std::any_of(actions.begin(), actions.end(),
                       [](const Action& action) { return action.kind == ActionKind::recompute; });
  });
}

/// Puts an R before the backwards of the plan's stages that recompute. Kinds that recompute by
/// their own rule stay as they are, and so does a text.
bool add_recompute(const ScheduleInputs& inputs, Schedule& schedule) {
  std::vector<int> ranks;
  for (int rank = 0; rank < static_cast<int>(schedule.ranks.size()); ++rank) {
    for (int chunk = 0; !inputs.terms.recompute.empty() && chunk < schedule.chunks; ++chunk) {
      if (inputs.terms.recompute[static_cast<std::size_t>(schedule.stage_of(rank, chunk))]) {
        ranks.push_back(rank);
      }
    }
  }
  if (ranks.empty() || has_recompute(schedule)) return false;
  const Schedule all = with_recompute(schedule, ranks);
  // Of a rank's chunks perhaps only some recompute.
  for (std::size_t rank = 0; rank < all.ranks.size(); ++rank) {
    auto& actions = schedule.ranks[rank];
    actions.clear();
    for (const Action& action : all.ranks[rank]) {
      const int stage = schedule.stage_of(static_cast<int>(rank), action.chunk);
      if (action.kind == ActionKind::recompute &&
          !inputs.terms.recompute[static_cast<std::size_t>(stage)]) {
        continue;
      }
      actions.push_back(action);
    }
  }
  return true;
}

/// Returns kinds of the same chunks that keep to the limit, with commas between.
std::string fitting_kinds(const ScheduleInputs& inputs, const ScheduleFlags& flags,
                          const std::vector<std::int64_t>& limits) {
  std::vector<std::string> fitting;
  for (const std::string& kind : schedule_kinds()) {
    ScheduleInputs other = inputs;
    other.kind = kind;
    other.placement = placed(kind, inputs.shape, inputs.chunks);
    if (kind == inputs.kind || other.placement.chunks != inputs.placement.chunks ||
        other.placement.placement != inputs.placement.placement) {
      continue;
    }
    const auto built = build_in_time(other, flags);
    if (!built.ok()) continue;
    const auto memory = memory_of(built.value().schedule, inputs.terms.memory);
    bool fits = true;
    for (std::size_t rank = 0; rank < memory.size(); ++rank) {
      fits = fits && memory[rank].peak_bytes <= limits[rank % limits.size()];
    }
    if (fits) fitting.push_back(kind);
  }
  return fitting.empty() ? "no other kind does" : "so do " + join(fitting, ", ");
}

/// The same work a rank in another number of chunks.
StageTerms in_chunks(const StageTerms& terms, int chunks, int other_chunks, int ranks) {
  StageTerms other;
  const double share = static_cast<double>(chunks) / other_chunks;
  StageCosts costs = terms.costs.front();
  costs.forward_ms *= share;
  costs.backward_input_ms *= share;
  costs.backward_weight_ms *= share;
  const auto bytes = [&](std::int64_t of) {
    return ((of * chunks) + other_chunks - 1) / other_chunks;
  };
  const StageMemory& memory = terms.memory.front();
  const auto count = static_cast<std::size_t>(ranks) * static_cast<std::size_t>(other_chunks);
  other.costs.assign(count, costs);
  other.memory.assign(count, {.activation_bytes = bytes(memory.activation_bytes),
                              .weight_gradient_bytes = bytes(memory.weight_gradient_bytes),
                              .boundary_bytes = memory.boundary_bytes});
  if (!terms.limit_bytes.empty()) other.limit_bytes.assign(count, terms.limit_bytes.front());
  return other;
}

}  // namespace

Result<Built> build_in_time(const ScheduleInputs& inputs, const ScheduleFlags& flags) {
  using Clock = std::chrono::steady_clock;
  const auto end = Clock::now() + std::chrono::duration<double, std::milli>(flags.search_ms);
  return build(request_of(inputs, flags), [end] { return Clock::now() < end; });
}

Result<ScheduleDrawing> examine(Built built, const ScheduleInputs& inputs,
                                const ScheduleFlags& flags) {
  ScheduleDrawing drawing;
  const bool recomputes = inputs.kind != "file" && add_recompute(inputs, built.schedule);
  PLANARIA_TRY_VOID(validate(built.schedule));
  PLANARIA_TRY(simulated,
               simulate(built.schedule, inputs.terms.costs,
                        {.sends_in_flight = flags.sends_in_flight,
                         .overlapped_ms = flags.overlapped_ms,
                         .recompute_after_gradient = recomputes || inputs.kind == "varuna",
                         .jitter = inputs.jitter ? &*inputs.jitter : nullptr}));
  drawing.title =
      title_of(inputs.kind == "file" ? flags.check.value_or("file") : inputs.kind, inputs);
  drawing.memory = memory_of(built.schedule, inputs.terms.memory);
  const auto limits = limits_by_rank(built.schedule, inputs.terms);
  for (std::size_t rank = 0; !limits.empty() && rank < built.schedule.ranks.size(); ++rank) {
    drawing.limit_bytes.push_back(limits[rank % limits.size()]);
  }
  // With other times than the costs' the bound proves nothing.
  if (!inputs.jitter) drawing.bound_ms = built.bound_ms;
  constexpr double rounding = 1e-9;
  if (drawing.bound_ms && *drawing.bound_ms <= simulated.makespan_ms * (1 + rounding)) {
    drawing.bound_ms = std::min(*drawing.bound_ms, simulated.makespan_ms);
  }
  drawing.simulated = std::move(simulated);
  drawing.schedule = std::move(built.schedule);
  return drawing;
}

Result<void> check_limits(const ScheduleDrawing& drawing, const ScheduleInputs& inputs,
                          const ScheduleFlags& flags) {
  std::int64_t most = 0;
  std::size_t worst = 0;
  for (std::size_t rank = 0; rank < drawing.limit_bytes.size(); ++rank) {
    const std::int64_t above = drawing.memory[rank].peak_bytes - drawing.limit_bytes[rank];
    if (above <= most) continue;
    most = above;
    worst = rank;
  }
  if (most == 0) return {};
  std::string others;
  if (inputs.width == 1 && inputs.kind != "file") {
    others = "; " + fitting_kinds(inputs, flags, limits_by_rank(inputs.placement, inputs.terms));
  }
  return Fault::infeasible(
      fmt::format("{}: rank {} holds {} bytes at its peak, must be at most {}: "
                  "a limit of {} would do{}",
                  drawing.title, worst, drawing.memory[worst].peak_bytes,
                  drawing.limit_bytes[worst], drawing.memory[worst].peak_bytes, others));
}

Result<ScheduleDrawing> compared(const ScheduleInputs& inputs, const ScheduleFlags& flags) {
  const std::string& name = *flags.compare;
  const auto& kinds = kinds_and_automatic();
  const bool is_kind = std::find(kinds.begin(), kinds.end(), name) != kinds.end();
  ScheduleInputs other = inputs;
  std::error_code error;
  if (is_kind) {
    other.kind = name;
    other.placement = placed(name, inputs.shape, inputs.chunks);
  } else if (!std::filesystem::exists(name, error)) {
    return Fault::invalid_input(
        fmt::format("--compare: {}, must be a file or one of {}", name, join(kinds, ", ")));
  } else {
    PLANARIA_TRY(schedule, read_schedule(name, inputs.width));
    other.kind = "file";
    if (schedule.depth() != inputs.shape.stages ||
        schedule.micro_batches != inputs.shape.micro_batches * inputs.width) {
      return Fault::invalid_input(
          fmt::format("{}: {} stages and {} micro-batches, must be {} and {} to be compared", name,
                      schedule.depth(), schedule.micro_batches / inputs.width, inputs.shape.stages,
                      inputs.shape.micro_batches));
    }
    other.placement = std::move(schedule);
  }
  if (other.placement.stages() != inputs.placement.stages()) {
    if (!inputs.by_flags) {
      return Fault::invalid_input(fmt::format(
          "--compare: {} has {} stages, must have {}, as {} tells", name, other.placement.stages(),
          inputs.placement.stages(), flags.costs ? *flags.costs : *flags.plan));
    }
    other.terms = in_chunks(inputs.terms, inputs.placement.chunks, other.placement.chunks,
                            inputs.shape.stages);
  }
  Built built{.schedule = other.placement, .bound_ms = {}, .remark = {}};
  if (is_kind) {
    PLANARIA_TRY(made, build_in_time(other, flags));
    built = std::move(made);
  }
  auto drawing = examine(std::move(built), other, flags);
  if (!drawing.ok()) return Fault{drawing.fault().kind, name + ": " + drawing.fault().sentence};
  ScheduleDrawing compared = std::move(drawing).value();
  compared.title = title_of(name, other);
  return compared;
}

}  // namespace planaria::cli
