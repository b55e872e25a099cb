#include "cli/schedule_inputs.hpp"

#include <algorithm>
#include <charconv>
#include <set>
#include <utility>

#include <fmt/format.h>

#include <planaria/base/json.hpp>
#include <planaria/base/text.hpp>
#include <planaria/schedule/automatic.hpp>
#include <planaria/schedule/draw.hpp>

#include "cli/schedule_build.hpp"

namespace planaria::cli {
namespace {

// A rank's micro-batches times a stage's bytes must stay countable, and all actions in memory.
constexpr std::int64_t cells_max = 2'000'000;
// Of a schedule: cells_max times a few actions fit several times.
constexpr std::size_t text_bytes_max = std::size_t{1} << 28;

Result<void> check_size(const ScheduleInputs& inputs) {
  const std::int64_t cells = std::int64_t{inputs.shape.stages} * inputs.placement.chunks *
                             inputs.shape.micro_batches * inputs.width;
  if (cells <= cells_max) return {};
  return Fault::invalid_input(fmt::format(
      "--stages, --micro-batches: {} of them in all, must be at most {}", cells, cells_max));
}

StageTerms terms_of_flags(const ScheduleFlags& flags, int stages) {
  const auto count = static_cast<std::size_t>(stages);
  StageTerms terms;
  terms.costs.assign(count, {.forward_ms = flags.forward_ms.value_or(1),
                             .backward_input_ms = flags.backward_input_ms.value_or(1),
                             .backward_weight_ms = flags.backward_weight_ms.value_or(1),
                             .send_ms = flags.send_ms.value_or(0)});
  terms.memory.assign(count, {.activation_bytes = flags.activation_bytes.value_or(0),
                              .weight_gradient_bytes = flags.weight_gradient_bytes.value_or(0),
                              .boundary_bytes = flags.boundary_bytes.value_or(0)});
  return terms;
}

std::optional<int> number_in(std::string_view text) {
  int value = 0;
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), value);
  if (text.empty() || error != std::errc{} || end != text.data() + text.size()) return std::nullopt;
  return value;
}

/// "2,3:2": one worker of stage 2 and two of stage 3.
Result<std::vector<int>> read_lost(const std::string& text, int stages, int width) {
  std::vector<int> lost(static_cast<std::size_t>(stages), 0);
  if (text.empty()) {
    return Fault::invalid_input("--lost: empty, must be a stage, or a stage and how many, as 2:1");
  }
  std::set<int> seen;
  for (const std::string& item : split(text, ',')) {
    const std::size_t colon = item.find(':');
    const auto stage = number_in(std::string_view(item).substr(0, colon));
    const auto count = colon == std::string::npos
                           ? std::optional<int>(1)
                           : number_in(std::string_view(item).substr(colon + 1));
    const auto refused = [&](const std::string& why) {
      return Fault::invalid_input(fmt::format("--lost: {}, must be {}", item, why));
    };
    if (!stage || !count) return refused("a stage, or a stage and how many, as 2:1");
    if (*stage < 0 || *stage >= stages) return refused(fmt::format("of stage 0 to {}", stages - 1));
    if (*count < 1 || *count >= width) {
      return refused(
          fmt::format("1 to {} workers: one of the stage's {} must live", width - 1, width));
    }
    if (!seen.insert(*stage).second) return refused("of a stage that is not there twice");
    lost[static_cast<std::size_t>(*stage)] = *count;
  }
  return lost;
}

/// Ranks by option, by the file's or plan's stages, or both where they agree.
Result<int> ranks_of(const ScheduleFlags& flags, std::size_t stages_told, int chunks) {
  if (stages_told == 0) {
    if (flags.stages) return *flags.stages;
    return Fault::invalid_input("--stages: missing, must be 1 to 4096, or --costs or --plan given");
  }
  const std::string source = flags.costs ? *flags.costs : *flags.plan;
  const auto told = static_cast<int>(stages_told);
  if (told % chunks != 0) {
    return Fault::invalid_input(fmt::format(
        "{}: stages: {}, must be a multiple of {}, the chunks a rank has", source, told, chunks));
  }
  if (flags.stages && *flags.stages * chunks != told) {
    return Fault::invalid_input(fmt::format("{}: stages: {}, must be {}: --stages {} of {} chunks",
                                            source, told, *flags.stages * chunks, *flags.stages,
                                            chunks));
  }
  return told / chunks;
}

/// The kind and its chunks, both as asked or as the plan has them.
Result<void> choose_kind(const ScheduleFlags& flags, const std::optional<PlanTerms>& plan,
                         ScheduleInputs& inputs) {
  if (!flags.kind && !(plan && plan->kind)) {
    return Fault::invalid_input(
        fmt::format("{}: schedule: missing, must be there, or --kind given", *flags.plan));
  }
  inputs.kind = flags.kind ? *flags.kind : *plan->kind;
  const auto& kinds = kinds_and_automatic();
  if (std::find(kinds.begin(), kinds.end(), inputs.kind) == kinds.end()) {
    return Fault::invalid_input(fmt::format("{}: {}, must be one of {}",
                                            flags.kind ? "--kind" : *flags.plan + ": schedule",
                                            printable(inputs.kind), join(kinds, ", ")));
  }
  inputs.chunks = flags.chunks.value_or(2);
  const int chunks = placed(inputs.kind, {}, inputs.chunks).chunks;
  if (flags.chunks && *flags.chunks != chunks) {
    return Fault::invalid_input(fmt::format("--chunks: {}, must be left out or {} for {}",
                                            *flags.chunks, chunks, inputs.kind));
  }
  return {};
}

/// The shape of what is to be built.
Result<void> choose_shape(const ScheduleFlags& flags, const std::optional<PlanTerms>& plan,
                          ScheduleInputs& inputs) {
  PLANARIA_TRY_VOID(choose_kind(flags, plan, inputs));
  const int chunks = placed(inputs.kind, {}, inputs.chunks).chunks;
  PLANARIA_TRY(stages, ranks_of(flags, inputs.terms.costs.size(), chunks));
  if (!flags.micro_batches && !plan) {
    return Fault::invalid_input("--micro-batches: missing, must be 1 to 1000000");
  }
  inputs.shape = {stages, flags.micro_batches ? *flags.micro_batches : plan->micro_batches};
  inputs.placement = placed(inputs.kind, inputs.shape, inputs.chunks);
  return {};
}

/// The shape of what was read.
Result<void> take_shape(const ScheduleFlags& flags, ScheduleInputs& inputs) {
  PLANARIA_TRY(schedule, read_schedule(*flags.check, inputs.width));
  inputs.kind = "file";
  inputs.shape = {schedule.depth(), schedule.micro_batches / inputs.width};
  inputs.placement = std::move(schedule);
  const std::size_t told = inputs.terms.costs.size();
  if (told == 0 || told == static_cast<std::size_t>(inputs.placement.stages())) return {};
  return Fault::invalid_input(fmt::format("{}: stages: {}, must be {}, as {} has",
                                          flags.costs ? *flags.costs : *flags.plan, told,
                                          inputs.placement.stages(), *flags.check));
}

/// Chunks of one rank are on one worker.
Result<void> check_workers(const ScheduleFlags& flags, const ScheduleInputs& inputs) {
  const Schedule& placement = inputs.placement;
  for (int rank = 0; !inputs.terms.workers.empty() && rank < placement.depth(); ++rank) {
    const auto worker_of = [&](int chunk) {
      return inputs.terms.workers[static_cast<std::size_t>(placement.stage_of(rank, chunk))];
    };
    for (int chunk = 1; chunk < placement.chunks; ++chunk) {
      if (worker_of(chunk) == worker_of(0)) continue;
      return Fault::invalid_input(fmt::format(
          "{}: pipelines[{}].stages[{}].worker: {}, must be {}, the worker of stage {}: chunks of "
          "one rank",
          *flags.plan, flags.pipeline.value_or(0), placement.stage_of(rank, chunk),
          worker_of(chunk), worker_of(0), placement.stage_of(rank, 0)));
    }
  }
  return {};
}

}  // namespace

Result<Schedule> read_schedule(const std::string& path, int width) {
  const auto text = read_file(path, text_bytes_max);
  if (!text.ok()) return Fault::invalid_input(text.fault().sentence);
  PLANARIA_TRY(schedule, schedule_from_text(text.value(), path, width));
  if (schedule.micro_batches % width != 0) {
    return Fault::invalid_input(
        fmt::format("{}: {} micro-batches, must be a multiple of --width {}", path,
                    schedule.micro_batches, width));
  }
  // What names a chunk or micro-batch far out is still a small file: nothing of its size is made.
  std::int64_t actions = 0;
  for (const auto& rank : schedule.ranks) actions += static_cast<std::int64_t>(rank.size());
  const std::int64_t cells = std::int64_t{schedule.stages()} * schedule.micro_batches;
  if (cells > cells_max && cells > actions) {
    return Fault::invalid_input(
        fmt::format("{}: {} stages of {} micro-batches, must be at most {} in all", path,
                    schedule.stages(), schedule.micro_batches, cells_max));
  }
  return schedule;
}

Result<ScheduleInputs> read_inputs(const ScheduleFlags& flags) {
  ScheduleInputs inputs;
  inputs.width = flags.width.value_or(1);
  inputs.asked_width = flags.width.has_value();
  std::optional<PlanTerms> plan;
  if (flags.costs) {
    PLANARIA_TRY(json, read_json_file(*flags.costs));
    PLANARIA_TRY(terms, costs_from_json(json, *flags.costs));
    inputs.terms = std::move(terms);
  } else if (flags.plan) {
    PLANARIA_TRY(terms, read_plan_terms(flags));
    inputs.terms = terms.stages;
    plan = std::move(terms);
  }
  if (flags.memory_limit_bytes && !inputs.terms.limit_bytes.empty()) {
    return Fault::invalid_input(
        fmt::format("--memory-limit-bytes: not with limits in {}", *flags.costs));
  }
  PLANARIA_TRY_VOID(flags.check ? take_shape(flags, inputs) : choose_shape(flags, plan, inputs));
  PLANARIA_TRY_VOID(check_workers(flags, inputs));
  PLANARIA_TRY_VOID(check_size(inputs));
  if (inputs.terms.costs.empty()) {
    inputs.by_flags = true;
    inputs.terms = terms_of_flags(flags, inputs.shape.stages * inputs.placement.chunks);
  }
  if (flags.memory_limit_bytes) {
    inputs.terms.limit_bytes.assign(inputs.terms.costs.size(), *flags.memory_limit_bytes);
  }
  if (flags.lost) {
    PLANARIA_TRY(lost, read_lost(*flags.lost, inputs.shape.stages, inputs.width));
    inputs.lost = std::move(lost);
  }
  if (flags.jitter) {
    PLANARIA_TRY(json, read_json_file(*flags.jitter));
    PLANARIA_TRY(jitter, jitter_from_json(json, *flags.jitter, flags.seed));
    inputs.jitter = std::move(jitter);
  }
  return inputs;
}

std::vector<std::int64_t> limits_by_rank(const Schedule& placement, const StageTerms& terms) {
  std::vector<std::int64_t> limits;
  for (int rank = 0; !terms.limit_bytes.empty() && rank < placement.depth(); ++rank) {
    std::int64_t least = no_limit_bytes;
    for (int chunk = 0; chunk < placement.chunks; ++chunk) {
      const auto stage = static_cast<std::size_t>(placement.stage_of(rank, chunk));
      least = std::min(least, terms.limit_bytes[stage]);
    }
    limits.push_back(least);
  }
  return limits;
}

}  // namespace planaria::cli
